"""Joining the two halves' rankings into one.

Each half's best `pool` papers get a share between 0 and 1, and a paper's score is the weighted mean of its two shares.
Papers found deeper, for a far page, have no share and follow in the order of their better rank: a page is the same
however deep the search behind it went.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval_service.ports import Hits, Rows

EVEN = 0.5
"""Weight of the dense half where both count the same."""

_RRF_CONSTANT = 60
Shares = NDArray[np.float64]


class Fusion(Protocol):
    """How a half's ranking becomes shares."""

    def shares(self, scores: NDArray[np.float32]) -> Shares:
        """Shares in 0..1 for scores that fall from the best to the worst of the pool."""


class MinMax:
    """The best of the pool has 1, the worst 0, the others lie between as their scores do."""

    def shares(self, scores: NDArray[np.float32]) -> Shares:
        """Shares in proportion to the scores; 1 for all where all are equal."""
        exact = scores.astype(np.float64)
        # Where the pool is deeper than the first search of an index, a later row may have a better score.
        best, worst = exact.max(), exact.min()
        return (exact - worst) / (best - worst) if best > worst else np.ones(len(exact))


class ReciprocalRank:
    """Only ranks count: Cormack, Clarke and Büttcher 2009, with their constant of 60, scaled so the first has 1."""

    def shares(self, scores: NDArray[np.float32]) -> Shares:
        """Shares that fall with the reciprocal of the rank."""
        return (_RRF_CONSTANT + 1) / (_RRF_CONSTANT + 1 + np.arange(len(scores)))


class FusedRanking(NamedTuple):
    """The joined ranking, best first, with each half's own score (NaN where that half did not find the paper)."""

    rows: Rows
    scores: Shares
    dense: Shares
    lexical: Shares


FUSIONS: Mapping[str, Fusion] = MappingProxyType({"minmax": MinMax(), "rrf": ReciprocalRank()})
"""Every way of fusing, by the name it is chosen by."""


def fuse(dense: Hits, lexical: Hits, fusion: Fusion, pool: int, weight: float = EVEN) -> FusedRanking:
    """One ranking of all that either half found; `weight` is the dense half's, 0 to 1."""
    rows = np.union1d(dense.rows, lexical.rows)
    scores, better_rank = np.zeros(len(rows)), np.full(len(rows), np.iinfo(np.int64).max)
    own = []
    for hits, its_weight in ((dense, weight), (lexical, 1 - weight)):
        at = np.searchsorted(rows, hits.rows)
        if in_pool := min(pool, len(hits.rows)):
            scores[at[:in_pool]] += its_weight * fusion.shares(hits.scores[:in_pool])
        better_rank[at] = np.minimum(better_rank[at], np.arange(len(hits.rows)))
        half = np.full(len(rows), np.nan)
        half[at] = hits.scores
        own.append(half)
    order = np.lexsort((rows, better_rank, -scores))
    return FusedRanking(rows[order], scores[order], own[0][order], own[1][order])


def append_deeper(before: FusedRanking, after: FusedRanking) -> FusedRanking:
    """Return a ranking with the new rows of a deeper one behind it; a row keeps the place and the scores it had."""
    new = ~np.isin(after.rows, before.rows)
    return FusedRanking(*(np.concatenate([known, found[new]]) for known, found in zip(before, after, strict=True)))


def single_ranking(dense: Hits | None, lexical: Hits | None) -> FusedRanking:
    """The ranking of the one half that was asked, with that half's scores."""
    hits = dense if dense is not None else lexical
    if hits is None:
        raise ValueError("neither half was asked")
    scores, nothing = hits.scores.astype(np.float64), np.full(len(hits.rows), np.nan)
    halves = (scores, nothing) if dense is not None else (nothing, scores)
    return FusedRanking(hits.rows, scores, *halves)
