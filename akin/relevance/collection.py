"""Test collections: queries, judgements and passages, whatever the format they were read from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from akin.papers import Paper, passage_text
from akin.relevance.errors import RelevanceError
from akin.storage.digest import file_digest

CORPUS = "corpus.jsonl"
QUERIES = "queries.jsonl"
QRELS = "qrels/test.tsv"
SET = "set.json"

CorpusReader = Callable[[], Iterator[tuple[str, Paper]]]
"""Reads a corpus from its beginning: each passage as a paper, after the place where it stands, such as `path:line`."""


@dataclass(frozen=True)
class Collection:
    """A test collection. Its corpus is read when it is first used.

    Attributes:
        folder: folder of its files; its name is the collection's name unless `label` is given.
        queries: text of each query that has a relevant passage, by the query's id.
        qrels: gain (above 0) of each relevant passage, by the ids of query and passage.
        read_corpus: reads the passages; without it they are in `corpus`, in BEIR's layout.
        files: files that the collection consists of, that of the judgements last; BEIR's three if none are given.
        records: known facts of queries by their id: `published` (a day, ISO 8601) and `categories` of the paper that
            the query was made from.
        about: content of `set.json` of sets that were made here: kind, rule, seed, source and more.
        label: name of a collection that is not called like its folder.
        fingerprint: digest of a collection that has no files.
    """

    folder: Path
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    read_corpus: CorpusReader | None = None
    files: tuple[Path, ...] = ()
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    fingerprint: str = ""

    @property
    def name(self) -> str:
        """Name of the collection in reports."""
        return self.label or self.folder.resolve().name

    @property
    def kind(self) -> str | None:
        """Kind of search that the set stands for, a key of `KINDS`; None if it is not known."""
        return self.about.get("kind")

    @property
    def corpus(self) -> Path:
        """File of the passages in BEIR's layout; other formats have none, and `papers` reads all formats."""
        return self.folder / CORPUS

    def papers(self) -> Iterator[Paper]:
        """Yield each passage as a paper with title and abstract, in the corpus's order.

        Raises:
            RelevanceError: A file cannot be read, or an id occurs twice.
        """
        if self.read_corpus is None:
            from akin.relevance.loaders.beir import corpus_reader

            reader = corpus_reader(self.corpus)
        else:
            reader = self.read_corpus
        seen: set[str] = set()
        for where, paper in reader():
            if paper.id in seen:
                raise RelevanceError(f"{where}: the id {paper.id} occurs a second time. Give each passage its own id.")
            seen.add(paper.id)
            yield paper

    @cached_property
    def passages(self) -> dict[str, str]:
        """Text of each passage, as it is embedded when it is served, by the passage's id, in the corpus's order.

        Raises:
            RelevanceError: A file cannot be read, an id occurs twice, or a relevant passage is missing.
        """
        passages = {paper.id: passage_text(paper) for paper in self.papers()}
        for query, gains in self.qrels.items():
            if missing := next((passage for passage in gains if passage not in passages), None):
                raise RelevanceError(
                    f"{self._files()[-1]} judges passage {missing} for query {query}, but {self._files()[0]} has no "
                    "such passage."
                )
        return passages

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the files: two reports with the same digest were measured on the same collection."""
        if self.fingerprint:
            return self.fingerprint
        digest = hashlib.sha256(self.label.encode())  # several collections may lie in the same files
        for path in self._files():
            digest.update(bytes.fromhex(read_digest(path)))
        return digest.hexdigest()

    def _files(self) -> tuple[Path, ...]:
        return self.files or tuple(self.folder / name for name in (CORPUS, QUERIES, QRELS))


def read_digest(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits.

    Raises:
        RelevanceError: The file cannot be read.
    """
    try:
        return file_digest(path)
    except OSError as error:
        raise RelevanceError(f"{path} cannot be read: {error.strerror}.") from error
