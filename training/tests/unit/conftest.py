"""Folders that every composed configuration needs, papers of random words, and models with random weights."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from akin.papers import Paper

WORDS = "graph kernel quark lattice tensor neuron spin boson plasma orbit".split()

PAPER_WORDS = (
    "graph kernel lattice quark galaxy tensor spin neuron market protein theorem plasma orbit boson fluid".split()
)


@pytest.fixture(autouse=True)
def _paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKIN_DATA", "data")
    monkeypatch.setenv("AKIN_MODEL_REPOSITORY", "model_repository")


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that makes a BERT of one layer with a number of dimensions, as SentenceTransformer.save() does.

    Beside the model's folder, `base` holds the encoder without pooling.
    """
    import tokenizers
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    def make(dim: int, seed: int = 0, **arguments: Any) -> Path:
        torch.manual_seed(seed)
        path = tmp_path_factory.mktemp("model")
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
        made = tokenizers.BertWordPieceTokenizer({word: number for number, word in enumerate(words)})
        transformers.BertTokenizerFast(tokenizer_object=made._tokenizer).save_pretrained(path / "base")
        sizes = {"hidden_size": dim, "intermediate_size": dim, "num_hidden_layers": 1, "num_attention_heads": 1}
        config = transformers.BertConfig(vocab_size=len(words), max_position_embeddings=16, **sizes)
        transformers.BertModel(config).save_pretrained(path / "base")
        modules = [Transformer(str(path / "base")), Pooling(dim)]
        SentenceTransformer(modules=modules, device="cpu", **arguments).save(str(path / "model"))
        return path / "model"

    return make


@pytest.fixture(scope="session")
def make_papers() -> Callable[[int], list[Paper]]:
    """Return papers of random words, a day apart, with three sentences and one of three subjects each."""

    def make(count: int) -> list[Paper]:
        rng = random.Random(7)

        def text(length: int) -> str:
            return " ".join(rng.choice(PAPER_WORDS) + str(rng.randint(0, 99)) for _ in range(length))

        return [
            Paper(
                id=f"p{number}",
                title=text(6),
                abstract=f"We study {text(12)}. Then {text(30)}. At last {text(8)}.",
                categories=(("cs.IR", "hep-th", "math.CO")[number % 3],),
                published=date(2000, 1, 1) + timedelta(days=number),
            )
            for number in range(count)
        ]

    return make
