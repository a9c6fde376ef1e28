"""What the query path needs of the world, as protocols, and the plain data that passes through them.

A *row* is a paper's number in its snapshot, from 0; it is the vector's id in the vector index, the rowid in the
catalogue and a field in the lexical index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from papers import Paper

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]

DEPTHS = (100, 200, 1300)
"""The only depths to which a search asks an index, so that all pages come from one ranking.

Recall is measured at the first, at which nearly all pages are served; a page of a hundred may need the second, where
results are folded into others, and the last holds the deepest page there is.
"""


@dataclass(frozen=True)
class EncoderIdentity:
    """Which encoder makes the vectors.

    Attributes:
        version: its number in the model repository.
        digest: what it is: the SHA-256 over graph, tokenizer and text rules.
        dim: length of its vectors.
        max_length: tokens it reads of a text; None where that cannot be told.
        device: "cpu" or "gpu", where Triton says so.
    """

    version: int
    digest: str
    dim: int
    max_length: int | None = None
    device: str | None = None


class Embedded(NamedTuple):
    """Vectors of a batch of texts.

    Attributes:
        vectors: float32 [n, dim], rows of unit length.
        tokens: int32 [n], each text's length in tokens before truncation.
    """

    vectors: Vectors
    tokens: NDArray[np.int32]


class Encoder(Protocol):
    """Makes vectors of texts. Both ways raise EncoderUnavailable when no vectors can be had now."""

    @property
    def identity(self) -> EncoderIdentity:
        """Which encoder it is."""

    async def embed_queries(self, texts: Sequence[str]) -> Embedded:
        """Vectors of what people ask, soon or not at all."""

    async def embed_passages(self, texts: Sequence[str]) -> Embedded:
        """Vectors of papers in bulk; waits out a busy encoder."""


class EncoderSource(Protocol):
    """Where encoders are found."""

    async def find(self, digest: str | None = None) -> Encoder:
        """The ready encoder of a digest; without one, the newest that is ready.

        Raises:
            EncoderUnavailable: none can be reached.
            EncoderMismatch: there are some, and none is of that digest.
        """

    async def is_ready(self, version: int) -> bool:
        """Whether this version of the encoder is ready, asked quickly."""

    async def close(self) -> None:
        """Closes the connections."""


class Hits(NamedTuple):
    """The best rows of one search, best first.

    Attributes:
        rows: int64 [n].
        scores: float32 [n], higher is better.
    """

    rows: Rows
    scores: NDArray[np.float32]


class Field(StrEnum):
    """Where a condition looks."""

    CATEGORY = "category"
    AUTHOR = "author"
    ROW = "row"
    TITLE = "title"
    ABSTRACT = "abstract"
    ANYWHERE = "anywhere"


CATALOGUE_FIELDS = frozenset({Field.CATEGORY, Field.ROW})
"""The fields that the catalogue answers; the lexical index answers the others."""


@dataclass(frozen=True)
class Clause:
    """One condition: a paper has at least one of the values; if `excluded`, it has none of them.

    Attributes:
        field: where it looks. Values of AUTHOR are names; of TITLE, ABSTRACT and ANYWHERE (either of the two) words
            that stand together; of ROW numbers.
        values: the alternatives.
        excluded: whether papers that have one are out.
    """

    field: Field
    values: tuple[str | int, ...]
    excluded: bool = False


@dataclass(frozen=True)
class Filter:
    """What a paper must be to be searched at all: all of this at once, the same for both halves.

    Attributes:
        clauses: the conditions.
        first: the day it may not be older than.
        last: the day it may not be newer than. With either bound set, papers without a day are out.
    """

    clauses: tuple[Clause, ...] = ()
    first: date | None = None
    last: date | None = None


def day_of(paper: Paper) -> date | None:
    """The day filters go by: that of the first version, else of the newest, else none."""
    return paper.published or paper.updated


@dataclass(frozen=True, eq=False)
class RowSet:
    """The rows a filter admits; compared by identity, so that what is known of one can be remembered.

    Attributes:
        mask: bool [papers].
        count: how many are admitted.
    """

    mask: NDArray[np.bool_]
    count: int


class VectorIndex(Protocol):
    """Finds the nearest vectors; thread-safe."""

    @property
    def dim(self) -> int:
        """Length of the vectors."""

    @property
    def status(self) -> str | None:
        """Why vectors are searched in main memory although the settings ask for a GPU; None otherwise."""

    def __len__(self) -> int:
        """Number of vectors."""

    def search(self, vector: Vectors, k: int, *, within: RowSet | None = None, nprobe: int | None = None) -> Hits:
        """The k rows of greatest cosine with a unit vector [dim], among those admitted; fewer if there are fewer.

        `nprobe` overrides how many lists an index that has lists looks into.
        """

    def vectors(self, rows: Sequence[int]) -> Vectors:
        """The stored vectors of these rows, float32 [n, dim]."""

    def close(self) -> None:
        """Release memory and threads; no search may follow."""


class LexicalIndex(Protocol):
    """Finds the papers whose words match a text best; thread-safe."""

    def __len__(self) -> int:
        """Number of papers."""

    def search(
        self, text: str, k: int, *, against: tuple[str, float] = ("", 0.0), admitted: Filter | None = None
    ) -> Hits:
        """The k rows of greatest BM25 score for a text, among those a filter admits.

        The words that a filter wants in title or abstract count in the score; without any of those, only rows that
        share a term with the text are found. A filter without a text and without words finds the newest rows, all of
        score 1.

        Args:
            text: what is sought; may be blank where a filter is given.
            k: how many.
            against: what is not sought, and how much weight each of its words takes from the text's.
            admitted: the filter.
        """

    def matching(self, clauses: Sequence[Clause]) -> NDArray[np.bool_]:
        """Which rows meet all of the clauses, bool [papers]."""


class Catalogue(Protocol):
    """Knows the papers themselves; thread-safe."""

    @property
    def categories(self) -> Mapping[str, int]:
        """Every category in the corpus with the number of its papers, the largest first."""

    @property
    def span(self) -> tuple[date | None, date | None]:
        """The days of the oldest and of the newest paper."""

    def __len__(self) -> int:
        """Number of papers."""

    def rows(self, ids: Sequence[str]) -> dict[str, int]:
        """The rows of those of the ids that the corpus has."""

    def papers(self, rows: Sequence[int]) -> list[Paper]:
        """The papers of these rows, in the order asked."""

    def matching(self, wanted: Filter) -> RowSet:
        """The rows a filter admits by what the catalogue knows: its days, and its CATEGORY and ROW clauses."""

    def close(self) -> None:
        """Close the file; nothing may be read afterwards."""


class Corpus(Protocol):
    """Papers, their indexes, and the encoder that belongs to them: all that a search needs.

    `corpus.open_corpus.OpenCorpus` is the one that the service searches. The search itself depends on this protocol
    only, so that it imports no index library.
    """

    @property
    def vectors(self) -> VectorIndex:
        """The vector index."""

    @property
    def lexical(self) -> LexicalIndex:
        """The lexical index."""

    @property
    def catalogue(self) -> Catalogue:
        """The papers."""

    async def embed(self, text: str) -> tuple[Embedded, EncoderIdentity]:
        """Return the vector of a query, made by the encoder that made the corpus's vectors, and that encoder.

        Raises:
            Unavailable: No vector can be made now; the message says why.
        """
