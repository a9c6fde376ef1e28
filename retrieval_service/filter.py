"""Define a filter: the conditions that a paper must meet to be searched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import TypeAlias

from akin.papers import Paper


class Field(StrEnum):
    """The field of a paper that a condition is about."""

    CATEGORY = "category"
    AUTHOR = "author"
    ROW = "row"
    WITHDRAWN = "withdrawn"
    TITLE = "title"
    ABSTRACT = "abstract"
    ANYWHERE = "anywhere"
    DAY = "day"
    CITES = "cites"
    CITED_BY = "cited_by"


CATALOGUE_FIELDS = frozenset({Field.CATEGORY, Field.ROW, Field.DAY, Field.WITHDRAWN})
"""The fields that the catalogue answers; the lexical index answers the others."""


@dataclass(frozen=True)
class Clause:
    """One condition of a filter: a paper has at least one of the values; if `excluded`, it has none of them.

    Attributes:
        field: The field. Values of AUTHOR are names; of TITLE, ABSTRACT and ANYWHERE (either of the two) adjacent
            words; of ROW numbers; of DAY the ordinals of the first and of the last day, which are one value.
            WITHDRAWN has none: withdrawn papers meet it. CITES and CITED_BY name papers by their ids; a filter has the
            rows of those that cite them, or that they cite, instead.
        values: The alternatives.
        excluded: True if papers that have one of the values are left out.
        pattern: True if the values are single words in which `*` stands for any letters and `?` for one.
    """

    field: Field
    values: tuple[str | int, ...]
    excluded: bool = False
    pattern: bool = False


@dataclass(frozen=True)
class AllOf:
    """Conditions that hold all at the same time."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class AnyOf:
    """Conditions of which at least one holds."""

    parts: tuple[Condition, ...]


Condition: TypeAlias = "Clause | AllOf | AnyOf"
"""A clause, or several conditions joined. A negation is carried down to the clauses (`negate`)."""


def negate(condition: Condition) -> Condition:
    """Return the condition that exactly the other papers meet."""
    if isinstance(condition, Clause):
        return replace(condition, excluded=not condition.excluded)
    parts = tuple(map(negate, condition.parts))
    return AnyOf(parts) if isinstance(condition, AllOf) else AllOf(parts)


def join_all(parts: Sequence[Condition]) -> Condition:
    """Return the condition that all of some conditions hold."""
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, AllOf) else (part,))]
    return flat[0] if len(flat) == 1 else AllOf(tuple(flat))


def join_any(parts: Sequence[Condition]) -> Condition:
    """Return the condition that one of some conditions holds: clauses on one field become one clause."""
    merged: dict[object, Condition] = {}
    for part in parts:
        for inner in part.parts if isinstance(part, AnyOf) else (part,):
            key: object = inner
            if isinstance(inner, Clause) and not inner.excluded and inner.field is not Field.DAY:
                key = (inner.field, inner.pattern)
                if isinstance(before := merged.get(key), Clause):
                    inner = replace(before, values=tuple(dict.fromkeys((*before.values, *inner.values))))
            merged[key] = inner
    return next(iter(merged.values())) if len(merged) == 1 else AnyOf(tuple(merged.values()))


def clauses_of(condition: Condition) -> Iterator[Clause]:
    """Yield the clauses of a condition."""
    if isinstance(condition, Clause):
        yield condition
    else:
        for part in condition.parts:
            yield from clauses_of(part)


def only_excludes(condition: Condition) -> bool:
    """Return True if a condition names only papers that are left out."""
    return all(clause.excluded for clause in clauses_of(condition))


@dataclass(frozen=True)
class Filter:
    """The conditions that a paper must meet to be searched, all at the same time, in dense and lexical search alike.

    Attributes:
        clauses: Conditions on fields.
        joined: Further conditions, each of clauses that are joined.
        first: The earliest day.
        last: The latest day. With either day set, papers without a day are left out.
    """

    clauses: tuple[Clause, ...] = ()
    first: date | None = None
    last: date | None = None
    joined: tuple[AllOf | AnyOf, ...] = ()


def day_of(paper: Paper) -> date | None:
    """Return the day that filters compare: that of the first version, else of the newest, else None."""
    return paper.published or paper.updated
