"""Slices of a collection's queries: by the year and the archive of the paper they were made from, and by length."""

from __future__ import annotations

from collections import defaultdict

from akin.papers.categories import ALIASES, SUCCESSORS
from akin.relevance.collection import Collection

_YEARS = ((0, "before 2000"), (2000, "2000–2009"), (2010, "2010–2014"), (2015, "2015–2019"), (2020, "2020–2024"))
_NEWEST = 2025, "since 2025"
_LENGTHS = ((0, "1–3 words"), (4, "4–8 words"), (9, "9–16 words"), (17, "17–32 words"), (33, "33–100 words"))
_LONGEST = 101, "over 100 words"


def query_slices(collection: Collection, *, fewest: int = 20) -> dict[str, list[str]]:
    """Return ids of queries by the name of their slice, in the collection's order, such as "archive cs".

    Years and archives are known of sets that were made here, lengths of all. A slice of less than `fewest` queries says
    nothing and is left out, and so is a slice of all queries.
    """
    slices: dict[str, list[str]] = defaultdict(list)
    for query, text in collection.queries.items():
        facts = collection.records.get(query, {})
        published, categories = facts.get("published"), facts.get("categories")
        if isinstance(published, str) and published[:4].isdecimal():
            slices[f"year {_bin(int(published[:4]), (*_YEARS, _NEWEST))}"].append(query)
        if isinstance(categories, list) and categories:
            slices[f"archive {archive(str(categories[0]))}"].append(query)
        slices[f"length {_bin(len(text.split()), (*_LENGTHS, _LONGEST))}"].append(query)
    return {name: slices[name] for name in sorted(slices) if fewest <= len(slices[name]) < len(collection.queries)}


def archive(category: str) -> str:
    """Return the archive of a category by its present name: `cs` of `cs.CL` and of `cmp-lg`."""
    category = ALIASES.get(category, category)
    return SUCCESSORS.get(category, category).split(".")[0]


def _bin(value: int, bins: tuple[tuple[int, str], ...]) -> str:
    return next(name for start, name in reversed(bins) if value >= start)
