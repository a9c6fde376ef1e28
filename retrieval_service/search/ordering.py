"""Put the best matches of a search in another order than that of relevance.

The papers that are ordered are those that the first depth of the search finds (`ports.DEPTHS`), for every page: so all
pages are cut from one order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval_service.errors import NoReferences
from retrieval_service.ports import Catalogue, References, Rows, RowSet, VectorIndex, Vectors
from retrieval_service.search.answer import SortAnswer
from retrieval_service.search.fusion import FusedRanking, Shares
from retrieval_service.search.request import SimilarRequest, Sort
from retrieval_service.search.sentences import Sentence, sentence

BY_FACT = frozenset({Sort.NEWEST, Sort.OLDEST, Sort.CITATIONS})
"""Orders in which the results end with the papers that were ordered: a later one could have any day or citations."""

MUCH_CITED = 100.0
"""Citations a year with which a paper gets the whole `citation_boost`."""

MOST_SPREAD = 200
"""Best matches among which results are spread; the others follow behind."""

_DAYS_OF_YEAR = 365.25


def has_order(request: SimilarRequest) -> bool:
    """Return True if a request wants another order than that of relevance."""
    return request.sort is not Sort.RELEVANCE or request.diversity > 0 or request.citation_boost > 0


def require_references(request: SimilarRequest, references: References | None) -> None:
    """Raise NoReferences if a request wants an order or papers by references, and the corpus has none."""
    if references is not None:
        return
    if request.sort is Sort.CITATIONS:
        raise NoReferences("sort=citations", "sort")
    for parameter in ("citation_boost", "chase"):
        if getattr(request, parameter):
            raise NoReferences(parameter, parameter)


def order_notes(request: SimilarRequest) -> tuple[Sentence, ...]:
    """Return notes on what was requested together and is not done."""
    if request.sort not in BY_FACT:
        return ()
    by = "citations" if request.sort is Sort.CITATIONS else f"date ({request.sort})"
    notes = (sentence("not_spread", by=by),) if request.diversity else ()
    return (*notes, sentence("not_boosted", by=by)) if request.citation_boost else notes


def in_order(
    ranking: FusedRanking,
    request: SimilarRequest,
    catalogue: Catalogue,
    index: VectorIndex,
    *,
    complete: bool,
    references: References | None = None,
) -> tuple[FusedRanking, SortAnswer]:
    """Return a ranking in the order of a request, and the description of the order; equal papers keep their places.

    Args:
        ranking: The best matches.
        request: The request.
        catalogue: The papers.
        index: Their vectors.
        complete: True if there are no other matches.
        references: Who cites whom; requests for an order by citations need it.
    """
    described = SortAnswer(by=request.sort, papers=len(ranking.rows), complete=complete)
    if request.sort in BY_FACT:
        return _taken(ranking, _by_fact(ranking.rows, request.sort, catalogue.days, references)), described
    scores = ranking.scores
    if request.citation_boost and references is not None:
        described.citation_boost = request.citation_boost
        scores = _boosted(scores, ranking.rows, catalogue.days, references, request.citation_boost)
    if request.sort is Sort.RECENT:
        described.half_life = request.half_life
        scores = _decayed(scores, catalogue.days[ranking.rows], request.half_life)
    changed = request.sort is Sort.RECENT or request.citation_boost
    order = np.argsort(-scores, kind="stable") if changed else np.arange(len(scores))
    if request.diversity:
        described.diversity = request.diversity
        best = order[:MOST_SPREAD]
        varied = spread(scores[best], index.vectors(ranking.rows[best].tolist()), request.diversity)
        order = np.concatenate([best[varied], order[MOST_SPREAD:]])
    return _taken(ranking, order), described


def all_by_fact(
    within: RowSet, days: NDArray[np.int32], sort: Sort, most: int, references: References | None = None
) -> FusedRanking:
    """Return the first rows of a set by their days or citations, each with the score 1."""
    rows = np.flatnonzero(within.mask)
    # The number of rows may be millions, of which a page shows the first few.
    if len(rows) > 2 * most:
        key = _key(rows, sort, days, references)
        rows = rows[key <= np.partition(key, most)[most]]
    rows = rows[_by_fact(rows, sort, days, references)][:most]
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


def _by_fact(rows: Rows, sort: Sort, days: NDArray[np.int32], references: References | None) -> Rows:
    """Return the order of some rows by their days or citations; equal ones keep their places."""
    return np.argsort(_key(rows, sort, days, references), kind="stable")


def _key(rows: Rows, sort: Sort, days: NDArray[np.int32], references: References | None) -> NDArray[np.int64]:
    """Return a number for each row, the smallest for the first one; papers without a day come last."""
    if sort is Sort.CITATIONS and references is not None:
        return -references.totals[rows].astype(np.int64)
    found = days[rows].astype(np.int64)
    return np.where(found > 0, found if sort is Sort.OLDEST else -found, np.iinfo(np.int64).max)


def _boosted(scores: Shares, rows: Rows, days: NDArray[np.int32], references: References, boost: float) -> Shares:
    """Return the scores, each times 1 + boost x impact; a score below 0 counts as 0.

    The impact is log(1 + c) / log(1 + 100), at most 1, where c are the citations of a paper a year. Its age is counted
    from its day to that of the newest paper of the corpus, and as a year at least; a paper without a day counts as the
    oldest one here.
    """
    known = days[rows]
    dated = known[known > 0]
    newest = int(days.max(initial=0))
    oldest = int(dated.min()) if len(dated) else newest
    years = np.maximum((newest - np.where(known > 0, known, oldest)) / _DAYS_OF_YEAR, 1.0)
    impact = np.minimum(np.log1p(references.totals[rows] / years) / np.log1p(MUCH_CITED), 1.0)
    boosted: Shares = np.maximum(scores, 0.0) * (1.0 + boost * impact)
    return boosted


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
