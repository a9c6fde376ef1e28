"""Test that collected searches are kept whole, bounded, and deleted when they must be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from akin.collection.store import CollectedSearch, CollectionError, CollectionStore, as_records

NOW = datetime(2026, 6, 1, 12, 30, 17, tzinfo=UTC)


class Clock:
    now = NOW


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> CollectionStore:
    return CollectionStore(tmp_path / "kept", days=30, most_bytes=1_000_000, now=lambda: clock.now)


def search(query: str = "graphs", **more: Any) -> CollectedSearch:
    values = {
        "time": NOW.replace(second=0),
        "query": query,
        "mode": "hybrid",
        "tokens": 3,
        "unknown": 0.5,
        "ids": ["p1", "p2"],
        "scores": [0.75, 0.5],
        "category": "cs.LG",
        "total_ms": 8.5,
        "embed_ms": 5.0,
        "vectors_ms": 1.0,
        "lexical_ms": 2.0,
        "snapshot": "s1",
        "encoder": "e1",
        "embedding": np.array([0.6, 0.8], np.float16),
    }
    return CollectedSearch(**{**values, **more})


def test_what_was_stored_is_read_again(store: CollectionStore, clock: Clock) -> None:
    hostile = "=cmd|' /C calc'!A0 <script>\u202e\u0000\n" + "x" * 9_000
    bare = search("", tokens=None, unknown=None, ids=[], scores=[], category=None, embedding=None)
    store.write([search(hostile), bare])
    first, second = store.read()
    assert (first.query, first.ids, first.scores, first.time) == (hostile, ["p1", "p2"], [0.75, 0.5], store.time())
    assert first.embedding is not None
    assert first.embedding.tolist() == np.array([0.6, 0.8], np.float16).tolist()
    assert second == bare


def test_half_of_a_surrogate_pair_does_not_lose_the_file(store: CollectionStore) -> None:
    store.write([search("a\ud800b"), search("kept")])
    assert [each.query for each in store.read()] == ["a?b", "kept"]


def test_the_moment_is_in_whole_minutes_and_nothing_else_is_stored(store: CollectionStore) -> None:
    store.write([search()])
    [path] = store.folder.glob("*.parquet")
    assert path.stat().st_mode & 0o777 == 0o600
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert store.time().second == store.time().microsecond == 0
    wanted = "time query mode tokens unknown ids scores category total_ms embed_ms vectors_ms lexical_ms"
    assert parquet.read_schema(path).names == [*wanted.split(), "snapshot", "encoder", "embedding"]


def test_files_are_deleted_by_age(store: CollectionStore, clock: Clock) -> None:
    store.write([search("old")])
    clock.now = NOW + timedelta(days=29)
    store.write([search("new", time=store.time())])
    assert [each.query for each in store.read()] == ["old", "new"]
    clock.now = NOW + timedelta(days=31)
    assert [each.query for each in store.read()] == ["new"]
    assert store.expire() == 1
    assert store.stored().files == 1


def test_the_oldest_files_are_deleted_when_all_are_too_large(tmp_path: Path) -> None:
    dice = np.random.default_rng(1)
    moment = NOW
    store = CollectionStore(tmp_path, days=30, most_bytes=60_000, now=lambda: moment)
    for number in range(8):
        moment = NOW + timedelta(minutes=number)
        vectors = dice.standard_normal((20, 384)).astype(np.float16)
        store.write([search(f"q{number}", time=store.time(), embedding=vector) for vector in vectors])
        assert store.stored().bytes <= 60_000
    left = {each.query for each in store.read()}
    assert left == {"q6", "q7"}


def test_nothing_half_written_is_left_or_read(store: CollectionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write([search("whole")])

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(parquet, "write_table", full)
        with pytest.raises(CollectionError, match="No space left on device"):
            store.write([search("lost")])
    assert [path.name.startswith("queries-") for path in store.folder.iterdir()] == [True]
    # One that a killed process left is not read, and deleted after an hour.
    abandoned = store.folder / ".queries-20260601T1200Z-00000000.parquet.aside"
    abandoned.write_bytes(b"PAR1")
    assert [each.query for each in store.read()] == ["whole"]


def test_a_damaged_file_is_named(store: CollectionStore) -> None:
    store.write([search()])
    [path] = store.folder.glob("*.parquet")
    path.write_bytes(b"PAR1 nonsense")
    with pytest.raises(CollectionError, match=f"{path.name} cannot be read"):
        list(store.read())


def test_searches_are_deleted_by_day_by_text_or_all(store: CollectionStore) -> None:
    store.write([search("old", time=NOW.replace(day=20, month=5, second=0))])
    store.write([search("a"), search("b"), search("a")])
    assert store.delete(before="2026-05-25") == 1
    assert store.delete(query="a") == 2
    assert store.delete(query="absent") == 0
    assert [each.query for each in store.read()] == ["b"]
    assert store.delete() == 1
    assert store.stored().searches == 0


def test_days_choose_what_is_read(store: CollectionStore) -> None:
    store.write([search("may", time=NOW.replace(day=20, month=5)), search("june")])
    assert [each.query for each in store.read(since="2026-06-01")] == ["june"]
    assert [each.query for each in store.read(before="2026-06-01")] == ["may"]


def test_records_for_json_have_vectors_on_request(store: CollectionStore) -> None:
    [plain] = as_records([search()], embeddings=False)
    assert plain["time"] == "2026-06-01T12:30Z"
    assert "embedding" not in plain
    [full] = as_records([search()], embeddings=True)
    assert full["embedding"] == pytest.approx([0.6, 0.8], abs=1e-3)
