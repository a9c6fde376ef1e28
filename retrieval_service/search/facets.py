"""Count the matches of a search by year and by category."""

from __future__ import annotations

from collections import Counter
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
    categories = Counter(code for codes in catalogue.categories_of(rows.tolist()) for code in dict.fromkeys(codes))
    return _facets(catalogue.days[rows], categories, len(rows), complete=complete)


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
    """Return each year with its number of days, the earliest first."""
    known = (days[days > 0] - _EPOCH).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    years, counts = np.unique(known, return_counts=True)
    return zip(years.tolist(), counts.tolist(), strict=True)
