"""A teacher's vectors are calculated once, and a model of fewer dimensions can learn all that is kept of them."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from training.errors import ConfigurationError
from training.fit import teacher as module
from training.fit.batches import PairFile

from ..conftest import WORDS

KINDS = frozenset({"title"})


@pytest.fixture
def pairs(tmp_path: Path) -> PairFile:
    """Return pairs of which two texts are equal, and one of another kind."""
    rng = random.Random(0)
    texts = [" ".join(rng.sample(WORDS, 5)) for _ in range(80)]
    lines = [{"kind": "title", "anchor": texts[n], "positive": texts[n + 40], "groups": [n]} for n in range(40)]
    lines += [{"kind": "title", "anchor": texts[0], "positive": texts[41]}, {"kind": "halves", "anchor": "orbit"}]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return PairFile(tmp_path / "pairs.jsonl", KINDS, tmp_path / "store")


@pytest.fixture
def teacher(tiny_bert: Callable[..., Path]) -> SentenceTransformer:
    return SentenceTransformer(str(tiny_bert(12, seed=1)), device="cpu")


@pytest.fixture
def encoded(teacher: SentenceTransformer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return every text that the teacher encodes, with its prompt."""
    seen: list[str] = []
    encode = teacher.encode

    def record(texts: list[str], *, prompt: str, **more: object) -> object:
        seen.extend(prompt + text for text in texts)
        return encode(texts, prompt=prompt, **more)

    monkeypatch.setattr(teacher, "encode", record)
    return seen


def test_each_text_is_encoded_once_and_a_second_run_encodes_none(
    teacher: SentenceTransformer, pairs: PairFile, encoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PART", 32)
    vectors, texts = module.fill(teacher, pairs)
    assert len(encoded) == len(set(encoded)) == len(texts) == len(vectors.digests) == 80
    expected = SentenceTransformer.encode(teacher, list(texts.values()), normalize_embeddings=True)
    np.testing.assert_allclose(vectors.read(np.array(list(texts))), expected, atol=1e-3)
    encoded.clear()
    again, _ = module.fill(teacher, pairs)
    assert encoded == []
    np.testing.assert_array_equal(again.read(again.digests), vectors.read(vectors.digests))


def test_a_killed_calculation_continues_with_the_texts_that_are_missing(
    teacher: SentenceTransformer, pairs: PairFile, encoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PART", 32)
    rename = module.os.rename

    def fail_at_the_second_part(source: Path, target: Path) -> None:
        if list(target.parent.glob("[!.]*")):
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(module.os, "rename", fail_at_the_second_part)
    with pytest.raises(KeyboardInterrupt):
        module.fill(teacher, pairs)
    monkeypatch.setattr(module.os, "rename", rename)
    encoded.clear()
    vectors, _ = module.fill(teacher, pairs)
    assert len(encoded) == 80 - 32
    assert len(vectors.digests) == 80


def test_another_teacher_length_or_prompt_has_vectors_of_its_own(
    teacher: SentenceTransformer, pairs: PairFile, encoded: list[str], tiny_bert: Callable[..., Path]
) -> None:
    module.fill(teacher, pairs)
    first = module.digest_teacher(teacher)
    teacher.max_seq_length = 6
    assert module.digest_teacher(teacher) != first
    assert module.digest_teacher(SentenceTransformer(str(tiny_bert(12, seed=2)), device="cpu")) != first
    encoded.clear()
    teacher.prompts = {"query": "spin: ", "passage": "boson: "}
    module.fill(teacher, pairs)
    assert sum(text.startswith("spin: ") for text in encoded) == 40
    assert sum(text.startswith("boson: ") for text in encoded) == 40


def test_a_wider_teacher_is_reduced_so_that_the_model_itself_learns_its_similarities(
    teacher: SentenceTransformer, pairs: PairFile, tiny_bert: Callable[..., Path]
) -> None:
    student = SentenceTransformer(str(tiny_bert(8)), device="cpu")
    loss = module.build_distilled(student, teacher, pairs, "l2")
    assert [name for name, _ in loss.named_parameters() if not name.startswith("model.")] == []
    vectors, texts = module.fill(teacher, pairs)
    digests = np.array(list(texts))
    whole, reduced = vectors.read(digests), loss._targets(digests)
    assert reduced.shape == (80, 8)
    # No other projection to as many dimensions keeps more of the inner products.
    best = np.linalg.svd(whole, compute_uv=False)[:8]
    np.testing.assert_allclose(np.linalg.norm(whole @ loss.axes), np.linalg.norm(best), rtol=1e-4)
    # It is turned towards the model's own vectors.
    own = student.encode(list(texts.values()), normalize_embeddings=True)
    turned = (own * reduced).sum(axis=1).mean()
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0].astype(np.float32)
    assert turned > (own * (reduced @ rotation)).sum(axis=1).mean() + 0.1

    rows = list(pairs.read())[:40]
    batch = {name: [row[name] for row in rows] for name in ("anchor", "positive")}
    labels = torch.tensor(loss.add_labels(batch)["label"])
    optimizer = torch.optim.Adam(student.parameters(), lr=0.01)
    values = []
    for _ in range(60):
        value = loss([student.preprocess(batch[name]) for name in batch], labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.5 * values[0]


def test_single_texts_are_documents(teacher: SentenceTransformer, tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text('{"kind": "texts", "anchor": "graph kernel"}\n')
    teacher.prompts = {"query": "spin: ", "document": "boson: "}
    file = PairFile(tmp_path / "pairs.jsonl", frozenset({"texts"}), tmp_path / "store")
    loss = module.build_distilled(teacher, teacher, file, "mse")
    labels = torch.tensor(loss.add_labels({"anchor": ["graph kernel"]})["label"])
    assert labels.tolist() == [[module.digest_text("graph kernel", "boson: ")]]
    value = loss([teacher.preprocess(["boson: graph kernel"])], labels)
    assert value.shape == ()
    np.testing.assert_allclose(
        loss._targets(labels.numpy().ravel()),
        SentenceTransformer.encode(teacher, ["boson: graph kernel"], normalize_embeddings=True),
        atol=1e-3,
    )


def test_a_narrower_teacher_is_refused(
    teacher: SentenceTransformer, pairs: PairFile, tiny_bert: Callable[..., Path]
) -> None:
    student = SentenceTransformer(str(tiny_bert(16)), device="cpu")
    with pytest.raises(ConfigurationError, match="12 dimensions and the model 16"):
        module.build_distilled(student, teacher, pairs, "cosine")
