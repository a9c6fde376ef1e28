"""A filter in Milvus's language, as far as a collection has what it asks for: days, categories, rows, withdrawal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import date

from retrieval_service.filter import AllOf, Clause, Condition, Field, Filter

ROW, DAY, CATEGORIES, WITHDRAWN = "row", "day", "categories", "withdrawn"
"""Fields of a collection. A paper without a day has the day 0."""

MOST_LISTED = 4_096
"""Rows that a condition may name one by one."""

_DEEPEST = 20  # brackets within brackets; beyond, main memory answers
_NOTHING = f"{ROW} < 0"


class _NotStored(Exception):
    """A condition asks for what a collection does not store."""


def expression_of(wanted: Filter) -> tuple[str, list[Clause]] | None:
    """Return the part of a filter that Milvus can answer, and the clauses that it cannot.

    None if a joined condition has such a clause: its parts cannot be answered apart.
    """
    parts, others = list(_days(wanted)), []
    for clause in wanted.clauses:
        try:
            parts.append(_clause(clause))
        except _NotStored:
            others.append(clause)
    try:
        parts += [_condition(joined, 1) for joined in wanted.joined]
    except _NotStored:
        return None
    return " and ".join(f"({part})" for part in parts), others


def _days(wanted: Filter) -> Iterator[str]:
    if wanted.first or wanted.last:
        yield _between((wanted.first or date.min).toordinal(), (wanted.last or date.max).toordinal())


def _condition(condition: Condition, depth: int) -> str:
    if isinstance(condition, Clause):
        return _clause(condition)
    if depth > _DEEPEST:
        raise _NotStored
    word = " and " if isinstance(condition, AllOf) else " or "
    return word.join(f"({_condition(part, depth + 1)})" for part in condition.parts)


def _clause(clause: Clause) -> str:
    if clause.field is Field.DAY:
        found = _between(*map(int, clause.values))
    elif clause.field is Field.WITHDRAWN:
        return f"{WITHDRAWN} == {'false' if clause.excluded else 'true'}"
    elif clause.field is Field.CATEGORY:
        codes = json.dumps(list(map(str, clause.values)), ensure_ascii=False)
        found = f"array_contains_any({CATEGORIES}, {codes})" if clause.values else _NOTHING
    elif clause.field is Field.ROW and len(clause.values) <= MOST_LISTED:
        found = rows_listed(clause.values) if clause.values else _NOTHING
    else:
        raise _NotStored
    return f"not ({found})" if clause.excluded else found


def rows_listed(rows: Iterable[object]) -> str:
    """Return the condition that admits some rows."""
    return f"{ROW} in [{','.join(map(str, rows))}]"


def _between(first: int, last: int) -> str:
    return f"{DAY} >= {first} and {DAY} <= {last}"
