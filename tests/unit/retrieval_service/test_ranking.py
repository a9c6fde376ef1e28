"""An index's ranking grows by fixed depths, and its first rows never change."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from retrieval_service.ports import DEPTHS, Hits
from retrieval_service.search.ranking import Ranking


class Fickle:
    """An index with another order at every depth, as an index that refines more candidates has."""

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
    ranking = Ranking(index, np.asarray(sorted(left_out), np.int64))
    before: list[int] = []
    for depth in DEPTHS:
        ranking.search_deeper(depth)
        found = ranking.hits.rows.tolist()
        assert found[: len(before)] == before
        assert len(set(found)) == len(found) == len(ranking.hits.scores)
        assert not left_out & set(found)
        assert len(found) == depth or ranking.ended
        assert len(found) <= depth + len(left_out)
        before = found
    assert ranking.ended
    assert set(before) == set(range(rows)) - left_out or len(before) == DEPTHS[-1] < rows
    assert index.asked == [depth + len(left_out) for depth in DEPTHS][: len(index.asked)]


def test_a_complete_ranking_is_not_searched_again() -> None:
    index = Fickle(40, 1)
    ranking = Ranking(index, np.empty(0, np.int64))
    for depth in DEPTHS:
        ranking.search_deeper(depth)
    assert index.asked == [DEPTHS[0]]
    assert len(ranking.hits.rows) == 40
