"""Models with random weights and a vocabulary of a few words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WORDS = "graph kernel quark lattice tensor neuron spin boson plasma orbit".split()


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
