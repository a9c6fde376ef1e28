"""A tiny encoder with random weights, and groups that a model can learn from."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

WORDS = [first + second for first in "ba ce di fo gu ha je ki".split() for second in "ran sel tin vox".split()]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Use one thread: for a tiny model, threads that wait for each other cost more than they save."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a BERT of one layer as SentenceTransformer.save() does."""
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    folder = tmp_path_factory.mktemp("encoder")
    # A trained vocabulary would have another order in every process.
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(words))
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 64}
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=64,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.1,
        initializer_range=0.1,
        **sizes,
    )
    transformers.BertModel(config).save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    SentenceTransformer(modules=[Transformer(str(folder / "base")), Pooling(32)], device="cpu").save(
        str(folder / "model")
    )
    return folder / "model"


@pytest.fixture(scope="session")
def groups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write groups whose positive passages have one word in common, and whose negatives lack it."""
    rng = random.Random(0)
    path = tmp_path_factory.mktemp("groups") / "groups.jsonl"

    def text(*words: str) -> str:
        found = [*words, *rng.choices(WORDS[1:], k=rng.randint(2, 6))]
        rng.shuffle(found)
        return " ".join(found)

    lines = [
        {
            "query": text(),
            "positive": text(WORDS[0]),
            "negatives": [text() for _ in range(1 + number % 3)],
            "scores": [0.9, *(0.1 * other for other in range(1 + number % 3))],
        }
        for number in range(320)
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path
