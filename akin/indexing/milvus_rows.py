"""Rows of a snapshot as Milvus stores them: vector, words, and what filters ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from akin.indexing.bulk.files import EmbeddingFolder
from akin.indexing.lexical_writer import ranking_terms
from akin.papers import Paper
from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.adapters.milvus_collection import RECORD, VECTOR, WORDS, record_numbers
from retrieval_service.adapters.milvus_filter import CATEGORIES, DAY, ROW, WITHDRAWN
from retrieval_service.adapters.milvus_words import paper_weights
from retrieval_service.adapters.tantivy_index import TantivyIndex
from retrieval_service.errors import VectorStoreUnusable
from retrieval_service.filter import day_of
from retrieval_service.ports import Catalogue, Rows, Vectors

BLOCK = 1_000  # vectors of one insert; a request of gRPC is bounded


class VectorSource(Protocol):
    """Source of the vectors of rows."""

    def parts(self, rows: Rows) -> Iterator[tuple[Rows, Vectors]]:
        """Yield all of some rows, ascending, with their vectors, at most `BLOCK` at a time."""


class IndexVectors:
    """Vectors that a snapshot's index stores."""

    def __init__(self, index: FaissIndex) -> None:
        """Take the index, which must be readable."""
        self._index = index

    def parts(self, rows: Rows) -> Iterator[tuple[Rows, Vectors]]:
        """Yield the rows with their vectors."""
        for at in range(0, len(rows), BLOCK):
            some = rows[at : at + BLOCK]
            yield some, self._index.vectors(some.tolist())


class FileVectors:
    """Vectors in Parquet files, found by the digests of the papers' texts."""

    def __init__(self, folder: EmbeddingFolder, texts: NDArray[np.void]) -> None:
        """Take the files, and the digest of each row's text, `V16` [rows]."""
        self._folder = folder
        self._texts = np.ascontiguousarray(texts).view("S16")

    def parts(self, rows: Rows) -> Iterator[tuple[Rows, Vectors]]:
        """Yield the rows with their vectors, in the order of the files.

        Raises:
            VectorStoreUnusable: The files lack one of them.
        """
        missing = np.zeros(len(self._texts), np.bool_)
        missing[rows] = True
        order = rows[np.argsort(self._texts[rows], kind="stable")]
        ordered = self._texts[order]
        for part in self._folder:
            texts = np.array(part.texts, "S16")
            first, end = (np.searchsorted(ordered, texts, side) for side in ("left", "right"))
            # A text may be that of several papers, in the snapshot as in the files.
            found = [(row, at) for at in np.flatnonzero(end > first) for row in order[first[at] : end[at]].tolist()]
            new = {row: at for row, at in found if missing[row]}
            missing[list(new)] = False
            places = np.array(sorted(new.items()), np.int64).reshape(-1, 2)
            for start in range(0, len(places), BLOCK):
                some = places[start : start + BLOCK]
                yield some[:, 0], part.vectors[some[:, 1]]
        if count := int(np.count_nonzero(missing)):
            raise VectorStoreUnusable(
                f"{self._folder.address} lacks the vectors of {count:,} papers of the snapshot: embed them too (akin "
                "embed), or leave out --from."
            )


class MilvusRows:
    """Rows of a snapshot for Milvus.

    Attributes:
        records: What identifies the record of each row's paper, int64 [rows].
    """

    def __init__(
        self, digests: NDArray[np.void], catalogue: Catalogue, papers: Rows | None, words: TantivyIndex | None
    ) -> None:
        """Take the parts of a snapshot.

        Args:
            digests: Digests of its papers.
            catalogue: Its papers.
            papers: The paper of each vector; None if each has one.
            words: Its lexical index, to store words too.
        """
        self.records = record_numbers(digests)
        if papers is not None:
            self.records = self.records[papers]
        self._catalogue, self._papers, self._words = catalogue, papers, words
        self._mean = 0.0

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.records)

    def block(self, rows: Rows, vectors: Vectors) -> list[dict[str, Any]]:
        """Return the rows, with their vectors, as they are inserted."""
        numbers = rows if self._papers is None else self._papers[rows]
        papers = self._catalogue.papers(numbers.tolist())
        return [
            {
                ROW: row,
                VECTOR: vector,
                RECORD: int(self.records[row]),
                DAY: day.toordinal() if (day := day_of(paper)) else 0,
                CATEGORIES: list(paper.categories),
                WITHDRAWN: paper.withdrawn,
                **({WORDS: self._weights(paper)} if self._words is not None else {}),
            }
            for row, vector, paper in zip(rows.tolist(), vectors, papers, strict=True)
        ]

    def _weights(self, paper: Paper) -> dict[int, float]:
        terms = ranking_terms(paper)
        if self._words is not None and not self._mean and terms:
            self._mean = self._words.mean_length(terms[0])
        return paper_weights(terms, self._mean or 1.0)
