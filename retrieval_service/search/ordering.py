"""Put the best matches of a search in another order than that of relevance.

The papers that are ordered are those that the first depth of the search finds (`ports.DEPTHS`), for every page: so all
pages are cut from one order.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from retrieval_service.ports import Rows, RowSet
from retrieval_service.search.fusion import FusedRanking, Shares
from retrieval_service.search.request import SimilarRequest, Sort

BY_DAY = frozenset({Sort.NEWEST, Sort.OLDEST})
"""Orders in which the results end with the papers that were ordered: a later one could be of any day."""

_DAYS_OF_YEAR = 365.25
_Days = Callable[[Rows], NDArray[np.int32]]


def in_order(ranking: FusedRanking, request: SimilarRequest, days: _Days) -> FusedRanking:
    """Return a ranking in the order of a request; papers that are equal in it keep their order."""
    if request.sort is Sort.RELEVANCE or not len(ranking.rows):
        return ranking
    found = days(ranking.rows)
    if request.sort in BY_DAY:
        order = _by_day(found, oldest=request.sort is Sort.OLDEST)
    else:
        order = np.argsort(-_decayed(ranking.scores, found, request.half_life), kind="stable")
    return FusedRanking(ranking.rows[order], ranking.scores[order], ranking.dense[order], ranking.lexical[order])


def all_by_day(within: RowSet, days: _Days, sort: Sort, most: int) -> FusedRanking:
    """Return the first rows of a set by their days, each with the score 1."""
    rows = np.flatnonzero(within.mask)
    found = days(rows)
    # The number of rows may be millions, of which a page shows the first few.
    if len(rows) > 2 * most:
        key = np.where(found > 0, found, np.iinfo(np.int32).max) if sort is Sort.OLDEST else -found
        kept = key <= np.partition(key, most)[most]
        rows, found = rows[kept], found[kept]
    rows = rows[_by_day(found, oldest=sort is Sort.OLDEST)][:most]
    ones, nothing = np.ones(len(rows)), np.full(len(rows), np.nan)
    return FusedRanking(rows, ones, nothing, nothing)


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
