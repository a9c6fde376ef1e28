"""Join the dense and the lexical ranking into one.

The best `pool` papers of each ranking get a share between 0 and 1, and a paper's score is the weighted mean of its two
shares. Papers below both pools have the score 0 and follow in the order of their better rank, so that a page is the
same at any depth of the search.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval_service.ports import Hits, Rows

EVEN = 0.5
"""Weight of the dense ranking where both rankings weigh the same."""

_RRF_CONSTANT = 60
_REACH_POWER = 0.25
Shares = NDArray[np.float64]


Fusion = Callable[[Hits, bool], tuple[Shares, float]]
"""Returns the shares of a pool's papers, 0 to 1, and that of a paper which is not in it.

It takes the pool, best first but never empty, and whether it is full: if not, no other paper matches the query.
"""


def bounded(pool: Hits, full: bool) -> tuple[Shares, float]:
    """Return shares in proportion to the scores, from the score of an unrelated paper to that of the best one.

    All shares are multiplied by the fourth root of how far the best score reaches towards the greatest possible one, so
    that a half without a good match weighs less. A paper that is not in a full pool counts as the last of the pool,
    because its score may be nearly as high. Bruch, Gai and Ingber 2023 ("An Analysis of Fusion Functions for Hybrid
    Retrieval") compare such bounds with the least score of each list.
    """
    exact = pool.scores.astype(np.float64)
    best = exact.max()
    low, high = pool.bounds or (min(0.0, exact.min()), best)
    if best <= low:
        return np.zeros(len(exact)), 0.0
    reach = min(1.0, (best - low) / (high - low)) if high > low else 1.0
    shares = np.maximum(exact - low, 0.0) / (best - low) * reach**_REACH_POWER
    return shares, float(shares.min()) if full else 0.0


def min_max(pool: Hits, _: bool) -> tuple[Shares, float]:
    """Return shares in proportion to the scores: 1 for the best, 0 for the worst; 1 for all where all are equal."""
    exact = pool.scores.astype(np.float64)
    # Where the pool is deeper than the first search of an index, a later row may have a better score.
    best, worst = exact.max(), exact.min()
    return (exact - worst) / (best - worst) if best > worst else np.ones(len(exact)), 0.0


def reciprocal_rank(pool: Hits, _: bool) -> tuple[Shares, float]:
    """Return shares by rank alone: Cormack, Clarke and Büttcher 2009, with their constant of 60, 1 for the first."""
    return (_RRF_CONSTANT + 1) / (_RRF_CONSTANT + 1 + np.arange(len(pool.rows))), 0.0


class FusedRanking(NamedTuple):
    """The joined ranking, best first, with the score of each index (NaN where that index did not find the paper)."""

    rows: Rows
    scores: Shares
    dense: Shares
    lexical: Shares


FUSIONS: Mapping[str, Fusion] = MappingProxyType({"bounds": bounded, "minmax": min_max, "rrf": reciprocal_rank})
"""Every way of fusing, by its name in the settings."""


def fuse(
    dense: Hits,
    lexical: Hits,
    fusion: Fusion,
    pool: int,
    weight: float = EVEN,
    covered: NDArray[np.bool_] | None = None,
) -> FusedRanking:
    """Return one ranking of all rows of both.

    Args:
        dense: The rows that the vector index found.
        lexical: The rows that the lexical index found.
        fusion: Gives the shares.
        pool: Number of best rows of each that get a share of their own.
        weight: Weight of the dense ranking, 0 to 1.
        covered: True for each row that has a vector, bool [papers]; None if all have one.
    """
    rows = np.union1d(dense.rows, lexical.rows)
    better_rank = np.full(len(rows), np.iinfo(np.int64).max)
    below = np.ones(len(rows), np.bool_)
    shares, own = [], []
    for hits in (dense, lexical):
        at = np.searchsorted(rows, hits.rows)
        share = np.zeros(len(rows))
        if in_pool := min(pool, len(hits.rows)):
            best = Hits(hits.rows[:in_pool], hits.scores[:in_pool], hits.bounds)
            found, missing = fusion(best, in_pool == pool)
            share[:] = missing
            share[at[:in_pool]] = found
            below[at[:in_pool]] = False
        better_rank[at] = np.minimum(better_rank[at], np.arange(len(hits.rows)))
        scores_here = np.full(len(rows), np.nan)
        scores_here[at] = hits.scores
        shares.append(share)
        own.append(scores_here)
    if covered is not None and len(dense.rows):
        shares[0] = _expected_dense(shares[0], shares[1], covered[rows])
    scores = weight * shares[0] + (1 - weight) * shares[1]
    scores[below] = 0.0
    order = np.lexsort((rows, better_rank, -scores))
    return FusedRanking(rows[order], scores[order], own[0][order], own[1][order])


def _expected_dense(dense: Shares, lexical: Shares, covered: NDArray[np.bool_]) -> Shares:
    """Return the dense shares, with that of a paper without a vector taken from papers with one at the same place.

    If a paper's lexical share is greater than those of, say, 80 % of the papers with a vector, its dense share is taken
    to be greater than 80 % of theirs. So the missing vector is neither a merit nor a fault.
    """
    expected = np.sort(dense[covered])
    places = np.searchsorted(np.sort(lexical[covered]), lexical, side="right") - 1
    return np.where(covered, dense, expected[np.maximum(places, 0)])


def append_deeper(before: FusedRanking, after: FusedRanking) -> FusedRanking:
    """Return a ranking with the new rows of a deeper one appended; earlier rows keep their places and scores."""
    new = ~np.isin(after.rows, before.rows)
    return FusedRanking(*(np.concatenate([known, found[new]]) for known, found in zip(before, after, strict=True)))


def single_ranking(dense: Hits | None, lexical: Hits | None) -> FusedRanking:
    """Return the ranking of the only index that was searched, with the scores of that index."""
    hits = dense if dense is not None else lexical
    if hits is None:
        raise ValueError("neither index was searched")
    scores, nothing = hits.scores.astype(np.float64), np.full(len(hits.rows), np.nan)
    own = (scores, nothing) if dense is not None else (nothing, scores)
    return FusedRanking(hits.rows, scores, *own)
