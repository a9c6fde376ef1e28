"""Answer of a search: the one model that the engine returns, HTTP sends and OpenAPI shows.

Fields may be added, but are never removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, ClassVar, Self

import msgspec
from msgspec import UNSET, UnsetType

from akin.papers import Paper, bare_doi, links, subject
from akin.papers.publication import Publication
from akin.papers.text import display_text
from retrieval_service.filter import day_of
from retrieval_service.ports import References
from retrieval_service.search.sentences import CodedText


class RawText(msgspec.Struct, kw_only=True):
    """Text of a paper as its source writes it, TeX included; a field is absent if it is the same as displayed."""

    title: str | UnsetType = UNSET
    abstract: str | UnsetType = UNSET
    authors: Sequence[str] | UnsetType = UNSET


class CitationCounts(msgspec.Struct, kw_only=True):
    """Citations of a paper: the `total` that the source states, those `in_corpus`, and the paper's own `references`.

    `references` are papers of the corpus. Without a source that states it, `total` is the number in the corpus.
    """

    total: int
    in_corpus: int
    references: int

    @classmethod
    def of(cls, references: References | None, row: int) -> CitationCounts | UnsetType:
        """Return the counts of a row; nothing if the corpus has no references."""
        if references is None:
            return UNSET
        total, in_corpus, cited = references.counts(row)
        return cls(total=total, in_corpus=in_corpus, references=cited)


class PaperAnswer(msgspec.Struct, kw_only=True):
    """Paper, with links to it; `arxiv_id` and `links` are empty if it is not on arXiv.

    `title`, `abstract`, `authors`, `journal_ref` and `comments` are as a reader sees them, with mathematics in TeX and
    a line break between paragraphs; `author_count` is the number of all authors; `raw` has the source's own text of
    the first three where it differs. A paper of a library has its `publication` as the entry states it: the type, the
    citation key, the venue and the date as far as it is known. `citations` are there if
    the corpus has references.
    """

    id: str
    title: str
    abstract: str
    authors: Sequence[str]
    author_count: int
    categories: Sequence[str]
    primary_subject: str | None
    subjects: list[str]
    arxiv_id: str | None
    date: str | None
    doi: str | None
    journal_ref: str | None
    links: dict[str, str]
    comments: str | None
    withdrawn: bool
    raw: RawText
    publication: Publication | UnsetType = UNSET
    citations: CitationCounts | UnsetType = UNSET

    most_authors: ClassVar[int | None] = None

    @classmethod
    def of(cls, paper: Paper, **more: Any) -> Self:
        """Return the answer for a paper, with the further fields of a subclass."""
        subjects, day = [subject(code) for code in paper.categories], day_of(paper)
        names = [author.name for author in paper.authors[: cls.most_authors]]
        title, abstract, authors = (
            display_text(paper.title),
            display_text(paper.abstract),
            list(map(display_text, names)),
        )
        return cls(
            id=paper.id,
            title=title,
            abstract=abstract,
            authors=authors,
            author_count=len(paper.authors),
            categories=paper.categories,
            primary_subject=subjects[0] if subjects else None,
            subjects=subjects,
            arxiv_id=paper.arxiv_id,
            date=day.isoformat() if day else None,
            doi=bare_doi(paper.doi),
            journal_ref=display_text(paper.journal_ref) if paper.journal_ref else None,
            links=links(paper),
            comments=display_text(paper.comments) if paper.comments else None,
            withdrawn=paper.withdrawn,
            raw=RawText(
                title=UNSET if title == paper.title else paper.title,
                abstract=UNSET if abstract == paper.abstract else paper.abstract,
                authors=UNSET if authors == names else names,
            ),
            publication=paper.publication,
            **more,
        )


class WholePaper(PaperAnswer, kw_only=True):
    """Paper with all that is known of it: the days of its first and newest version, and their number if it is known."""

    published: str | None
    updated: str | None
    versions: int | None

    @classmethod
    def of(cls, paper: Paper, **more: Any) -> Self:
        """Return the answer for a paper."""
        return super().of(
            paper,
            published=paper.published.isoformat() if paper.published else None,
            updated=paper.updated.isoformat() if paper.updated else None,
            versions=paper.versions or None,
            **more,
        )


class Highlights(msgspec.Struct, kw_only=True):
    """Places in the `title` and the `abstract` of a result, as start and end in characters (Unicode's code points).

    `title` and `abstract` are the words of the query there; no place is within a formula. `sentence` is the sentence of
    the abstract that fits the query best, and null where none does. `why` says in words why the result was found, and
    `coded_why` has the parts of that by their codes.
    """

    title: list[tuple[int, int]]
    abstract: list[tuple[int, int]]
    sentence: tuple[int, int] | None
    why: str
    coded_why: Sequence[CodedText] = ()


class SearchResult(PaperAnswer, kw_only=True):
    """Found paper: a higher score is better, and `sources` are the scores of the halves that found it.

    `duplicates` are the ids of other versions or records of the same paper, which this result represents. At most 50
    authors are listed. `highlights` are there on request, and with them
    the number of `versions` where the source states it.
    """

    most_authors: ClassVar[int | None] = 50

    score: float
    sources: dict[str, float]
    duplicates: Sequence[str]
    highlights: Highlights | UnsetType = UNSET
    versions: int | UnsetType = UNSET


class ChasedPaper(PaperAnswer, kw_only=True):
    """Paper that the best results cite or are cited by: `cited_by` and `cites` name them, and `why` says it in words.

    `score` is the share of the best results that are linked to it, of which the first weigh most.
    """

    most_authors: ClassVar[int | None] = 50

    score: float
    cited_by: Sequence[str]
    cites: Sequence[str]
    why: str


class NamedPaper(msgspec.Struct):
    """Paper that the request names."""

    id: str
    title: str

    @classmethod
    def named(cls, paper: Paper) -> NamedPaper:
        """Return a paper by its id and title."""
        return NamedPaper(paper.id, display_text(paper.title))


class QueryAnswer(msgspec.Struct, kw_only=True):
    """Query as it was understood; `truncated` if the encoder read only its beginning.

    Papers are ranked by `words`; `operators` are the conditions that were read in the text. `text` is null if papers
    were searched by papers, and `tokens` if the encoder was not used.
    """

    text: str | None
    like: list[NamedPaper]
    truncated: bool
    tokens: int | None
    words: str | None
    operators: Sequence[str]
    unlike: list[NamedPaper]


@dataclass
class Timings:
    """Milliseconds of each stage; 0 for a stage that was not needed. The halves overlap, so they do not add up."""

    embed_ms: float = 0.0
    vectors_ms: float = 0.0
    lexical_ms: float = 0.0
    fuse_ms: float = 0.0
    fetch_ms: float = 0.0
    rerank_ms: float = 0.0
    total_ms: float = 0.0

    def rounded(self) -> Timings:
        """Return the timings in whole microseconds."""
        return Timings(**{stage: round(ms, 3) for stage, ms in vars(self).items()})


def ms_since(started: float) -> float:
    """Return the milliseconds since a time of `perf_counter`."""
    return (perf_counter() - started) * 1000


class EncoderAnswer(msgspec.Struct):
    """Encoder that made the vectors."""

    version: int
    digest: str


class SortAnswer(msgspec.Struct, kw_only=True):
    """Order of the results, and the number of `papers` that were put in it.

    `complete` is true if these are all papers that match; otherwise they are the best matches, and the results end with
    them. `half_life` is in years; `diversity` and `citation_boost` are there if they are more than 0.
    """

    by: str
    papers: int
    complete: bool
    half_life: float | UnsetType = UNSET
    diversity: float | UnsetType = UNSET
    citation_boost: float | UnsetType = UNSET


class YearCount(msgspec.Struct, kw_only=True):
    """Number of papers of a year."""

    year: int
    papers: int


class CategoryCount(msgspec.Struct, kw_only=True):
    """Number of papers in a category."""

    code: str
    name: str
    papers: int


class FacetsAnswer(msgspec.Struct, kw_only=True):
    """Numbers of papers by year, the earliest first, and by category, the largest first, at most 50.

    So many `papers` were counted: all that match if `complete`, otherwise the best matches.
    """

    years: list[YearCount]
    categories: list[CategoryCount]
    papers: int
    complete: bool


class Suggestion(msgspec.Struct, kw_only=True):
    """Condition that the query may mean: a `query` to search for instead, with further `parameters` if it has any."""

    label: str
    coded: CodedText
    query: str
    parameters: dict[str, str] | UnsetType = UNSET


class Coverage(msgspec.Struct):
    """Number of papers that have a vector, of all papers of the corpus, while their vectors are being made."""

    with_vectors: int
    papers: int


class FeedbackOffer(msgspec.Struct, kw_only=True):
    """Id of the search for `POST /feedback`, which is stored for so many `days`; `opened` if opened papers are too."""

    search: str
    days: int
    opened: bool


class SearchAnswer(msgspec.Struct, kw_only=True):
    """Results of a search, best first, and how they were found; the results represent `folded` more papers.

    `mode` is lexical if the query had no words outside operators, and `degraded` is the reason if one half of a hybrid
    search or the reranker failed, or if some papers have no vector yet; `coverage` then says how many have one, unless
    the half that uses vectors failed. `searched` is the number of papers that the conditions admit. `notes` say what
    of the query was not read, or was read in another way, and how to write it; `coded_notes` and `coded_degraded` have
    the same sentences by their codes, for clients in other languages. The best `reranked` results of the
    search are in the order of their score `reranker` in `sources`. With `next_cursor` as `cursor`, the same request has
    the next page; it is null at the end of the ranking. `chased` are there on request, and `feedback` too if the
    service keeps any.
    """

    results: list[SearchResult]
    mode: str
    query: QueryAnswer
    k: int
    offset: int
    degraded: str | None
    timings: Timings
    searched: int
    snapshot: str
    encoder: EncoderAnswer
    folded: int
    notes: Sequence[str] = ()
    coded_notes: Sequence[CodedText] = ()
    coded_degraded: Sequence[CodedText] = ()
    reranked: int = 0
    next_cursor: str | None = None
    coverage: Coverage | None = None
    sort: SortAnswer | UnsetType = UNSET
    facets: FacetsAnswer | UnsetType = UNSET
    suggestions: list[Suggestion] | UnsetType = UNSET
    chased: list[ChasedPaper] | UnsetType = UNSET
    feedback: FeedbackOffer | UnsetType = UNSET
