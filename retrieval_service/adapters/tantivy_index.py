"""The lexical index: BM25 over one field that holds title and abstract, with Tantivy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date
from math import log
from pathlib import Path

import numpy as np
from tantivy import Document, FieldType, Index, Occur, Query, Schema, SchemaBuilder

from papers import Paper
from retrieval_service.adapters.english import english_analyzer, plain
from retrieval_service.errors import SnapshotInvalid
from retrieval_service.ports import Filter, Hits, day_of

_ANALYZER = "akin_english"
_TITLE_WEIGHT = 2
_WRITER_BYTES = 128 << 20
# Tantivy takes lock files into the directory of an index that is written or opened; they hold nothing.
LOCK_FILES = frozenset({".tantivy-writer.lock", ".tantivy-meta.lock"})


def _schema() -> Schema:
    return (
        SchemaBuilder()
        .add_text_field("text", tokenizer_name=_ANALYZER, index_option="freq")
        .add_text_field("category", tokenizer_name="raw", index_option="basic")
        .add_integer_field("day", indexed=True, fast=True)
        .add_unsigned_field("row", fast=True)
        .build()
    )


class TantivyWriter:
    """Writes a lexical index into an empty directory."""

    def __init__(self, directory: Path) -> None:
        """Makes the directory."""
        directory.mkdir(parents=True)
        index = Index(_schema(), str(directory), reuse=False)
        index.register_tokenizer(_ANALYZER, english_analyzer())
        # One writing thread keeps rows in order and segments few; it is many times faster than the encoder.
        self._writer = index.writer(_WRITER_BYTES, 1)

    def add(self, first_row: int, papers: Iterable[Paper]) -> None:
        """Adds papers as consecutive rows."""
        for row, paper in enumerate(papers, first_row):
            document = Document()
            # The title says in few words what the abstract says in many, so its words count twice.
            document.add_text("text", plain(" ".join([paper.title] * _TITLE_WEIGHT + [paper.abstract])))
            for category in paper.categories:
                document.add_text("category", category)
            if day := day_of(paper):
                document.add_integer("day", day.toordinal())
            document.add_unsigned("row", row)
            self._writer.add_document(document)

    def close(self) -> None:
        """Commits, and waits for what is merged in the background."""
        self._writer.commit()
        self._writer.wait_merging_threads()


class TantivyIndex:
    """A lexical index opened for searching."""

    def __init__(self, directory: Path, *, terms: int = 64) -> None:
        """Opens the index; a query looks up its `terms` most informative terms.

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
        self._index = index
        self._schema = index.schema
        self._analyzer = english_analyzer()
        self._terms = terms

    def __len__(self) -> int:
        """Number of papers."""
        return int(self._searcher.num_docs)

    def search(self, text: str, k: int, *, admitted: Filter | None = None) -> Hits:
        """The k rows of greatest BM25 score for a text, among those a filter admits."""
        weights = self._weights(text)
        if not weights or k <= 0:
            return Hits(np.empty(0, np.int64), np.empty(0, np.float32))
        terms = Query.boolean_query([(Occur.Should, self._term(term, weight)) for term, weight in weights])
        conditions = [(Occur.Must, Query.const_score_query(q, 0.0)) for q in self._conditions(admitted)]
        query = Query.boolean_query([(Occur.Must, terms), *conditions]) if conditions else terms
        hits = self._searcher.search(query, k, count=False).hits
        rows = np.asarray(self._searcher.fast_field_values("row", [address for _, address in hits]), np.int64)
        scores = np.asarray([score for score, _ in hits], np.float32)
        order = np.lexsort((rows, -scores))
        return Hits(rows[order], scores[order])

    def _weights(self, text: str) -> list[tuple[str, float]]:
        """The query's most informative terms, each with how often it occurs in the query.

        Information is what a term adds to the score of a paper that has it: its count in the query times its inverse
        document frequency in BM25 (Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework").
        """
        papers = len(self)
        informative: list[tuple[float, str, float]] = []
        for term, count in Counter(self._analyzer.analyze(plain(text))).items():
            if having := self._searcher.doc_freq("text", term):
                rarity = log(1 + (papers - having + 0.5) / (having + 0.5))
                informative.append((-count * rarity, term, float(count)))
        informative.sort()
        return [(term, count) for _, term, count in informative[: self._terms]]

    def _term(self, term: str, weight: float) -> Query:
        query = Query.term_query(self._schema, "text", term, "freq")
        return query if weight == 1 else Query.boost_query(query, weight)

    def _conditions(self, admitted: Filter | None) -> list[Query]:
        if admitted is None:
            return []
        conditions = []
        if admitted.categories:
            conditions.append(Query.term_set_query(self._schema, "category", list(admitted.categories)))
        if admitted.first or admitted.last:
            first, last = admitted.first or date.min, admitted.last or date.max
            days = (first.toordinal(), last.toordinal())
            conditions.append(Query.range_query(self._schema, "day", FieldType.Integer, *days))
        return conditions
