"""The lexical index: BM25 with Tantivy, and the conditions that words, names, categories and days can be.

Ranking goes by one field that holds title and abstract together, as that ranks better than the sum of two. Title and
abstract are indexed once more, each with its words' positions, for the conditions alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import log
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tantivy import (
    Document,
    Index,
    Occur,
    Order,
    PreTokenizedString,
    Query,
    Schema,
    SchemaBuilder,
    Searcher,
    TextAnalyzer,
    Token,
)

from papers import Paper
from retrieval_service.adapters.common_rows import (
    FEWEST,
    SAMPLED,
    Bits,
    CommonRows,
    Condition,
    likely_conditions,
    write_common_rows,
)
from retrieval_service.adapters.english import english_analyzer, name_analyzer
from retrieval_service.adapters.recent import Recent
from retrieval_service.adapters.tantivy_clauses import NAME_SPACING, ClauseQueries, either, initial, name_words
from retrieval_service.adapters.tantivy_rows import first_rows, mask_of
from retrieval_service.adapters.tex import plain
from retrieval_service.deadline import check_deadline
from retrieval_service.errors import SnapshotInvalid
from retrieval_service.ports import Clause, Field, Filter, Hits, Rows, day_of
from retrieval_service.reservoir import Reservoir

_ANALYZER = "akin_english"
_NAMES = name_analyzer()
_TITLE_WEIGHT = 2
_WRITER_BYTES = 128 << 20
_CLAUSES_KEPT = 32
_LEAST_TERMS = 6  # whatever they cost: a question has as many
# Where more entries are read than take a few ms, the last words count only up to this share of the query's information.
_CHEAP_POSTINGS, _ENOUGH = 500_000, 0.95
# Tantivy takes lock files into the directory of an index that is written or opened; they hold nothing.
LOCK_FILES = frozenset({".tantivy-writer.lock", ".tantivy-meta.lock"})


def _schema() -> Schema:
    return (
        SchemaBuilder()
        .add_text_field("text", tokenizer_name=_ANALYZER, index_option="freq")
        .add_text_field("title", tokenizer_name=_ANALYZER, index_option="position")
        .add_text_field("abstract", tokenizer_name=_ANALYZER, index_option="position")
        .add_text_field("author", tokenizer_name="raw", index_option="position")
        .add_text_field("category", tokenizer_name="raw", index_option="basic")
        .add_integer_field("day", indexed=True, fast=True)
        .add_unsigned_field("row", indexed=True, fast=True)
        .build()
    )


def _authors(paper: Paper) -> PreTokenizedString:
    """The words of the authors' names, each with its initial in the same place."""
    tokens = []
    for number, name in enumerate(paper.authors):
        for place, word in enumerate(name_words(name, _NAMES)[: NAME_SPACING // 2], number * NAME_SPACING):
            tokens += [Token(word, place, 0, 0), Token(initial(word), place, 0, 0)]
    return PreTokenizedString("", tokens)


class TantivyWriter:
    """Writes a lexical index into a directory of its own, or goes on with a copy of another's.

    Every method raises OSError when the disk takes no more.
    """

    def __init__(self, directory: Path, *, continued: bool = False) -> None:
        """Makes the directory, unless an index that is there is to be continued.

        Raises:
            SnapshotInvalid: there is no such index.
        """
        self._directory = directory
        if continued:
            try:
                index = Index.open(str(directory))
            except (ValueError, OSError) as error:
                raise SnapshotInvalid(directory, f"is not a lexical index that can be read ({error})") from error
        else:
            directory.mkdir(parents=True)
            with self._in_words():
                index = Index(_schema(), str(directory), reuse=False)
        index.register_tokenizer(_ANALYZER, english_analyzer())
        self._index = index
        self._schema = index.schema
        self._sample: Reservoir[Paper] = Reservoir(SAMPLED)
        # One writing thread keeps rows in order and segments few; it is many times faster than the encoder.
        with self._in_words():
            self._writer: Any = index.writer(_WRITER_BYTES, 1)

    def add(self, first_row: int, papers: Iterable[Paper]) -> None:
        """Adds papers as consecutive rows."""
        for row, paper in enumerate(papers, first_row):
            self._sample.offer(paper)
            title, abstract = plain(paper.title), plain(paper.abstract)
            document = Document()
            # The title says in few words what the abstract says in many, so its words count twice.
            document.add_text("text", " ".join([title] * _TITLE_WEIGHT + [abstract]))
            document.add_text("title", title)
            document.add_text("abstract", abstract)
            document.add_pre_tokenized_text("author", _authors(paper))
            for category in paper.categories:
                document.add_text("category", category)
            if day := day_of(paper):
                document.add_integer("day", day.toordinal())
            document.add_unsigned("row", row)
            with self._in_words():
                self._writer.add_document(document)

    def delete(self, rows: Sequence[int]) -> None:
        """Takes rows out that were there before; what is added afterwards may have the same numbers."""
        # Not by term: that makes a signed term of a number, which no unsigned field has.
        if rows:
            with self._in_words():
                self._writer.delete_documents_by_query(Query.term_set_query(self._schema, "row", list(rows)))

    def close(self) -> None:
        """Commits, waits for what is merged in the background, and writes the bitmaps of common conditions."""
        with self._in_words():
            self._writer.commit()
            self._writer.wait_merging_threads()
            self._index.config_reader("manual")
            self._index.reload()
            self._write_common_rows(self._index.searcher())

    def _write_common_rows(self, searcher: Searcher) -> None:
        papers, queries = int(searcher.num_docs), ClauseQueries(self._schema)

        def meeting(condition: Condition, least: int) -> Rows | None:
            query = Query.const_score_query(queries.standing(condition), 0.0)
            _, count = first_rows(searcher, query, 1)
            return first_rows(searcher, query, count)[0] if count >= least else None

        likely: list[Condition] = []
        if papers > FEWEST:
            english = english_analyzer()
            sample = [_conditions(paper, english) for paper in self._sample.items]
            # What was common before an index was continued probably still is, and its changes are too few to tell.
            likely = [*CommonRows(self._directory, stale=True).conditions, *likely_conditions(sample, papers)]
        write_common_rows(self._directory, papers, dict.fromkeys(likely), meeting)

    def abandon(self) -> None:
        """Ends the writing threads, whatever they were at; after a failure they may still be making files."""
        self._writer = None

    def __enter__(self) -> Self:
        """The writer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the writing threads; what was not committed is lost."""
        self.abandon()

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:  # what Tantivy's own errors arrive as
            raise OSError(f"{self._directory}: {error}") from error


def _conditions(paper: Paper, english: TextAnalyzer) -> list[Condition]:
    """Return the terms of a paper's fields. Each word of its authors' names is a field of its own."""
    names = {word for name in paper.authors for word in name_words(name, _NAMES)}
    found: list[Condition] = [("author", ((0, term),)) for term in names | set(map(initial, names))]
    for field, text in (("title", paper.title), ("abstract", paper.abstract)):
        found.append((field, tuple((token.position, token.text) for token in english.pre_tokenize(plain(text)).tokens)))
    return found


def indexed_alike(one: Paper, other: Paper) -> bool:
    """Whether the index holds the same of two versions of a paper."""
    return _indexed(one) == _indexed(other)


def _indexed(paper: Paper) -> tuple[object, ...]:
    return paper.title, paper.abstract, paper.authors, paper.categories, day_of(paper)


class TantivyIndex:
    """A lexical index opened for searching."""

    def __init__(self, directory: Path, *, terms: int = 64, postings: int = 3_000_000) -> None:
        """Opens the index.

        A query looks up its most informative terms: at most `terms`, and no more than occur `postings` times in all.

        Raises:
            SnapshotInvalid: the directory holds no such index.
        """
        try:
            index = Index.open(str(directory))
            index.register_tokenizer(_ANALYZER, english_analyzer())
            # An index that is never written again needs no watcher for commits.
            index.config_reader("manual")
            index.reload()
            self._searcher = index.searcher()
        except (ValueError, OSError) as error:
            raise SnapshotInvalid(directory, f"is not a lexical index that can be read ({error})") from error
        self._common = CommonRows(directory)
        self._index = index
        self._schema = index.schema
        self._analyzer = english_analyzer()
        self._clauses = ClauseQueries(index.schema)
        self._terms = terms
        self._postings = postings
        self._meeting: Recent[frozenset[Clause], Bits] = Recent(_CLAUSES_KEPT)

    def __len__(self) -> int:
        """Number of papers."""
        return int(self._searcher.num_docs)

    def search(
        self, text: str, k: int, *, against: tuple[str, float] = ("", 0.0), admitted: Filter | None = None
    ) -> Hits:
        """The k rows of greatest BM25 score for a text, among those a filter admits."""
        check_deadline()
        admitted = admitted or Filter()
        weights = self._weights(text, against)
        scored: list[tuple[Occur, Query]] = []
        silent: list[tuple[Occur, Query]] = []
        for clause in admitted.clauses:
            query = self._clauses.of(clause)
            if query is not None and _scores(clause):
                scored.append((Occur.Must, query))
            elif query is not None:
                occur = Occur.MustNot if clause.excluded else Occur.Must
                silent.append((occur, Query.const_score_query(query, 0.0)))
        if days := self._clauses.days(admitted):
            silent.append((Occur.Must, Query.const_score_query(days, 0.0)))
        if k <= 0 or not (weights or scored or (silent and not text.strip())):
            return Hits(np.empty(0, np.int64), np.empty(0, np.float32))
        if not (weights or scored):
            return self._newest([*silent, (Occur.Must, Query.all_query())], k)
        parts = [*scored, *silent]
        if weights:
            terms = Query.boolean_query([(Occur.Should, self._term(term, weight)) for term, weight in weights])
            if not parts:
                return self._best(terms, k)
            parts.append((Occur.Should if scored else Occur.Must, terms))
        return self._best(Query.boolean_query(parts), k)

    def matching(self, clauses: Sequence[Clause]) -> NDArray[np.bool_]:
        """Return which rows meet all of the clauses; the last answers are remembered.

        Clauses that are not remembered and have no bitmaps are searched for together, those that exclude as one query
        and the others as another: the rows are handed over twice at most, however many clauses there are.

        Raises:
            DeadlineExceeded: nobody waits for them any more.
        """
        bits = np.full(-(-len(self) // 8), 0xFF, np.uint8)
        unknown: dict[bool, list[Clause]] = {False: [], True: []}
        for clause in dict.fromkeys(clauses):
            check_deadline()
            known = self._meeting.get(frozenset((clause,)))
            if known is None and all(
                self._common.of(part.condition) is not None for part in self._clauses.parts(clause)
            ):
                known = self._remembered([clause])
            if known is None:
                unknown[clause.excluded].append(clause)
            else:
                bits &= known
        for together in unknown.values():
            if together:
                bits &= self._remembered(together)
        return np.unpackbits(bits, count=len(self)).view(np.bool_)

    def _remembered(self, clauses: Sequence[Clause]) -> Bits:
        """Return which rows meet all of some clauses, of which either all exclude or none does."""
        key = frozenset(clauses)
        bits = self._meeting.get(key)
        if bits is None:
            bits = self._required(clauses) if len(clauses) > 1 and not clauses[0].excluded else self._bits(clauses)
            self._meeting.keep(key, bits)
        return bits

    def _required(self, clauses: Sequence[Clause]) -> Bits:
        each = [query for clause in clauses if (query := self._clauses.of(clause)) is not None]
        query = Query.boolean_query([(Occur.Must, query) for query in each])
        return np.packbits(mask_of(self._searcher, self._schema, query, len(self)))

    def _bits(self, clauses: Sequence[Clause]) -> Bits:
        """Return which rows meet one clause, or none of the values that several clauses exclude."""
        bits = np.zeros(-(-len(self) // 8), np.uint8)
        unknown: list[Query] = []
        parts = [part for clause in clauses for part in self._clauses.parts(clause)]
        for part in parts:
            if (common := self._common.of(part.condition)) is not None:
                bits |= common
            else:
                unknown.append(part.query)
        if unknown:
            bits |= np.packbits(mask_of(self._searcher, self._schema, either(unknown), len(self)))
        # What says nothing is met by all, and its opposite as well.
        return ~bits if clauses[0].excluded or not parts else bits

    def _best(self, query: Query, k: int) -> Hits:
        hits = self._searcher.search(query, k, count=False).hits
        rows = np.asarray(self._searcher.fast_field_values("row", [address for _, address in hits]), np.int64)
        scores = np.asarray([score for score, _ in hits], np.float32)
        order = np.lexsort((rows, -scores))
        return Hits(rows[order], scores[order])

    def _newest(self, parts: Sequence[tuple[Occur, Query]], k: int) -> Hits:
        """The newest rows, for what is only filtered and not ranked."""
        query = Query.boolean_query(list(parts))
        hits = self._searcher.search(query, k, count=False, order_by_field="day", order=Order.Desc).hits
        rows = np.asarray(self._searcher.fast_field_values("row", [address for _, address in hits]), np.int64)
        return Hits(rows, np.ones(len(rows), np.float32))

    def _weights(self, text: str, against: tuple[str, float]) -> list[tuple[str, float]]:
        """The query's most informative terms, each with how often it occurs in the query.

        Information is what a term adds to the score of a paper that has it: its count in the query times its inverse
        document frequency in BM25 (Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework"). What a term
        costs are the papers it is in, each of which is an entry to read.
        """
        papers = len(self)
        informative: list[tuple[float, str, float, int]] = []
        for term, count in self._counts(text, against).items():
            if having := self._searcher.doc_freq("text", term):
                rarity = log(1 + (papers - having + 0.5) / (having + 0.5))
                informative.append((-count * rarity, term, float(count), having))
        informative.sort()
        enough = _ENOUGH * sum(information for information, *_ in informative)
        chosen: list[tuple[str, float]] = []
        read, known = 0, 0.0
        for information, term, weight, having in informative:
            fits = read + having <= self._postings and (read + having <= _CHEAP_POSTINGS or known > enough)
            if len(chosen) < _LEAST_TERMS or (fits and len(chosen) < self._terms):
                chosen.append((term, weight))
                read += having
                known += information
        return chosen

    def _counts(self, text: str, against: tuple[str, float]) -> dict[str, float]:
        counts: dict[str, float] = dict(Counter(self._analyzer.analyze(plain(text))))
        unwanted, weight = against
        if not unwanted:
            return counts
        for term, count in Counter(self._analyzer.analyze(plain(unwanted))).items():
            counts[term] = counts.get(term, 0.0) - weight * count
        return {term: count for term, count in counts.items() if count > 0}

    def _term(self, term: str, weight: float) -> Query:
        query = Query.term_query(self._schema, "text", term, "freq")
        return query if weight == 1 else Query.boost_query(query, weight)


def _scores(clause: Clause) -> bool:
    """Whether a clause counts in the score: words that a paper must have do."""
    return not clause.excluded and clause.field in (Field.TITLE, Field.ABSTRACT, Field.ANYWHERE)
