"""Answers of the service: the fields that the page shows. Other fields are ignored."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class _AnswerPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class CodedText(_AnswerPart):
    """Sentence of the service by its code and its values, and the code of the error that is its reason."""

    code: str
    values: dict[str, int | str] = Field(default_factory=dict)
    error: str | None = None


class Highlights(_AnswerPart):
    """Places in a result's title and abstract, as start and end in characters, and why it was found."""

    title: tuple[tuple[int, int], ...] = ()
    abstract: tuple[tuple[int, int], ...] = ()
    sentence: tuple[int, int] | None = None
    why: str = ""
    coded_why: tuple[CodedText, ...] = ()


class Publication(_AnswerPart):
    """Publication of a library's paper; `date` is year, month and day as far as they are known."""

    date: tuple[int, ...] = ()


class CitationCounts(_AnswerPart):
    """Citations of a paper: in all, and those in the corpus."""

    total: int = 0
    in_corpus: int = 0


class FoundPaper(_AnswerPart):
    """One result. `links` may hold `abs`, `pdf`, `doi` and `url`; `duplicates` are ids of copies."""

    id: str
    title: str
    score: float = 0.0
    abstract: str = ""
    authors: tuple[str, ...] = ()
    author_count: int = 0
    categories: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    arxiv_id: str | None = None
    date: str | None = None
    doi: str | None = None
    journal_ref: str | None = None
    links: dict[str, str] = Field(default_factory=dict)
    sources: dict[str, float | None] = Field(default_factory=dict)
    duplicates: tuple[str, ...] = ()
    withdrawn: bool = False
    comments: str | None = None
    versions: Annotated[int, BeforeValidator(lambda known: known or 0)] = 0
    highlights: Highlights | None = None
    citations: CitationCounts | None = None
    publication: Publication | None = None

    @property
    def shown_date(self) -> str | None:
        """The date without a day or a month that the paper's library does not state."""
        known = len(self.publication.date) if self.publication else 3
        return "-".join(self.date.split("-")[:known]) if self.date and known else self.date


class ChasedPaper(FoundPaper):
    """Paper that the best results cite, which are its `cited_by`, or that it `cites`; both are ids."""

    cited_by: tuple[str, ...] = ()
    cites: tuple[str, ...] = ()


class ListedPaper(FoundPaper):
    """Paper that was looked up, and the ids of the request that mean it."""

    named: tuple[str, ...] = ()


class ListedPapers(_AnswerPart):
    """Papers that were looked up, and the ids that the corpus lacks."""

    papers: tuple[ListedPaper, ...] = ()
    unknown: tuple[str, ...] = ()


class WholePaper(_AnswerPart):
    """Paper with all that is known of it; `published` and `updated` are ISO dates, `versions` is None if unknown."""

    id: str
    title: str = ""
    abstract: str = ""
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    arxiv_id: str | None = None
    published: str | None = None
    updated: str | None = None
    versions: int | None = None
    doi: str | None = None
    journal_ref: str | None = None
    comments: str | None = None
    withdrawn: bool = False
    links: dict[str, str] = Field(default_factory=dict)


class DrawnPaper(_AnswerPart):
    """Paper at a place, x and y from -1 to 1; `similarity` is its cosine with the paper in the middle."""

    id: str
    title: str = ""
    authors: tuple[str, ...] = ()
    author_count: int = 0
    date: str | None = None
    category: str | None = None
    withdrawn: bool = False
    similarity: float
    x: float
    y: float


class Edge(_AnswerPart):
    """Two near papers, by their places in the list."""

    one: int
    other: int


class Coverage(_AnswerPart):
    """Number of papers that have a vector, of all papers."""

    with_vectors: int
    papers: int


class Neighbourhood(_AnswerPart):
    """Paper, which is the first one, and the papers nearest to it."""

    papers: tuple[DrawnPaper, ...] = Field(min_length=1)
    edges: tuple[Edge, ...] = ()
    coverage: Coverage | None = None


class LinkedPapers(_AnswerPart):
    """First papers of the `total` that a paper cites, or that cite it."""

    results: tuple[FoundPaper, ...] = ()
    total: int = 0


class LikedPaper(_AnswerPart):
    """Paper in the query: the results are similar to it, or dissimilar."""

    id: str
    title: str = ""


class NearPaper(_AnswerPart):
    """Paper of a list that a topic, or another paper, is near to."""

    id: str
    title: str = ""


class MissingPaper(FoundPaper):
    """Paper that a list lacks, with the number of its topic and the papers of the list that are nearest to it."""

    topic: int = 0
    near: tuple[NearPaper, ...] = ()


class ResolvedReference(_AnswerPart):
    """Reference of a text: the paper that it means, or candidates; `problem` says why it is no reference."""

    reference: str
    line: int | None = None
    paper: NearPaper | None = None
    candidates: tuple[NearPaper, ...] = ()
    problem: str | None = None


class Resolved(_AnswerPart):
    """References of a text, in their order."""

    references: tuple[ResolvedReference, ...]


class Topic(_AnswerPart):
    """Topic of a list: its number of papers, and those in its middle."""

    papers: int
    near: tuple[NearPaper, ...] = ()


class Missing(_AnswerPart):
    """Papers that a list lacks, and the topics of the list."""

    results: tuple[MissingPaper, ...]
    topics: tuple[Topic, ...] = ()
    notes: tuple[str, ...] = ()
    coded_notes: tuple[CodedText, ...] = ()


class UnderstoodQuery(_AnswerPart):
    """Query as the service read it: its `operators`, and its length in `tokens` before truncation."""

    text: str | None = None
    like: tuple[LikedPaper, ...] = ()
    unlike: tuple[LikedPaper, ...] = ()
    operators: tuple[str, ...] = ()
    truncated: bool = False
    tokens: int | None = None


class Order(_AnswerPart):
    """Order of the results: of the best `papers`, or of all matches if `complete`; `half_life` is in years."""

    by: str
    papers: int = 0
    complete: bool = False
    half_life: float | None = None
    diversity: float | None = None
    citation_boost: float | None = None


class YearCount(_AnswerPart):
    """Number of papers of a year."""

    year: int
    papers: int


class CategoryCount(_AnswerPart):
    """Number of papers in a category."""

    code: str
    name: str = ""
    papers: int


class Facets(_AnswerPart):
    """Numbers of the best `papers`, or of all matches if `complete`, by year and by category."""

    years: tuple[YearCount, ...] = ()
    categories: tuple[CategoryCount, ...] = ()
    papers: int = 0
    complete: bool = False


class Suggestion(_AnswerPart):
    """Condition that the query may mean: a query to search for instead, and further parameters."""

    label: str
    query: str
    parameters: dict[str, str] = Field(default_factory=dict)
    coded: CodedText | None = None


class FeedbackOffer(_AnswerPart):
    """Id of a search for its reader's feedback, and the days that this is kept; `opened` if opened papers are too."""

    search: str
    days: int
    opened: bool = False


class Answer(_AnswerPart):
    """Answer to one search. `timings` are milliseconds by stage; `degraded` is why it is incomplete, or None.

    `notes` say what of the query was not read, or was read in another way; `reranked` counts the best results whose
    order a reranker decided. `feedback` is there if the service keeps any. `next_cursor` is None on the last page, and
    empty if the service does not say.
    """

    results: tuple[FoundPaper, ...]
    mode: str = "hybrid"
    query: UnderstoodQuery = UnderstoodQuery()
    k: int
    offset: int = 0
    degraded: str | None = None
    notes: tuple[str, ...] = ()
    coded_notes: tuple[CodedText, ...] = ()
    coded_degraded: tuple[CodedText, ...] = ()
    timings: dict[str, float | None] = Field(default_factory=dict)
    searched: int | None = None
    snapshot: str | None = None
    reranked: int = 0
    sort: Order | None = None
    facets: Facets | None = None
    suggestions: tuple[Suggestion, ...] = ()
    chased: tuple[ChasedPaper, ...] = ()
    next_cursor: str | None = ""
    feedback: FeedbackOffer | None = None


class Component(_AnswerPart):
    """State of a part of the service."""

    status: str = "missing"


class Components(_AnswerPart):
    """Parts of the service that the page asks about."""

    reranker: Component = Component()


class Health(_AnswerPart):
    """Readiness of the service's parts."""

    components: Components = Components()


class Category(_AnswerPart):
    """Category of the corpus, and the number of its papers."""

    code: str
    name: str = ""
    papers: int = 0


class References(_AnswerPart):
    """References between the papers of the corpus."""

    pairs: int = 0


class CorpusInfo(_AnswerPart):
    """Description of the served corpus. `newest` is an ISO date or the beginning of one."""

    papers: int
    newest: str | None = None
    categories: tuple[Category, ...] = ()
    snapshot: str | None = None
    references: References | None = None
    coverage: Coverage | None = None
