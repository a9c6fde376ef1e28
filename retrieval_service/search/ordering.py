"""Put the best matches of a search in another order than that of relevance.

The papers that are ordered are those that the first depth of the search finds (`ports.DEPTHS`), for every page: so all
pages are cut from one order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval_service.ports import Catalogue, Rows, RowSet, VectorIndex, Vectors
from retrieval_service.search.answer import SortAnswer
from retrieval_service.search.fusion import FusedRanking, Shares
from retrieval_service.search.request import SimilarRequest, Sort

BY_DAY = frozenset({Sort.NEWEST, Sort.OLDEST})
"""Orders in which the results end with the papers that were ordered: a later one could be of any day."""

MOST_SPREAD = 200
"""Best matches among which results are spread; the others follow behind."""

_DAYS_OF_YEAR = 365.25


def has_order(request: SimilarRequest) -> bool:
    """Return True if a request wants another order than that of relevance."""
    return request.sort is not Sort.RELEVANCE or request.diversity > 0


def order_notes(request: SimilarRequest) -> tuple[str, ...]:
    """Return notes on what was requested together and is not done."""
    if request.diversity and request.sort in BY_DAY:
        return (f"diversity: results that are sorted by date ({request.sort}) are not spread.",)
    return ()


def in_order(
    ranking: FusedRanking, request: SimilarRequest, catalogue: Catalogue, index: VectorIndex, *, complete: bool
) -> tuple[FusedRanking, SortAnswer]:
    """Return a ranking in the order of a request, and the description of the order; equal papers keep their places.

    Args:
        ranking: The best matches.
        request: The request.
        catalogue: The papers.
        index: Their vectors.
        complete: True if there are no other matches.
    """
    described = SortAnswer(by=request.sort, papers=len(ranking.rows), complete=complete)
    if request.sort in BY_DAY:
        days = catalogue.days[ranking.rows]
        return _taken(ranking, _by_day(days, oldest=request.sort is Sort.OLDEST)), described
    scores = ranking.scores
    if request.sort is Sort.RECENT:
        described.half_life = request.half_life
        scores = _decayed(scores, catalogue.days[ranking.rows], request.half_life)
    order = np.argsort(-scores, kind="stable") if request.sort is Sort.RECENT else np.arange(len(scores))
    if request.diversity:
        described.diversity = request.diversity
        best = order[:MOST_SPREAD]
        varied = spread(scores[best], index.vectors(ranking.rows[best].tolist()), request.diversity)
        order = np.concatenate([best[varied], order[MOST_SPREAD:]])
    return _taken(ranking, order), described


def all_by_day(within: RowSet, days: NDArray[np.int32], sort: Sort, most: int) -> FusedRanking:
    """Return the first rows of a set by their days, each with the score 1."""
    rows = np.flatnonzero(within.mask)
    found = days[rows]
    # The number of rows may be millions, of which a page shows the first few.
    if len(rows) > 2 * most:
        key = np.where(found > 0, found, np.iinfo(np.int32).max) if sort is Sort.OLDEST else -found
        kept = key <= np.partition(key, most)[most]
        rows, found = rows[kept], found[kept]
    rows = rows[_by_day(found, oldest=sort is Sort.OLDEST)][:most]
    ones, nothing = np.ones(len(rows)), np.full(len(rows), np.nan)
    return FusedRanking(rows, ones, nothing, nothing)


def _taken(ranking: FusedRanking, order: Rows) -> FusedRanking:
    return FusedRanking(ranking.rows[order], ranking.scores[order], ranking.dense[order], ranking.lexical[order])


def spread(scores: Shares, vectors: Vectors, diversity: float) -> Sequence[int]:
    """Return the order of maximal marginal relevance, the best first.

    Each next paper has the greatest sum of its relevance, as a share of the best score, and of its distance from the
    nearest paper before it, weighed by the diversity (Carbonell and Goldstein 1998, "The Use of MMR, Diversity-Based
    Reranking"). A paper whose vector is missing, thus zero, counts as far away as the others are on average.
    """
    if not len(scores):
        return []
    best = float(scores.max())
    relevance = (1 - diversity) * (np.maximum(scores, 0.0) / best if best > 0 else np.zeros(len(scores)))
    nearest = np.full(len(scores), -1.0)
    open_, missing = np.ones(len(scores), np.bool_), ~vectors.any(axis=1)
    order = [int(np.argmax(relevance))]
    while True:
        open_[order[-1]] = False
        if len(order) == len(scores):
            return order
        np.maximum(nearest, vectors @ vectors[order[-1]], out=nearest, where=~missing)
        if missing.any():
            others = nearest[open_ & ~missing]
            nearest[missing] = others.mean() if len(others) else 0.0
        order.append(int(np.argmax(np.where(open_, relevance - diversity * nearest, -np.inf))))


def _by_day(days: NDArray[np.int32], *, oldest: bool) -> Rows:
    """Return the order of some days; papers without a day come last."""
    return np.lexsort((days if oldest else -days, days == 0))


def _decayed(scores: Shares, days: NDArray[np.int32], half_life: float) -> Shares:
    """Return the scores, halved for each half-life between a paper's day and the newest one here.

    A paper without a day counts as the oldest one here. A score below 0 counts as 0, as halving would raise it.
    """
    known = days[days > 0]
    if not len(known):
        return scores
    ages = known.max() - np.where(days > 0, days, known.min())
    decayed: Shares = np.maximum(scores, 0.0) * 0.5 ** (ages / (_DAYS_OF_YEAR * half_life))
    return decayed
