"""The interfaces that the query path depends on, as protocols, and the plain data that passes through them.

A *row* is a paper's number in its snapshot, from 0. It is the vector's id in the vector index, the rowid in the
catalogue, and a field in the lexical index.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from akin.papers import Paper
from retrieval_service.filter import Clause, Filter

if TYPE_CHECKING:
    from retrieval_service.corpus.manifest import Manifest

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]

InputType = Literal["query", "passage"]
"""The role of a text in a search. An encoder that was trained with prompts has one for each."""

TextRole = Literal["query", "passage", "abstract"]
"""The role of a text in a request; for an abstract that looks for its neighbours, its encoder names the `InputType`."""

Elsewhere = Literal["gpu", "milvus"]
"""Where vectors may be searched beside main memory."""

DEPTHS = (100, 200, 1300)
"""The only depths to which an index is searched, so that all pages come from one ranking.

Recall is measured at the first depth, which serves nearly all pages. A page of a hundred may need the second, where
results are folded into others. The last is deep enough for the deepest page.
"""


@dataclass(frozen=True)
class EncoderIdentity:
    """The encoder that makes the vectors.

    Attributes:
        version: Its number in the model repository.
        digest: The SHA-256 over its graph, tokenizer and text rules.
        dim: Length of its vectors.
        max_length: Tokens that it reads of a text; None if this is unknown.
        device: "cpu" or "gpu"; None if Triton does not report it.
        abstract_as: The input type of an abstract that looks for its neighbours.
        name: The name of its model; that of Triton's model if this is unknown.
        created: The moment at which it was exported; None if this is unknown.
        dimensions: Shorter lengths to which its vectors may be cut, as it was trained for them (Matryoshka).
    """

    version: int
    digest: str
    dim: int
    max_length: int | None = None
    device: str | None = None
    abstract_as: InputType = "query"
    name: str = "text_encoder"
    created: datetime | None = None
    dimensions: tuple[int, ...] = ()


class EmbeddingBatch(NamedTuple):
    """Vectors of a batch of texts.

    Attributes:
        vectors: float32 [n, dim], rows of unit length.
        tokens: int32 [n], each text's length in tokens before truncation.
    """

    vectors: Vectors
    tokens: NDArray[np.int32]


class Encoder(Protocol):
    """Makes vectors of texts. Both methods raise EncoderUnavailable when no vectors can be made now."""

    @property
    def identity(self) -> EncoderIdentity:
        """Version, digest and sizes of the encoder."""

    async def embed_queries(self, texts: Sequence[str], input_type: InputType = "query") -> EmbeddingBatch:
        """Return the vectors of texts that someone waits for, or raise an error within the time that a query has."""

    async def embed_passages(self, texts: Sequence[str], input_type: InputType = "passage") -> EmbeddingBatch:
        """Return the vectors of many texts, usually of papers; wait while the encoder is busy."""


class EncoderSource(Protocol):
    """Finds encoders that are ready."""

    async def find(self, digest: str | None = None) -> Encoder:
        """Return the ready encoder of a digest; without one, the newest that is ready.

        Raises:
            EncoderUnavailable: No encoder can be reached.
            EncoderMismatch: Encoders are ready, and none has that digest.
        """

    async def is_ready(self, version: int) -> bool:
        """Return True if this version of the encoder is ready; do not wait long for the answer."""

    async def close(self) -> None:
        """Close the connections."""


class Reranker(Protocol):
    """Scores passages by reading them together with the query."""

    async def is_ready(self) -> bool:
        """Return True if it can score now; do not wait long for the answer."""

    async def score(self, query: str, passages: Sequence[str], seconds: float) -> NDArray[np.float32]:
        """Return the score of each passage, float32 [n], higher is better, within a number of seconds.

        Raises:
            Unavailable: There are no scores in this time.
        """


class Hits(NamedTuple):
    """The best rows of one search, best first.

    Attributes:
        rows: int64 [n].
        scores: float32 [n], higher is better.
        bounds: The score of a paper that has nothing to do with the query, and the greatest score that any paper could
            have; None if the index cannot tell.
    """

    rows: Rows
    scores: NDArray[np.float32]
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class RowSet:
    """The rows that a filter admits; compared by identity, so that results can be cached for one.

    Attributes:
        mask: bool [papers].
        count: Number of admitted rows.
        wanted: The filter that admits exactly these; None if it is not known.
    """

    mask: NDArray[np.bool_]
    count: int
    wanted: Filter | None = None


class Match(NamedTuple):
    """A place in a text, and the term of the lexical index that it has."""

    start: int
    end: int
    term: str


class VectorIndex(Protocol):
    """Finds the nearest vectors; thread-safe."""

    @property
    def dim(self) -> int:
        """Length of the vectors."""

    @property
    def status(self) -> str | None:
        """Reason why vectors are searched in main memory although the settings want them elsewhere; None otherwise."""

    @property
    def elsewhere(self) -> Elsewhere:
        """Engine or device that the settings may want instead of main memory, of which `status` tells."""

    @property
    def place(self) -> str:
        """Words for where and how vectors are searched, such as `FAISS in main memory`."""

    def __len__(self) -> int:
        """Return the number of vectors."""

    def search(self, vector: Vectors, k: int, *, within: RowSet | None = None, nprobe: int | None = None) -> Hits:
        """Return the k admitted rows of greatest cosine with a unit vector [dim]; fewer if there are fewer.

        `nprobe` overrides the number of lists that a search of an index with inverted lists reads.
        """

    def vectors(self, rows: Sequence[int]) -> Vectors:
        """Return the stored vectors of some rows, float32 [n, dim]; zeros for a row without a vector."""

    def close(self) -> None:
        """Release memory and threads; no search may follow."""


class LexicalIndex(Protocol):
    """Finds the papers whose words match a text best; thread-safe."""

    def __len__(self) -> int:
        """Return the number of papers."""

    def search(
        self, text: str, k: int, *, against: tuple[str, float] = ("", 0.0), admitted: Filter | None = None
    ) -> Hits:
        """Return the k admitted rows of greatest score for a text: BM25, or the sum of learned weights.

        The words that a filter requires in title or abstract count in the score; without such words, only rows that
        share a term with the text are found. A filter without a text and without words finds the newest rows, all of
        score 1.

        Args:
            text: The query; may be blank where a filter is given.
            k: Greatest number of rows.
            against: A text to search away from, and the weight that each of its words takes from the query's.
            admitted: The filter.
        """

    def informative_terms(self, text: str, *, against: tuple[str, float] = ("", 0.0)) -> Mapping[str, float]:
        """Return the terms that a search for a text looks up, with what each adds to a score; the greatest first."""

    def unknown_share(self, text: str) -> float | None:
        """Return the share of a text's terms that no paper has, each term counted once; None without a term."""

    def find_terms(self, texts: Sequence[str], terms: Collection[str]) -> list[list[Match]]:
        """Return the places in each text of the words that have one of some terms, in the order of the text.

        A compound is one place if it has a wanted term as one word, otherwise its parts are.
        """

    def plain_word(self, word: str) -> str:
        """Return a word as patterns match it: in small letters, accents folded, not stemmed."""

    def find_rows(self, clauses: Sequence[Clause]) -> NDArray[np.bool_]:
        """Return the rows that meet all of the clauses, bool [papers]."""

    def values_without_terms(self, clause: Clause) -> tuple[str | int, ...]:
        """Return those of a clause's values that say nothing, as they have no term: "!" or an empty text."""


class References(Protocol):
    """Holds which papers of the corpus cite which; thread-safe."""

    @property
    def totals(self) -> NDArray[np.uint32]:
        """The citations of each row, uint32 [papers]: as many as the source states, at least those in the corpus."""

    def __len__(self) -> int:
        """Return the number of pairs of a citing and a cited paper."""

    def cites(self, row: int) -> Rows:
        """Return the rows that a row cites, ascending."""

    def cited_by(self, row: int) -> Rows:
        """Return the rows that cite a row, ascending."""

    def counts(self, row: int) -> tuple[int, int, int]:
        """Return the citations of a row, those within the corpus, and the papers of the corpus that it cites."""


class Catalogue(Protocol):
    """Holds the papers themselves; thread-safe."""

    @property
    def categories(self) -> Mapping[str, int]:
        """Every category in the corpus with the number of its papers, the largest first."""

    @property
    def days(self) -> NDArray[np.int32]:
        """The day of each row as filters compare it, an ordinal, int32 [papers]; 0 for a paper without a date."""

    @property
    def span(self) -> tuple[date | None, date | None]:
        """The days of the oldest and of the newest paper."""

    def __len__(self) -> int:
        """Return the number of papers."""

    def rows(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the rows of the ids that the corpus has."""

    def rows_by_doi(self, dois: Sequence[str]) -> dict[str, int]:
        """Return the rows of the papers that have one of some bare DOIs, by DOI."""

    def papers(self, rows: Sequence[int]) -> list[Paper]:
        """Return the papers of some rows, in the order of the rows."""

    def texts(self, rows: Sequence[int]) -> list[tuple[str, str]]:
        """Return title and abstract of some rows, in the order of the rows; it takes a fraction of the time."""

    def count_categories_of(self, rows: Rows) -> dict[str, int]:
        """Return the number of papers in each category, of some rows."""

    def count_categories(self, within: RowSet) -> dict[str, int]:
        """Return the number of a set's papers in each category of the corpus."""

    def find_rows(self, wanted: Filter) -> RowSet:
        """Return the rows that meet a filter's days and its clauses on `CATALOGUE_FIELDS`."""

    def close(self) -> None:
        """Close the file; nothing may be read afterwards."""


class Corpus(Protocol):
    """Papers, their indexes, and the encoder that belongs to them: all that a search needs.

    `corpus.open_corpus.OpenCorpus` is the one that the service searches. The search itself depends on this protocol
    only, so that it imports no index library.
    """

    @property
    def manifest(self) -> Manifest:
        """The record of how the corpus was made."""

    @property
    def vectors(self) -> VectorIndex:
        """The vector index."""

    @property
    def lexical(self) -> LexicalIndex:
        """The lexical index."""

    @property
    def catalogue(self) -> Catalogue:
        """The papers."""

    @property
    def covered(self) -> RowSet | None:
        """The rows that have a vector; None if all have one."""

    @property
    def references(self) -> References | None:
        """References between the papers; None if they are not known."""

    async def embed(self, text: str, role: TextRole = "query") -> tuple[EmbeddingBatch, EncoderIdentity]:
        """Return the vector of a request's text, made by the encoder that made the corpus's vectors, and that encoder.

        Raises:
            Unavailable: No vector can be made now; the message has the reason.
        """

    async def embed_papers(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of papers' texts, made by the same encoder in as few calls as it takes.

        Raises:
            Unavailable: No vectors can be made now.
        """

    async def embed_sentences(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of sentences of papers, made by the same encoder in one batch.

        Raises:
            Unavailable: No vectors can be made now.
        """
