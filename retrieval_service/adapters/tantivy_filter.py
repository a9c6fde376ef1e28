"""A filter's clauses in the lexical index: as queries beside a text, and as the rows that meet them.

`ClauseQueries` translates a clause to a Tantivy query. `ClauseRows` finds the rows for the vector search: from bitmaps
(`common_rows`) where a clause has them, from its cache, or from a search of the index.

Tantivy returns a row in a fifth of a microsecond, in which it holds the interpreter's lock. So rows are fetched in runs
of at most `AT_ONCE`. Between two runs the index is searched without the lock, so that other threads wait for one run
only.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import date
from itertools import product
from threading import Lock
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from tantivy import FieldType, Occur, Order, Query, Schema, Searcher

from retrieval_service.adapters.common_rows import Bits, CommonRows, Condition
from retrieval_service.adapters.compounds import CompoundSpellings
from retrieval_service.adapters.english import name_analyzer
from retrieval_service.adapters.names import name_forms
from retrieval_service.adapters.tex import to_plain_text
from retrieval_service.adapters.word_patterns import WordPatterns
from retrieval_service.deadline import check_deadline
from retrieval_service.filter import CATALOGUE_FIELDS, Clause, Field, Filter
from retrieval_service.ports import Rows

NAME_SPACING = 32
"""Positions from one author to the next, so that no phrase of one name reaches into another's."""

WITHDRAWN = "withdrawn"
"""Term of withdrawn papers in the field `flag`."""

AT_ONCE = 1_024
"""Rows of one run."""

_WORD_FIELDS = {Field.TITLE: ("title",), Field.ABSTRACT: ("abstract",), Field.ANYWHERE: ("title", "abstract")}
_LONGEST_NAME = 6
_WORDS_BETWEEN = 2  # a name may lack a middle name or two, or have the last name first
_ANSWERS_KEPT = 32
_MOST_SINGLE_ROWS = 1_000

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


def initial(word: str) -> str:
    """Return the term that matches every name with the first letter of a word."""
    return f"{word[0]}*"


class ClauseAlternative(NamedTuple):
    """One of the ways in which a paper may meet a clause.

    Attributes:
        query: Finds the papers.
        condition: The same as a field and its terms; None if the query cannot be written so.
        respelled: True if the words are spelled in another way, which few papers do.
    """

    query: Query
    condition: Condition | None = None
    respelled: bool = False


class ClauseQueries:
    """Translates clauses to queries."""

    def __init__(self, schema: Schema, searcher: Searcher) -> None:
        """Take an opened index."""
        self._schema = schema
        self._compounds = CompoundSpellings(searcher)
        self._names = name_analyzer()
        self._patterns = WordPatterns(schema, _WORD_FIELDS)

    def query(self, clause: Clause) -> Query | None:
        """Return the query for papers that have one of a clause's values; None if no value has a term ("!")."""
        parts = self.parts(clause)
        return best_of_queries([part.query for part in parts]) if parts else None

    def parts(self, clause: Clause) -> list[ClauseAlternative]:
        """Return the ways to have one of a clause's values; an empty list where no value has a term ("!")."""
        if clause.field is Field.CATEGORY:
            return [ClauseAlternative(self._one_of("category", clause.values))]
        if clause.field is Field.WITHDRAWN:
            return [ClauseAlternative(self._one_of("flag", (WITHDRAWN,)))]
        if clause.field is Field.ROW:
            return [ClauseAlternative(self._rows(clause.values))]
        if clause.field is Field.DAY:
            first, last = map(int, clause.values)
            return [ClauseAlternative(self._between(first, last))]
        if clause.pattern:
            found = self._patterns.queries(clause)
            return [ClauseAlternative(query) for query in found]
        values = [str(value) for value in clause.values]
        if clause.field is Field.AUTHOR:
            return [part for value in values for part in self._author(value)]
        return [part for value in values for part in self._words(value, _WORD_FIELDS[clause.field])]

    def values_without_terms(self, clause: Clause) -> tuple[str | int, ...]:
        """Return those of a clause's values that have no term."""
        if clause.field in CATALOGUE_FIELDS:
            return ()
        return tuple(value for value in clause.values if not self.parts(Clause(clause.field, (value,))))

    def plain_word(self, word: str) -> str:
        """Return a word as patterns match it."""
        return self._patterns.plain_word(word)

    def condition_query(self, condition: Condition, *, scored: bool = False) -> Query:
        """Return the query for papers that meet a condition."""
        field, terms = condition
        if len(terms) == 1:
            return Query.term_query(self._schema, field, terms[0][1], "freq" if scored else "basic")
        return Query.phrase_query(self._schema, field, list(terms))

    def days(self, admitted: Filter) -> Query | None:
        """Return the query for papers of a filter's days; None if the filter has no days."""
        if not (admitted.first or admitted.last):
            return None
        return self._between((admitted.first or date.min).toordinal(), (admitted.last or date.max).toordinal())

    def _between(self, first: int, last: int) -> Query:
        if first > last:
            return Query.empty_query()
        return Query.range_query(self._schema, "day", FieldType.Integer, first, last)

    def _one_of(self, field: str, values: Sequence[str | int]) -> Query:
        if not values:
            return Query.empty_query()
        if len(values) == 1:
            return Query.term_query(self._schema, field, values[0], "basic")
        return Query.term_set_query(self._schema, field, list(values))

    def _rows(self, rows: Sequence[str | int]) -> Query:
        # One query for each of a few rows costs half as much as a set query, which walks the dictionary.
        if len(rows) > _MOST_SINGLE_ROWS:
            return self._one_of("row", rows)
        each = [(Occur.Should, Query.term_query(self._schema, "row", row, "basic")) for row in rows]
        return Query.boolean_query(each) if each else Query.empty_query()

    def _words(self, text: str, fields: Sequence[str]) -> list[ClauseAlternative]:
        return [
            ClauseAlternative(self.condition_query((field, terms), scored=True), (field, terms), place > 0)
            for place, terms in enumerate(self._compounds.phrases(to_plain_text(text)))
            for field in fields
        ]

    def _author(self, name: str) -> list[ClauseAlternative]:
        return [way for words in name_forms(name, self._names) for way in self._name(words[-_LONGEST_NAME:])]

    def _name(self, words: Sequence[str]) -> list[ClauseAlternative]:
        if not words:
            return []
        *given, last = words
        # A given name may be an initial in the paper, and an initial in the query matches any name that begins with it.
        choices = [(initial(word),) if len(word) == 1 else (word, word[0]) for word in given]
        ways = [[*way, last] for way in product(*choices)]
        if not given:
            condition = "author", ((0, initial(last) if len(last) == 1 else last),)
            return [ClauseAlternative(self.condition_query(condition), condition)]
        return [
            ClauseAlternative(Query.phrase_query(self._schema, "author", list(way), _WORDS_BETWEEN)) for way in ways
        ]


def best_of_queries(queries: Sequence[Query]) -> Query:
    """Return one query for the papers that any of the queries matches, with the greatest of their scores."""
    return queries[0] if len(queries) == 1 else Query.disjunction_max_query(list(queries))


class ClauseRows:
    """The rows that meet clauses; the last answers are kept."""

    def __init__(self, searcher: Searcher, schema: Schema, queries: ClauseQueries, common: CommonRows) -> None:
        """Take an opened index and its bitmaps."""
        self._searcher = searcher
        self._schema = schema
        self._queries = queries
        self._common = common
        self._papers = int(searcher.num_docs)
        self._answers: LruCache[frozenset[Clause], Bits] = LruCache(_ANSWERS_KEPT)

    def find_rows(self, clauses: Sequence[Clause]) -> NDArray[np.bool_]:
        """Return the rows that meet all of the clauses, bool [papers].

        Clauses with neither a kept answer nor bitmaps are searched for together, all that exclude as one query and all
        others as another: rows are fetched at most twice, however many clauses there are.

        Raises:
            DeadlineExceeded: The deadline has passed.
        """
        bits = np.full(-(-self._papers // 8), 0xFF, np.uint8)
        unknown: dict[bool, list[Clause]] = {False: [], True: []}
        for clause in dict.fromkeys(clauses):
            check_deadline()
            known = self._answers.get(frozenset((clause,)))
            if known is None and all(
                part.respelled or self._common.bits(part.condition) is not None for part in self._queries.parts(clause)
            ):
                known = self._answer([clause])
            if known is None:
                unknown[clause.excluded].append(clause)
            else:
                bits &= known
        for together in unknown.values():
            if together:
                bits &= self._answer(together)
        return np.unpackbits(bits, count=self._papers).view(np.bool_)

    def _answer(self, clauses: Sequence[Clause]) -> Bits:
        """Return and cache the rows that meet all clauses. Either all clauses exclude, or none does."""
        key = frozenset(clauses)
        bits = self._answers.get(key)
        if bits is None:
            bits = self._all(clauses) if len(clauses) > 1 and not clauses[0].excluded else self._any(clauses)
            self._answers.keep(key, bits)
        return bits

    def _all(self, clauses: Sequence[Clause]) -> Bits:
        """Return the rows that meet every one of some clauses that exclude nothing."""
        each = [query for clause in clauses if (query := self._queries.query(clause)) is not None]
        return self._search(Query.boolean_query([(Occur.Must, query) for query in each]))

    def _any(self, clauses: Sequence[Clause]) -> Bits:
        """Return the rows that meet one clause, or that have no value of several clauses that exclude."""
        bits = np.zeros(-(-self._papers // 8), np.uint8)
        unknown: list[Query] = []
        parts = [part for clause in clauses for part in self._queries.parts(clause)]
        for part in parts:
            if (common := self._common.bits(part.condition)) is not None:
                bits |= common
            else:
                unknown.append(part.query)
        if unknown:
            bits |= self._search(best_of_queries(unknown))
        # A clause without a term is met by every paper, whether it excludes or not.
        return ~bits if clauses[0].excluded or not parts else bits

    def _search(self, query: Query) -> Bits:
        return np.packbits(rows_mask(self._searcher, self._schema, query, self._papers))


def rows_mask(searcher: Searcher, schema: Schema, query: Query, papers: int) -> NDArray[np.bool_]:
    """Return the rows that a query matches, bool [papers].

    Raises:
        DeadlineExceeded: The deadline has passed; no further run is fetched.
    """
    query = Query.const_score_query(query, 0.0)
    rows, count = first_rows(searcher, query, AT_ONCE)
    others = 2 * count > papers
    if others:
        # The rows that do not match are fewer, so these are fetched.
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
    """Return the first rows that a query matches, and the number of all rows that it matches.

    Raises:
        DeadlineExceeded: The deadline has passed.
    """
    check_deadline()
    # The type stub lacks the count.
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


class LruCache(Generic[_Key, _Value]):
    """The values that were used last, for several threads.

    Unlike `functools.lru_cache`, `get` returns a cached value and never computes one.
    """

    def __init__(self, most: int) -> None:
        """Take the greatest number of values."""
        self._most = most
        self._values: dict[_Key, _Value] = {}  # in the order of use
        self._lock = Lock()

    def get(self, key: _Key) -> _Value | None:
        """Return the cached value of a key; None if there is none."""
        with self._lock:
            if (value := self._values.pop(key, None)) is not None:
                self._values[key] = value
            return value

    def keep(self, key: _Key, value: _Value) -> None:
        """Keep a value for a key, and drop the value whose last use was the longest ago where there are too many."""
        with self._lock:
            self._values.pop(key, None)
            self._values[key] = value
            if len(self._values) > self._most:
                del self._values[next(iter(self._values))]
