"""Search an index that holds the vectors of some rows only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from retrieval_service.adapters.partial_index import PartialIndex
from retrieval_service.ports import Hits, RowSet, Vectors

ROWS = np.asarray([1, 4, 6], np.int64)


class Inner:
    """Index of three vectors, compared exactly."""

    dim = 2
    status = "in main memory"

    def __init__(self) -> None:
        self.content = np.asarray([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], np.float32)
        self.filters: list[RowSet | None] = []
        self.closed = False

    def __len__(self) -> int:
        return 3

    def search(self, vector: Vectors, k: int, *, within: RowSet | None = None, nprobe: int | None = None) -> Hits:
        self.filters.append(within)
        scores = self.content @ vector
        admitted = [n for n in np.argsort(-scores).tolist() if within is None or within.mask[n]][:k]
        return Hits(np.asarray(admitted, np.int64), scores[admitted], (0.5, 1.0))

    def vectors(self, rows: Sequence[int]) -> Vectors:
        return self.content[list(rows)]

    def close(self) -> None:
        self.closed = True


def row_set(*rows: int) -> RowSet:
    mask = np.zeros(8, np.bool_)
    mask[list(rows)] = True
    return RowSet(mask, len(rows))


def test_rows_are_those_of_the_snapshot() -> None:
    index = PartialIndex(Inner(), ROWS, 8)
    found = index.search(np.asarray([0.0, 1.0], np.float32), 2)
    assert (found.rows.tolist(), found.bounds) == ([4, 6], (0.5, 1.0))
    assert (len(index), index.dim, index.status) == (3, 2, "in main memory")
    assert index.covered.mask.nonzero()[0].tolist() == ROWS.tolist()


def test_a_filter_admits_the_same_rows_and_is_translated_once() -> None:
    inner = Inner()
    index = PartialIndex(inner, ROWS, 8)
    wanted = row_set(0, 1, 6, 7)
    for _ in range(2):
        assert index.search(np.asarray([0.0, 1.0], np.float32), 5, within=wanted).rows.tolist() == [6, 1]
    assert inner.filters[0] is inner.filters[1]
    assert index.search(np.asarray([0.0, 1.0], np.float32), 5, within=row_set(0, 2)).rows.tolist() == []


def test_a_row_without_a_vector_is_near_nothing() -> None:
    inner: Any = Inner()
    index = PartialIndex(inner, ROWS, 8)
    np.testing.assert_array_equal(index.vectors([6, 0, 1]), [inner.content[2], [0, 0], inner.content[0]])
    np.testing.assert_array_equal(index.vectors([0, 7]), np.zeros((2, 2)))
    index.close()
    assert inner.closed
