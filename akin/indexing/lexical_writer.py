"""Write the lexical index of a snapshot with Tantivy, and the bitmaps of its common conditions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Self

import msgspec
from tantivy import Document, Index, PreTokenizedString, Query, Schema, SchemaBuilder, Searcher, TextAnalyzer, Token

from akin.indexing.common_conditions import SAMPLED, FieldTerms, likely_conditions, min_papers
from akin.indexing.learned_weights import LearnedWeights
from akin.papers import Paper
from akin.papers.reservoir import Reservoir
from akin.settings.cores import usable_cores
from retrieval_service.adapters.common_rows import CommonRows, Condition, write_common_rows
from retrieval_service.adapters.english import ENGLISH, EVERY_WORD, english_analyzer, name_analyzer, word_analyzer
from retrieval_service.adapters.learned_words import FIELD, LEARNED
from retrieval_service.adapters.names import indexed_forms
from retrieval_service.adapters.spellings import Compounds, find_compounds, ranking_words, separate_letters
from retrieval_service.adapters.tantivy_filter import NAME_SPACING, WITHDRAWN, ClauseQueries, first_rows, initial
from retrieval_service.adapters.tantivy_index import open_index, register_analyzers
from retrieval_service.adapters.tex import to_plain_text
from retrieval_service.filter import day_of
from retrieval_service.ports import Rows

_NAMES = name_analyzer()
_RANKING = english_analyzer()
_TITLE_WEIGHT = 2  # a title describes a paper in few words, so its words count twice
_WRITER_BYTES = 128 << 20
# Common conditions that are searched at once, and before their bitmaps are written. Of 2.5 million papers, the rows of
# the commonest words take 20 MB each, and some hundred MB in Tantivy's answer.
_THREADS, _AT_ONCE = 4, 8


class LexicalWriter:
    """Writes a lexical index into a directory of its own, or continues a copy of another index.

    Every method raises OSError when the disk is full.
    """

    def __init__(self, directory: Path, *, continued: bool = False, weights: LearnedWeights | None = None) -> None:
        """Make the directory; with `continued`, open the index that is in it.

        With `weights`, the index ranks by them; an index that is continued cannot get them.

        Raises:
            SnapshotInvalid: There is no index to continue.
        """
        self._directory = directory
        self._weights = weights
        if continued:
            index = open_index(directory)
        else:
            directory.mkdir(parents=True)
            with self._os_errors():
                index = Index(_schema(learned=weights is not None), str(directory), reuse=False)
                if weights is not None:
                    (directory / LEARNED).write_bytes(msgspec.json.encode(weights.record))
            register_analyzers(index)
            index.config_reader("manual")
        self._index = index
        self._schema = index.schema
        self._sample: Reservoir[Paper] = Reservoir(SAMPLED)
        # One writing thread keeps rows in order and segments few; it is many times faster than the encoder.
        with self._os_errors():
            self._writer: Any = index.writer(_WRITER_BYTES, 1)

    def add(self, first_row: int, papers: Iterable[Paper]) -> None:
        """Add papers as consecutive rows.

        Raises:
            SnapshotError: A paper has no line in the file of weights.
        """
        for row, paper in enumerate(papers, first_row):
            self._sample.offer(paper)
            document = Document()
            ranking: list[str] = []
            for field, text, compounds, words in _parts(paper):
                ranking += words
                # No phrase reaches from one of these texts into the next: Tantivy leaves a place between them.
                for part in (text, *compounds.passages):
                    document.add_text(field, separate_letters(part))
            document.add_text("text", " ".join(ranking))
            document.add_pre_tokenized_text("author", _author_tokens(paper))
            for category in paper.categories:
                document.add_text("category", category)
            if paper.withdrawn:
                document.add_text("flag", WITHDRAWN)
            if day := day_of(paper):
                document.add_integer("day", day.toordinal())
            document.add_unsigned("row", row)
            for term in self._weights.terms(paper.id) if self._weights else ():
                document.add_text(FIELD, term)
            with self._os_errors():
                self._writer.add_document(document)

    def delete(self, rows: Sequence[int]) -> None:
        """Delete rows of the index that is continued; papers added afterwards may have the same row numbers."""
        # Deleting by term does not work: Tantivy's binding makes a signed term of a number, and the field is unsigned.
        if rows:
            with self._os_errors():
                self._writer.delete_documents_by_query(Query.term_set_query(self._schema, "row", list(rows)))

    def close(self) -> None:
        """Commit, wait for merges in the background, and write the bitmaps of common conditions."""
        with self._os_errors():
            self._writer.commit()
            self._writer.wait_merging_threads()
            self._index.reload()
            searcher = self._index.searcher()
            write_common_rows(self._directory, int(searcher.num_docs), self._common(searcher))

    def abandon(self) -> None:
        """End the writing threads, which may still write files after a failure; lose what is not committed."""
        self._writer = None

    def __enter__(self) -> Self:
        """Return the writer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the writing threads; lose what is not committed."""
        self.abandon()

    def _common(self, searcher: Searcher) -> Iterator[tuple[Condition, Rows]]:
        """Yield the common conditions, each with the rows that meet it."""
        papers, queries = int(searcher.num_docs), ClauseQueries(self._schema, searcher)
        if papers <= min_papers(papers):
            return
        words = word_analyzer()
        sample = [_fields(paper, words) for paper in self._sample.items]
        # The sample of a continued index holds only its few new papers, so the earlier conditions are added.
        likely = [*CommonRows(self._directory, stale=True).conditions, *likely_conditions(sample, papers)]

        def find(condition: Condition) -> Rows | None:
            query = Query.const_score_query(queries.condition_query(condition), 0.0)
            _, count = first_rows(searcher, query, 1)
            return first_rows(searcher, query, count)[0] if count >= min_papers(papers, len(condition[1])) else None

        distinct = iter(dict.fromkeys(likely))
        with ThreadPoolExecutor(min(usable_cores(), _THREADS), "common conditions") as threads:
            while some := list(islice(distinct, _AT_ONCE)):
                found = zip(some, threads.map(find, some), strict=True)
                yield from ((condition, rows) for condition, rows in found if rows is not None)

    @contextmanager
    def _os_errors(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:  # the type of all of Tantivy's own errors
            raise OSError(f"{self._directory}: {error}") from error


def ranking_terms(paper: Paper) -> list[str]:
    """Return the terms that a paper is ranked by, each as often as it counts."""
    return _RANKING.analyze(" ".join(text for *_, words in _parts(paper) for text in words))


def _parts(paper: Paper) -> Iterator[tuple[str, str, Compounds, list[str]]]:
    """Yield the field of title and abstract, each with its text, its compounds, and what it is ranked by."""
    for field, raw, weight in (("title", paper.title, _TITLE_WEIGHT), ("abstract", paper.abstract, 1)):
        text = to_plain_text(raw)
        compounds = find_compounds(text)
        yield field, text, compounds, [ranking_words(text, compounds)] * weight


def same_in_index(one: Paper, other: Paper) -> bool:
    """Return True if the index has the same content for two versions of a paper."""
    return _indexed_fields(one) == _indexed_fields(other)


def _indexed_fields(paper: Paper) -> tuple[object, ...]:
    return paper.title, paper.abstract, paper.authors, paper.categories, paper.withdrawn, day_of(paper)


def _schema(*, learned: bool = False) -> Schema:
    builder = SchemaBuilder()
    if learned:
        builder.add_text_field(FIELD, tokenizer_name="raw", index_option="basic")
    return (
        builder.add_text_field("text", tokenizer_name=ENGLISH, index_option="freq")
        .add_text_field("title", tokenizer_name=EVERY_WORD, index_option="position")
        .add_text_field("abstract", tokenizer_name=EVERY_WORD, index_option="position")
        .add_text_field("author", tokenizer_name="raw", index_option="position")
        .add_text_field("category", tokenizer_name="raw", index_option="basic")
        .add_text_field("flag", tokenizer_name="raw", index_option="basic")
        .add_integer_field("day", indexed=True, fast=True)
        .add_unsigned_field("row", indexed=True, fast=True)
        .build()
    )


def _author_tokens(paper: Paper) -> PreTokenizedString:
    """Return the words of the authors' names, each with its initial in the same place; each form is like a name."""
    tokens = []
    forms = [form for author in paper.authors for form in indexed_forms(author.name, _NAMES)]
    for number, form in enumerate(forms):
        for place, terms in enumerate(form[: NAME_SPACING // 2], number * NAME_SPACING):
            tokens += [Token(term, place, 0, 0) for term in (*terms, initial(terms[0]))]
    return PreTokenizedString("", tokens)


def _fields(paper: Paper, words: TextAnalyzer) -> list[FieldTerms]:
    """Return the terms of a paper's fields. Each word of its authors' names is a field of its own."""
    forms = (form for author in paper.authors for form in indexed_forms(author.name, _NAMES))
    names = {term for form in forms for terms in form for term in terms}
    found: list[FieldTerms] = [("author", (term,)) for term in names | set(map(initial, names))]
    for field, text in (("title", paper.title), ("abstract", paper.abstract)):
        found.append((field, tuple(words.analyze(separate_letters(to_plain_text(text))))))
    return found
