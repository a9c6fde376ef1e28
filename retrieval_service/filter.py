"""Define a filter: the conditions that a paper must meet to be searched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from papers import Paper


class Field(StrEnum):
    """The field of a paper that a condition is about."""

    CATEGORY = "category"
    AUTHOR = "author"
    ROW = "row"
    WITHDRAWN = "withdrawn"
    TITLE = "title"
    ABSTRACT = "abstract"
    ANYWHERE = "anywhere"


CATALOGUE_FIELDS = frozenset({Field.CATEGORY, Field.ROW, Field.WITHDRAWN})
"""The fields that the catalogue answers; the lexical index answers the others."""


@dataclass(frozen=True)
class Clause:
    """One condition of a filter: a paper has at least one of the values; if `excluded`, it has none of them.

    Attributes:
        field: The field. Values of AUTHOR are names; of TITLE, ABSTRACT and ANYWHERE (either of the two) adjacent
            words; of ROW numbers; of WITHDRAWN there are
            none: withdrawn papers meet it.
        values: The alternatives.
        excluded: True if papers that have one of the values are left out.
    """

    field: Field
    values: tuple[str | int, ...]
    excluded: bool = False


@dataclass(frozen=True)
class Filter:
    """The conditions that a paper must meet to be searched, all at the same time, in dense and lexical search alike.

    Attributes:
        clauses: Conditions on fields.
        first: The earliest day.
        last: The latest day. With either day set, papers without a day are left out.
    """

    clauses: tuple[Clause, ...] = ()
    first: date | None = None
    last: date | None = None


def day_of(paper: Paper) -> date | None:
    """Return the day that filters compare: that of the first version, else of the newest, else None."""
    return paper.published or paper.updated
