"""Embedding store: every stored text is found during appends and merges, and damage is detected."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from akin.indexing import embedding_store
from akin.indexing.embed import require_positions
from akin.indexing.embedding_store import EmbeddingStore, text_digest
from retrieval_service.errors import BuildInProgress, SnapshotError, SnapshotInvalid
from tests.integration.snapshots import flip

DIM = 8


def made(first: int, count: int) -> tuple[list[bytes], Any]:
    """Return digests of texts, and vectors that contain the number of their text."""
    numbers = np.arange(first, first + count)
    return [text_digest(str(number)) for number in numbers], np.outer(numbers, np.ones(DIM)).astype(np.float32)


def test_stored_texts_are_found_during_a_merge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    sort = np.argsort

    def sorting(*arguments: Any, **options: Any) -> Any:
        # During a merge, another thread looks up texts that were stored before.
        if len(store):
            asking = threading.Thread(target=lambda: asked.append(store.positions(before)))
            asking.start()
            asking.join(10)
        return sort(*arguments, **options)

    with EmbeddingStore(tmp_path, DIM, merge_after=100) as store:
        before, vectors = made(0, 90)
        store.append(before, vectors)
        monkeypatch.setattr(embedding_store.np, "argsort", sorting)
        store.append(*made(90, 90))
        monkeypatch.undo()
        assert len(asked) == 1
        np.testing.assert_array_equal(asked[0], np.arange(90))


def test_many_threads_read_while_one_appends(tmp_path: Path) -> None:
    wrong: list[str] = []
    stored = 0
    done = threading.Event()

    def ask() -> None:
        while not done.is_set() and not wrong:
            count = stored
            digests, vectors = made(max(0, count - 40), min(40, count))
            positions = store.positions(digests)
            if (positions < 0).any() or (store.vectors(positions) != vectors).any():
                wrong.append(f"after {count}: {positions}")

    with EmbeddingStore(tmp_path, DIM, merge_after=64) as store:
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for first in range(0, 2000, 20):
            store.append(*made(first, 20))
            stored = first + 20
        done.set()
        for thread in threads:
            thread.join()
        assert wrong == []
        np.testing.assert_array_equal(require_positions(store, made(0, 2000)[0]), np.arange(2000))
    with EmbeddingStore(tmp_path, DIM) as store:
        np.testing.assert_array_equal(store.positions(made(0, 2000)[0]), np.arange(2000))


@pytest.mark.parametrize("position", [-1, -10, 10])
def test_a_position_outside_the_store_is_an_error(tmp_path: Path, position: int) -> None:
    with EmbeddingStore(tmp_path, DIM) as store:
        store.append(*made(0, 10))
        store.vectors(np.asarray([9]))
        with pytest.raises(SnapshotInvalid, match=f"no vector at position {position}"):
            store.vectors(np.asarray([0, position, 1]))
        with pytest.raises(SnapshotError, match="1 stored vectors are missing"):
            require_positions(store, [*made(0, 10)[0], text_digest("never stored")])


def test_nothing_is_appended_after_a_failed_write(tmp_path: Path) -> None:
    """Append nothing behind the part of a vector that a full disk took: it would shift the vectors after it."""

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, content: Any) -> None:
            self.file.write(bytes(content)[:-3])
            raise OSError(28, "No space left on device")

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    with EmbeddingStore(tmp_path, DIM) as store:
        store.append(*made(0, 10))
        file, store._vectors = store._vectors, Full(store._vectors)  # type: ignore[assignment]
        with pytest.raises(OSError, match="No space left"):
            store.append(*made(10, 10))
        store._vectors = file
        with pytest.raises(OSError, match="an earlier write failed"):
            store.append(*made(20, 10))
    with EmbeddingStore(tmp_path, DIM) as store:
        assert len(store) == 10
        store.append(*made(20, 10))
        digests, vectors = made(20, 10)
        np.testing.assert_array_equal(store.vectors(store.positions(digests)), vectors)


def test_a_damaged_vector_does_not_match_its_checksum(tmp_path: Path) -> None:
    with EmbeddingStore(tmp_path, DIM, merge_after=8) as store:
        for first in (0, 5, 10):
            store.append(*made(first, 5))
        path = tmp_path / "vectors.f16"
        with path.open("r+b") as file:
            file.seek(3 * DIM * 2)
            file.write(b"\x55")
        assert np.flatnonzero(~store.match_checksums(np.arange(15))).tolist() == [3]


def test_the_store_returns_the_vectors_that_were_appended(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    digests = [text_digest(f"text {i}") for i in range(1000)]
    vectors = rng.standard_normal((1000, 12)).astype(np.float32)
    with EmbeddingStore(tmp_path, 12) as store:
        assert store.append(digests[:600], vectors[:600]).tolist() == list(range(600))
        store.append(digests[600:], vectors[600:])
        assert store.positions([text_digest("other"), digests[999], digests[0]]).tolist() == [-1, 999, 0]
    with EmbeddingStore(tmp_path, 12) as store:
        assert len(store) == 1000
        positions = store.positions(digests[::-1])
        assert positions.tolist() == list(range(1000))[::-1]
        np.testing.assert_array_equal(store.vectors(positions), vectors[::-1].astype(np.float16).astype(np.float32))
        with pytest.raises(BuildInProgress):
            EmbeddingStore(tmp_path, 12)


@pytest.mark.parametrize("cut", [1, 7, 24, 25])
@pytest.mark.parametrize("name", ["keys.bin", "vectors.f16"])
def test_an_incomplete_end_is_cut_off(tmp_path: Path, name: str, cut: int) -> None:
    vectors = np.eye(12, dtype=np.float32)
    digests = [text_digest(str(i)) for i in range(12)]
    with EmbeddingStore(tmp_path, 12) as store:
        store.append(digests, vectors)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-cut])
    with EmbeddingStore(tmp_path, 12) as store:
        kept = len(store)
        assert kept in (10, 11)
        assert store.positions(digests).tolist() == [*range(kept), *[-1] * (12 - kept)]
        store.append(digests[kept:], vectors[kept:])
        np.testing.assert_array_equal(store.vectors(store.positions(digests)), vectors)


def test_a_damaged_vector_is_not_found_when_the_store_is_opened_again(tmp_path: Path) -> None:
    digests = [text_digest(str(i)) for i in range(12)]
    with EmbeddingStore(tmp_path, 12) as store:
        store.append(digests, np.eye(12, dtype=np.float32))
    flip(tmp_path / "vectors.f16", 8 * 24 + 3)
    with EmbeddingStore(tmp_path, 12) as store:
        assert len(store) == 12
        assert store.positions(digests).tolist() == [*range(8), -1, *range(9, 12)]
        assert store.append(digests[8:9], np.eye(12, dtype=np.float32)[8:9]).tolist() == [12]
    with EmbeddingStore(tmp_path, 12) as store:
        np.testing.assert_array_equal(store.vectors(store.positions(digests)), np.eye(12))
