"""Translate conditions that are joined by AND, OR and NOT to a query of the lexical index."""

from __future__ import annotations

from tantivy import Occur, Query

from retrieval_service.adapters.tantivy_filter import ClauseQueries
from retrieval_service.filter import AllOf, Clause, Condition, Field


def joined_query(queries: ClauseQueries, condition: Condition) -> Query:
    """Return the query for the papers that meet a condition; required words count in the score, nothing else does."""
    if isinstance(condition, Clause):
        return _clause_query(queries, condition)
    occur = Occur.Must if isinstance(condition, AllOf) else Occur.Should
    return Query.boolean_query([(occur, joined_query(queries, part)) for part in condition.parts])


def _clause_query(queries: ClauseQueries, clause: Clause) -> Query:
    query = queries.query(clause)
    if query is None:
        # A clause without a term is met by every paper, whether it excludes or not.
        return Query.const_score_query(Query.all_query(), 0.0)
    if clause.excluded:
        every = Query.const_score_query(Query.all_query(), 0.0)
        return Query.boolean_query([(Occur.Must, every), (Occur.MustNot, query)])
    if clause.field in (Field.TITLE, Field.ABSTRACT, Field.ANYWHERE):
        return query
    return Query.const_score_query(query, 0.0)
