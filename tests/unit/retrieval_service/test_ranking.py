"""A half's ranking grows by fixed depths, and what it says first it says always."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from retrieval_service.ports import DEPTHS, Hits
from retrieval_service.search.ranking import Ranking


class Fickle:
    """An index that finds other rows first at every depth, as one does that refines more candidates."""

    def __init__(self, rows: int, seed: int) -> None:
        self.rows = rows
        self.seed = seed
        self.asked: list[int] = []

    def __call__(self, depth: int) -> Hits:
        self.asked.append(depth)
        rows = np.random.default_rng((self.seed, depth)).permutation(self.rows)[:depth]
        return Hits(rows.astype(np.int64), np.linspace(1, 0, len(rows), dtype=np.float32))


@given(rows=st.integers(0, 1500), seed=st.integers(0, 99), left_out=st.sets(st.integers(0, 1500), max_size=8))
def test_a_deeper_search_only_appends(rows: int, seed: int, left_out: set[int]) -> None:
    index = Fickle(rows, seed)
    half = Ranking(index, np.asarray(sorted(left_out), np.int64))
    before: list[int] = []
    for depth in DEPTHS:
        half.reach(depth)
        found = half.hits.rows.tolist()
        assert found[: len(before)] == before
        assert len(set(found)) == len(found) == len(half.hits.scores)
        assert not left_out & set(found)
        assert len(found) == depth or half.ended
        assert len(found) <= depth + len(left_out)
        before = found
    assert half.ended
    assert set(before) == set(range(rows)) - left_out or len(before) == DEPTHS[-1] < rows
    assert index.asked == [depth + len(left_out) for depth in DEPTHS][: len(index.asked)]


def test_what_has_ended_is_not_searched_again() -> None:
    index = Fickle(40, 1)
    half = Ranking(index, np.empty(0, np.int64))
    for depth in DEPTHS:
        half.reach(depth)
    assert index.asked == [DEPTHS[0]]
    assert len(half.hits.rows) == 40
