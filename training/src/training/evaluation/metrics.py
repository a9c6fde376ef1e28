"""The measures of a ranking, query by query, so that systems can be compared in pairs.

All follow trec_eval: gains enter nDCG as they are (not as 2^gain - 1), a passage without a judgement is not relevant,
and a query's ideal ranking is made of all its judged passages, whether the corpus was searched deep enough or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Ranking = NDArray[np.int64]
"""[queries, depth]: positions of passages in the corpus, the best first; -1 where nothing was found."""

Judgements = Sequence[Mapping[int, int]]
"""For each query the gains (all over 0) of its relevant passages, by position in the corpus."""

Values = dict[str, NDArray[np.float64]]
"""For each measure one value a query."""

PRIMARY = "nDCG@10"
"""The measure that promotion is decided by."""

RECALL_DEPTHS = (1, 5, 10, 100)
PRECISION_DEPTHS = (1, 5, 10)


def measure(ranking: Ranking, judgements: Judgements) -> Values:
    """Every measure of every query.

    Args:
        ranking: [queries, depth]. MAP looks at all of it.
        judgements: as many as there are rows, none empty.

    Returns:
        For each measure float64 [queries], between 0 and 1.
    """
    gains = gains_found(ranking, judgements)
    relevant = gains > 0
    totals = np.array([len(judged) for judged in judgements], dtype=np.float64)
    return {
        "nDCG@10": ndcg(gains, judgements, 10),
        "MAP": average_precision(relevant, totals),
        "MRR@10": reciprocal_rank(relevant[:, :10]),
        **{f"recall@{depth}": relevant[:, :depth].sum(axis=1) / totals for depth in RECALL_DEPTHS},
        **{f"precision@{depth}": relevant[:, :depth].sum(axis=1) / depth for depth in PRECISION_DEPTHS},
    }


def gains_found(ranking: Ranking, judgements: Judgements) -> NDArray[np.float64]:
    """The gain of each ranked passage, [queries, depth]; 0 where it is not relevant or there is none."""
    gains = np.zeros(ranking.shape, dtype=np.float64)
    for row, judged in enumerate(judgements):
        positions = np.array(sorted(judged), dtype=np.int64)
        values = np.array([judged[position] for position in sorted(judged)], dtype=np.float64)
        nearest = np.minimum(np.searchsorted(positions, ranking[row]), len(positions) - 1)
        gains[row] = np.where(positions[nearest] == ranking[row], values[nearest], 0.0)
    return gains


def ndcg(gains: NDArray[np.float64], judgements: Judgements, depth: int) -> NDArray[np.float64]:
    """Discounted cumulative gain over that of the ideal ranking (Järvelin and Kekäläinen, 2002)."""
    discounts = 1 / np.log2(np.arange(2, depth + 2))
    found = gains[:, :depth] @ discounts[: gains.shape[1]]
    ideal = np.empty(len(judgements), dtype=np.float64)
    for row, judged in enumerate(judgements):
        best = np.array(sorted(judged.values(), reverse=True)[:depth], dtype=np.float64)
        ideal[row] = best @ discounts[: len(best)]
    return np.asarray(found / ideal)


def average_precision(relevant: NDArray[np.bool_], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean, over a query's relevant passages, of the precision at each one's rank; 0 for one that was not found."""
    ranks = np.arange(1, relevant.shape[1] + 1)
    precisions = np.cumsum(relevant, axis=1) / ranks
    return np.asarray((precisions * relevant).sum(axis=1) / totals)


def reciprocal_rank(relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """One over the rank of the first relevant passage, 0 where there is none."""
    return np.where(relevant.any(axis=1), 1 / (relevant.argmax(axis=1) + 1), 0.0)
