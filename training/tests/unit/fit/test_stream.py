"""A stream is shuffled by seed and epoch, and its batches are full, of one kind and without a text twice."""

import json
from pathlib import Path
from typing import Any

import pytest

from training.fit.dataset import load_stream

SIZE = 8
KINDS = ("halves", "title")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Return two kinds, one behind the other; of `title` a third of the positives is repeated."""
    lines = [{"kind": "halves", "anchor": f"first {n}", "positive": f"second {n}", "groups": [n]} for n in range(200)]
    lines += [
        {"kind": "title", "anchor": f"title {n}", "positive": f"abstract {n if n % 3 else 0}"} for n in range(200)
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def read(pairs: Path, epoch: int = 0, **more: Any) -> list[list[tuple[str, str]]]:
    options = {"seed": 0, "add_labels": None, "batch": SIZE, "distinct": True, "keep_blocks": False, **more}
    stream = load_stream(pairs, pairs.parent / "cache", **options)
    assert stream.column_names == ["anchor", "positive"]
    stream.set_epoch(epoch)
    rows = [(row["anchor"], row["positive"]) for row in stream]
    assert len(rows) % SIZE == 0
    return [rows[start : start + SIZE] for start in range(0, len(rows), SIZE)]


@pytest.mark.parametrize("keep_blocks", [False, True])
def test_each_batch_is_full_of_one_kind_and_without_repeats(pairs: Path, keep_blocks: bool) -> None:
    batches = read(pairs, keep_blocks=keep_blocks)
    kinds = [{anchor.split()[0] for anchor, _ in batch} for batch in batches]
    assert all(len(kind) == 1 for kind in kinds)
    assert sum(kind == {"first"} for kind in kinds) == 25
    assert all(len({positive for _, positive in batch}) == SIZE for batch in batches)
    assert len({anchor for batch in batches for anchor, _ in batch}) == SIZE * len(batches)
    # Both kinds come early, though they stand one behind the other in the file.
    assert {"first"} in kinds[:10]
    assert {"title"} in kinds[:10]


@pytest.mark.parametrize("keep_blocks", [False, True])
def test_the_order_depends_on_seed_and_epoch(pairs: Path, keep_blocks: bool) -> None:
    first = read(pairs, keep_blocks=keep_blocks)
    assert first == read(pairs, keep_blocks=keep_blocks)
    assert first != read(pairs, epoch=1, keep_blocks=keep_blocks)
    assert first != read(pairs, seed=1, keep_blocks=keep_blocks)


def test_labels_of_pairs_and_those_that_a_loss_adds_are_known_columns(pairs: Path) -> None:
    labelled = [{**json.loads(line), "label": 1} for line in pairs.read_text().splitlines()]
    pairs.write_text("".join(json.dumps(line) + "\n" for line in labelled))
    options: dict[str, Any] = {"seed": 0, "batch": SIZE, "distinct": False, "keep_blocks": False}
    stream = load_stream(pairs, pairs.parent / "cache", add_labels=None, **options)
    assert stream.column_names == ["anchor", "positive", "label"]
    assert next(iter(stream))["label"] == 1

    def lengths(batch: dict[str, list[str]]) -> dict[str, Any]:
        return {"label": [[len(anchor), 1] for anchor in batch["anchor"]]}

    stream = load_stream(pairs, pairs.parent / "cache", add_labels=lengths, **options)
    assert stream.column_names == ["anchor", "positive", "label"]
    row = next(iter(stream))
    assert row["label"] == [len(row["anchor"]), 1]


def test_blocks_of_the_file_stay_together(pairs: Path) -> None:
    blocks = [batch for batch in read(pairs, keep_blocks=True) if batch[0][0].startswith("first")]
    numbers = [[int(anchor.split()[1]) for anchor, _ in batch] for batch in blocks]
    assert sorted(numbers) == [list(range(start, start + SIZE)) for start in range(0, 200, SIZE)] != numbers


def test_a_loss_without_negatives_of_the_batch_gets_repeated_texts(pairs: Path) -> None:
    assert sum(len(batch) for batch in read(pairs, distinct=False)) == 400
    assert max(len(batch) - len({positive for _, positive in batch}) for batch in read(pairs, distinct=False)) > 0
