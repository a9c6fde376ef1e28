"""Choose the groups of papers that a map has colours for, from their primary categories."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from akin.papers.categories import CATEGORIES, SUCCESSORS
from retrieval_service.corpus.map_files import NO_YEAR, MapGroup

MOST_GROUPS = 8
"""Groups with a colour of their own: more are hard to tell apart, with colour blindness or without."""
_MOST_OF_ONE = 0.8  # a larger archive is divided into its categories
_MOST_YEARS = 254
_codes = msgspec.json.Decoder(tuple[str, ...]).decode
_ARCHIVES = {
    "cs": "Computer Science",
    "econ": "Economics",
    "eess": "Electrical Engineering and Systems Science",
    "math": "Mathematics",
    "nlin": "Nonlinear Sciences",
    "physics": "Physics",
    "q-bio": "Quantitative Biology",
    "q-fin": "Quantitative Finance",
    "stat": "Statistics",
}


@dataclass(frozen=True)
class Grouping:
    """Groups of papers.

    Attributes:
        by: `archive` or `category`.
        groups: The groups with their numbers of papers; the last one, without a code, has all others.
        of_rows: Number of each row's group, uint8 [papers].
        primary: Number of each row's primary category in `codes`, int32 [papers]; -1 for a paper without one.
        codes: All primary categories.
    """

    by: str
    groups: tuple[MapGroup, ...]
    of_rows: NDArray[np.uint8]
    primary: NDArray[np.int32]
    codes: tuple[str, ...]


def primary_categories(catalogue: Path) -> Iterator[str]:
    """Yield the primary category of each paper of a catalogue, in the order of rows; empty for a paper without one."""
    with closing(sqlite3.connect(f"{catalogue.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        for (codes,) in db.execute("SELECT categories FROM paper ORDER BY row"):
            found = _codes(codes)
            yield found[0] if found else ""


def group_papers(primary_codes: Iterable[str], papers: int, known: tuple[str, Sequence[str]] | None = None) -> Grouping:
    """Return the groups of a corpus.

    Args:
        primary_codes: The primary category of each paper, empty for none.
        papers: Number of papers.
        known: `by` and the codes of the groups of an earlier map, which stay; None to choose them.
    """
    numbers: dict[str, int] = {}
    places = (numbers.setdefault(code, len(numbers)) if code else -1 for code in primary_codes)
    primary = np.fromiter(places, np.int32, papers)
    codes = tuple(numbers)
    counts = np.bincount(primary[primary >= 0], minlength=len(codes))
    archives = [archive_of(code) for code in codes]
    by, chosen = known or _choose(codes, archives, counts)
    names = archives if by == "archive" else list(codes)
    place = {code: number for number, code in enumerate(code for code in chosen if code)}
    of_code = np.asarray([*(place.get(name, len(place)) for name in names), len(place)], np.uint8)
    of_rows = of_code[primary]  # -1 is the last one: all others
    counted = np.bincount(of_rows, minlength=len(place) + 1).tolist()
    groups = [MapGroup(code, name_of(code), counted[number]) for code, number in place.items()]
    return Grouping(by, (*groups, MapGroup("", "Other", counted[-1])), of_rows, primary, codes)


def years_of(days: NDArray[np.int32]) -> tuple[NDArray[np.uint8], int, int]:
    """Return each row's year, counted from the first one as 1, with the first and the newest year.

    Args:
        days: The day of each row as an ordinal; 0 for a paper without a date.
    """
    years = np.zeros(len(days), np.int64)
    known = days > 0
    dates = (days[known].astype("datetime64[D]") - np.timedelta64(719_163, "D")).astype("datetime64[Y]")
    years[known] = dates.astype(np.int64) + 1970
    if not known.any():
        return np.zeros(len(days), np.uint8), 0, 0
    newest = int(years.max())
    first = max(int(years[known].min()), newest - _MOST_YEARS + 1)
    return np.where(known, np.maximum(years - first, 0) + 1, NO_YEAR).astype(np.uint8), first, newest


def archive_of(code: str) -> str:
    """Return the archive of a category; that of its successor for an archive of the 1990s."""
    return SUCCESSORS.get(code, code).partition(".")[0]


def name_of(code: str) -> str:
    """Return the name of an archive or a category; the code itself if it has none."""
    return _ARCHIVES.get(code) or CATEGORIES.get(code, code)


def _choose(codes: Sequence[str], archives: Sequence[str], counts: NDArray[np.int64]) -> tuple[str, list[str]]:
    totals: Counter[str] = Counter()
    for archive, count in zip(archives, counts.tolist(), strict=True):
        totals[archive] += count
    by = "category" if not totals or max(totals.values()) > _MOST_OF_ONE * totals.total() else "archive"
    if by == "category":
        totals = Counter(dict(zip(codes, counts.tolist(), strict=True)))
    return by, [code for code, _ in totals.most_common(MOST_GROUPS)]
