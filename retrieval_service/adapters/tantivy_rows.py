"""The rows that a query matches, handed over a few at a time.

A row costs a fifth of a microsecond in which the interpreter's lock is held. Between two runs of rows the index is
searched, which gives the lock away: whoever waits for it waits for one run and not for all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tantivy import FieldType, Occur, Order, Query, Schema, Searcher

from retrieval_service.deadline import check_deadline
from retrieval_service.ports import Rows

AT_ONCE = 1_024
"""Rows."""


def mask_of(searcher: Searcher, schema: Schema, query: Query, papers: int) -> NDArray[np.bool_]:
    """Return which rows a query matches, bool [papers].

    Raises:
        DeadlineExceeded: nobody waits for them any more; no further run is made.
    """
    query = Query.const_score_query(query, 0.0)
    rows, count = first_rows(searcher, query, AT_ONCE)
    others = 2 * count > papers
    if others:
        # Those that are fewer are handed over.
        query = Query.boolean_query([(Occur.Must, Query.all_query()), (Occur.MustNot, query)])
        count = papers - count
    mask = np.zeros(papers, np.bool_)
    if count <= AT_ONCE and not others:
        mask[rows] = True
        return mask
    width = max(1, papers * AT_ONCE // max(2 * count, 1))
    for first in range(0, papers, width):
        _mark(searcher, schema, query, mask, first, min(first + width, papers))
    return ~mask if others else mask


def first_rows(searcher: Searcher, query: Query, most: int) -> tuple[Rows, int]:
    """Return the first rows that a query matches, and how many it does in all.

    Raises:
        DeadlineExceeded: nobody waits for them any more.
    """
    check_deadline()
    # The type stub knows nothing of the count.
    found: Any = searcher.search(query, max(1, most), count=True, order_by_field="row", order=Order.Asc)
    return np.asarray([row for row, _ in found.hits], np.int64), int(found.count)


def _mark(searcher: Searcher, schema: Schema, query: Query, mask: NDArray[np.bool_], first: int, end: int) -> None:
    """Mark the rows from `first` to before `end` that a query matches, in halves where they are too many."""
    between = Query.const_score_query(Query.range_query(schema, "row", FieldType.Unsigned, first, end - 1), 0.0)
    part = Query.boolean_query([(Occur.Must, query), (Occur.Must, between)])
    rows, count = first_rows(searcher, part, AT_ONCE)
    mask[rows] = True
    if count > len(rows):
        rest = int(rows[-1]) + 1
        middle = (rest + end) // 2
        if middle > rest:
            _mark(searcher, schema, query, mask, rest, middle)
        _mark(searcher, schema, query, mask, middle, end)
