"""Conditions on a paper as Tantivy queries: categories, names, words that stand together, rows, days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import product
from typing import NamedTuple

from tantivy import FieldType, Occur, Query, Schema, TextAnalyzer

from retrieval_service.adapters.common_rows import Condition
from retrieval_service.adapters.english import english_analyzer, name_analyzer
from retrieval_service.adapters.tex import plain
from retrieval_service.ports import Clause, Field, Filter

NAME_SPACING = 32
"""Positions from one author to the next, so that no phrase of one name reaches into another's."""

_WORD_FIELDS = {Field.TITLE: ("title",), Field.ABSTRACT: ("abstract",), Field.ANYWHERE: ("title", "abstract")}
_LONGEST_NAME = 6
_WORDS_BETWEEN = 2  # a middle name or two may be missing, or the name be turned round


def initial(word: str) -> str:
    """The term that stands for every name beginning as the word does."""
    return f"{word[0]}*"


def name_words(name: str, analyzer: TextAnalyzer) -> list[str]:
    """The words of a name, "Last, First" turned round."""
    last, comma, first = plain(name.replace("_", " ")).partition(",")
    words: list[str] = analyzer.analyze(f"{first} {last}" if comma else last)
    return words


class Part(NamedTuple):
    """One of the ways in which a paper may meet a clause.

    Attributes:
        query: What finds the papers.
        condition: The same as a field and what stands in it; None where it is no such thing.
    """

    query: Query
    condition: Condition | None = None


class ClauseQueries:
    """Makes the queries for conditions."""

    def __init__(self, schema: Schema) -> None:
        """Takes the index's schema."""
        self._schema = schema
        self._english = english_analyzer()
        self._names = name_analyzer()

    def of(self, clause: Clause) -> Query | None:
        """What matches papers that have one of a clause's values; None where the values say nothing ("the")."""
        parts = self.parts(clause)
        return either([part.query for part in parts]) if parts else None

    def parts(self, clause: Clause) -> list[Part]:
        """Return the ways to have one of a clause's values; none where the values say nothing ("the")."""
        if clause.field is Field.CATEGORY:
            return [Part(self._one_of("category", clause.values))]
        if clause.field is Field.ROW:
            return [Part(self._rows(clause.values))]
        values = [str(value) for value in clause.values]
        if clause.field is Field.AUTHOR:
            return [part for value in values for part in self._written_by(value)]
        return [part for value in values for part in self._words(value, _WORD_FIELDS[clause.field])]

    def standing(self, condition: Condition) -> Query:
        """Return what matches papers that meet a condition."""
        field, terms = condition
        if len(terms) == 1:
            return Query.term_query(self._schema, field, terms[0][1], "basic")
        return Query.phrase_query(self._schema, field, list(terms))

    def days(self, admitted: Filter) -> Query | None:
        """What matches papers of a filter's days; None when any day will do."""
        if not (admitted.first or admitted.last):
            return None
        first, last = admitted.first or date.min, admitted.last or date.max
        return Query.range_query(self._schema, "day", FieldType.Integer, first.toordinal(), last.toordinal())

    def _one_of(self, field: str, values: Sequence[str | int]) -> Query:
        if not values:
            return Query.empty_query()
        if len(values) == 1:
            return Query.term_query(self._schema, field, values[0], "basic")
        return Query.term_set_query(self._schema, field, list(values))

    def _rows(self, rows: Sequence[str | int]) -> Query:
        # Looked up one by one, rows cost half as much as in a set query, which walks the dictionary.
        each = [(Occur.Should, Query.term_query(self._schema, "row", row, "basic")) for row in rows]
        return Query.boolean_query(each) if each else Query.empty_query()

    def _words(self, text: str, fields: Sequence[str]) -> list[Part]:
        tokens = self._english.pre_tokenize(plain(text)).tokens
        # Function words are not in the index, but leave their places.
        terms = tuple((token.position - tokens[0].position, token.text) for token in tokens)
        if not terms:
            return []
        if len(terms) == 1:
            queries = [Query.term_query(self._schema, field, terms[0][1], "freq") for field in fields]
        else:
            queries = [Query.phrase_query(self._schema, field, list(terms)) for field in fields]
        return [Part(query, (field, terms)) for query, field in zip(queries, fields, strict=True)]

    def _written_by(self, name: str) -> list[Part]:
        words = name_words(name, self._names)[-_LONGEST_NAME:]
        if not words:
            return []
        *given, last = words
        # A given name may be an initial in the paper, and an initial asked for may be any name that begins so.
        choices = [(initial(word),) if len(word) == 1 else (word, word[0]) for word in given]
        ways = [[*way, last] for way in product(*choices)]
        if not given:
            condition = "author", ((0, initial(last) if len(last) == 1 else last),)
            return [Part(self.standing(condition), condition)]
        return [Part(Query.phrase_query(self._schema, "author", list(way), _WORDS_BETWEEN)) for way in ways]


def either(queries: Sequence[Query]) -> Query:
    """What any of the queries matches, with the greatest of their scores."""
    return queries[0] if len(queries) == 1 else Query.disjunction_max_query(list(queries))
