"""Count the matches of a search by year and by category."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from akin.papers import CATEGORIES
from retrieval_service.ports import Catalogue, Rows, RowSet
from retrieval_service.search.answer import CategoryCount, FacetsAnswer, YearCount

MOST_CATEGORIES = 50
_EPOCH = 719_163  # ordinal of 1 January 1970, from which NumPy counts days


def facets_of_matches(rows: Rows, catalogue: Catalogue, *, complete: bool) -> FacetsAnswer:
    """Return the counts of the best matches; `complete` if these are all."""
    return _facets(catalogue.days[rows], catalogue.count_categories_of(rows), len(rows), complete=complete)


def facets_of_all(within: RowSet, catalogue: Catalogue) -> FacetsAnswer:
    """Return the counts of all papers in a set."""
    days = catalogue.days[within.mask]
    return _facets(days, catalogue.count_categories(within), within.count, complete=True)


def _facets(days: NDArray[np.int32], categories: Mapping[str, int], papers: int, *, complete: bool) -> FacetsAnswer:
    return FacetsAnswer(
        years=[YearCount(year=year, papers=count) for year, count in _years(days)],
        categories=[
            CategoryCount(code=code, name=CATEGORIES.get(code, code), papers=count)
            for code, count in sorted(categories.items(), key=lambda item: (-item[1], item[0]))[:MOST_CATEGORIES]
            if count
        ],
        papers=papers,
        complete=complete,
    )


def _years(days: NDArray[np.int32]) -> Iterable[tuple[int, int]]:
    """Return each year with its number of papers, the earliest first."""
    dated = days[days > 0]
    if not len(dated):
        return ()
    # Counted by day first, as millions of papers have a few thousand days.
    first = int(dated.min())
    papers = np.bincount(dated - first)
    known = np.flatnonzero(papers)
    years = (known + first - _EPOCH).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    counts = np.bincount(years, weights=papers[known])
    return ((year, int(counts[year])) for year in np.flatnonzero(counts).tolist())
