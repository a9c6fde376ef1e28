"""Types of the service's answers. An answer may have more fields than are named here; none is ever removed."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class CitationCounts(TypedDict):
    """Citations of a paper in all, those in the corpus, and the papers of the corpus that it cites."""

    total: int
    in_corpus: int
    references: int


class Paper(TypedDict):
    """A paper; `raw` has the source's own text of title, abstract and authors where it differs.

    `citations` are there if the corpus has references.
    """

    id: str
    title: str
    abstract: str
    authors: list[str]
    author_count: int
    categories: list[str]
    primary_subject: str | None
    subjects: list[str]
    arxiv_id: str | None
    date: str | None
    doi: str | None
    journal_ref: str | None
    links: dict[str, str]
    comments: str | None
    withdrawn: bool
    raw: dict[str, Any]
    publication: NotRequired[dict[str, Any]]
    citations: NotRequired[CitationCounts]
    published: NotRequired[str | None]
    updated: NotRequired[str | None]


class Result(Paper):
    """A paper that was found; `duplicates` are ids of its other versions and copies."""

    score: float
    sources: dict[str, float]
    duplicates: list[str]
    highlights: NotRequired[dict[str, Any]]
    versions: NotRequired[int]


class ChasedPaper(Paper):
    """A paper that best results cite, or are cited by: `cited_by` and `cites` are their ids."""

    score: float
    cited_by: list[str]
    cites: list[str]
    why: str


class NamedPaper(TypedDict):
    """A paper that a request names."""

    id: str
    title: str


class Query(TypedDict):
    """The query as it was understood."""

    text: str | None
    like: list[NamedPaper]
    unlike: list[NamedPaper]
    truncated: bool
    tokens: int | None
    words: str | None
    operators: list[str]


class Encoder(TypedDict):
    """The encoder that made the vectors."""

    version: int
    digest: str


class SearchAnswer(TypedDict):
    """Results of a search, best first."""

    results: list[Result]
    mode: str
    query: Query
    k: int
    offset: int
    degraded: str | None
    timings: dict[str, float]
    searched: int
    snapshot: str
    encoder: Encoder
    folded: int
    notes: list[str]
    reranked: int
    coverage: NotRequired[dict[str, int] | None]
    next_cursor: str | None
    sort: NotRequired[dict[str, Any]]
    facets: NotRequired[dict[str, Any]]
    suggestions: NotRequired[list[Any]]
    chased: NotRequired[list[ChasedPaper]]
    feedback: NotRequired[dict[str, Any]]


class LinkedPapers(TypedDict):
    """Papers that `paper` cites, or that cite it: a part of `total`."""

    paper: NamedPaper
    citations: CitationCounts
    results: list[Paper]
    total: int
    k: int
    offset: int
    next_offset: int | None


class FeedbackAnswer(TypedDict):
    """Feedback that is now stored on a result of a search."""

    search: str
    paper: str
    rank: int
    useful: bool | None
    opened: bool


class ListedPaper(Paper):
    """A paper that was looked up; `named` are the ids of the request that mean it."""

    named: list[str]


class PapersAnswer(TypedDict):
    """Papers by their ids, and the ids that the corpus lacks."""

    papers: list[ListedPaper]
    unknown: list[str]
    snapshot: str


class NearPaper(NamedPaper):
    """A paper of a list, and how near it is to another one."""

    similarity: float


class MissingPaper(Paper):
    """A paper that a list lacks: the number of its `topic`, and the papers of the list that are nearest to it."""

    score: float
    topic: int
    near: list[NearPaper]
    duplicates: list[str]


class Topic(TypedDict):
    """A topic of a list: its number of papers, and those in its middle."""

    papers: int
    near: list[NamedPaper]


class MissingAnswer(TypedDict):
    """Papers that a list lacks; its topics take turns."""

    results: list[MissingPaper]
    topics: list[Topic]
    papers: int
    unknown: list[str]
    searched: int
    snapshot: str
    coverage: dict[str, int] | None
    notes: list[str]


class ResolvedReference(TypedDict):
    """A reference, and the paper that it means; None if the corpus lacks it, or it is not certain."""

    reference: str
    line: NotRequired[int]
    key: NotRequired[str]
    paper: NamedPaper | None
    how: str | None
    confidence: float | None
    candidates: list[NamedPaper]
    problem: str | None


class ResolveAnswer(TypedDict):
    """References in their order, and the number of those that are `found`."""

    references: list[ResolvedReference]
    found: int
    format: str | None
    snapshot: str


class Category(TypedDict):
    """A category of the corpus."""

    code: str
    name: str
    papers: int


class Neighbour(TypedDict):
    """A paper at a place, x and y from -1 to 1; `similarity` is its cosine with the paper in the middle."""

    id: str
    title: str
    authors: list[str]
    author_count: int
    date: str | None
    category: str | None
    withdrawn: bool
    similarity: float
    x: float
    y: float


class Edge(TypedDict):
    """Two near papers, by their places in the list, and their cosine."""

    one: int
    other: int
    similarity: float


class Neighbourhood(TypedDict):
    """A paper, which is the first one, and the papers nearest to it, drawn on a plane."""

    papers: list[Neighbour]
    edges: list[Edge]
    snapshot: str
    coverage: dict[str, int] | None


class MapPoint(TypedDict):
    """A paper at its place on the map of the corpus, 0 to 1 from the left and from above; None without a vector."""

    id: str
    title: str
    x: float | None
    y: float | None
    year: int | None
    categories: list[str]


class MapPoints(TypedDict):
    """Papers with their places on the map, and the ids that the corpus lacks."""

    points: list[MapPoint]
    unknown: list[str]


class MapAnswer(TypedDict):
    """The map of the corpus: its size, its groups of papers, the names of regions, and its tiles."""

    snapshot: str
    version: str
    created: str
    papers: int
    placed: int
    sampled: int
    added: int
    method: str
    grouped_by: str
    groups: list[dict[str, Any]]
    first_year: int
    last_year: int
    labels: list[dict[str, Any]]
    tiles: list[dict[str, int]]


class CorpusAnswer(TypedDict):
    """The corpus that is searched."""

    papers: int
    created: str
    first: str | None
    newest: str | None
    categories: list[Category]
    snapshot: str
    encoder: Encoder
    source: str
    references: NotRequired[dict[str, Any]]
    coverage: NotRequired[dict[str, int]]


class TextVector(TypedDict):
    """The vector of one text, of unit length."""

    embedding_dim: int
    embedding: list[float]
    tokens: int
    truncated: bool
    encoder: Encoder


class Vectors(TypedDict):
    """Vectors of texts, of unit length; `truncated` are the places of texts of which only the beginning was read."""

    vectors: list[list[float]]
    model: str
    tokens: int
    truncated: list[int]


class Model(TypedDict):
    """A model that is served."""

    id: str
    created: int
    kind: str
    digest: str | None
    dim: int | None
    max_length: int | None
    dimensions: list[int]


class RerankResult(TypedDict):
    """A document, by its place in the request, with its relevance from 0 to 1."""

    index: int
    relevance_score: float
