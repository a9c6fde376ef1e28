"""The shapes of the answers; fields are added over time, none is removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from papers import CATEGORIES, Paper, links, subject
from retrieval_service.corpus.manifest import Manifest
from retrieval_service.ports import Catalogue, EncoderIdentity, day_of
from retrieval_service.public import public_detail, public_text
from retrieval_service.search.request import Ranked, SearchOutcome, SearchRequest, Timings

_encode = msgspec.json.Encoder().encode


class PaperAnswer(msgspec.Struct, kw_only=True):
    """A paper, with addresses to read it at; `arxiv_id` and `links` are empty where it is not on arXiv."""

    id: str
    title: str
    abstract: str
    authors: Sequence[str]
    categories: Sequence[str]
    primary_subject: str | None
    subjects: list[str]
    arxiv_id: str | None
    date: str | None
    doi: str | None
    journal_ref: str | None
    links: dict[str, str]


class Result(PaperAnswer, kw_only=True):
    """A found paper: higher scores are better, and `sources` are the scores of the halves that found it.

    `duplicates` are the ids of other versions or records of the same paper, for which this one stands.
    """

    score: float
    sources: dict[str, float]
    duplicates: Sequence[str]


class LikedPaper(msgspec.Struct):
    """A paper that was searched by."""

    id: str
    title: str


class QueryAnswer(msgspec.Struct):
    """How the query was understood; `truncated` when the encoder read only its beginning.

    `words` are what papers were ranked by, `operators` the conditions that were read in the text.
    """

    text: str | None
    like: list[LikedPaper]
    truncated: bool
    tokens: int | None
    words: str | None
    operators: Sequence[str]
    unlike: list[LikedPaper]


class EncoderAnswer(msgspec.Struct):
    """Which encoder made the vectors."""

    version: int
    digest: str


class SearchAnswer(msgspec.Struct):
    """What a search found, best first, and how; `folded` repeated papers stand behind the results."""

    results: list[Result]
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


class CategoryAnswer(msgspec.Struct):
    """A category of the corpus."""

    code: str
    name: str
    papers: int


class CorpusAnswer(msgspec.Struct):
    """What is searched: its papers, their days and categories, the largest first."""

    papers: int
    created: str
    first: str | None
    newest: str | None
    categories: list[CategoryAnswer]
    snapshot: str
    encoder: EncoderAnswer
    source: str


class EmbedAnswer(msgspec.Struct):
    """The vector of a text, of unit length."""

    embedding_dim: int
    embedding: list[float]
    tokens: int
    truncated: bool
    encoder: EncoderAnswer


def json_response(answer: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer as JSON."""
    return Response(_encode(answer), status, headers, "application/json")


def search_answer(request: SearchRequest, outcome: SearchOutcome, manifest: Manifest) -> SearchAnswer:
    """The answer to a search."""
    timings = Timings(**{name: round(ms, 3) for name, ms in vars(outcome.timings).items()})
    liked, unliked = ([LikedPaper(paper.id, paper.title) for paper in side] for side in (outcome.like, outcome.unlike))
    return SearchAnswer(
        results=[_result(ranked) for ranked in outcome.results],
        mode=outcome.mode,
        query=QueryAnswer(
            text=outcome.text,
            like=liked,
            truncated=outcome.truncated,
            tokens=outcome.tokens,
            words=outcome.words,
            operators=outcome.operators,
            unlike=unliked,
        ),
        k=request.k,
        offset=request.offset,
        degraded=public_text(outcome.degraded) if outcome.degraded else None,
        timings=timings,
        searched=outcome.searched,
        snapshot=manifest.id,
        encoder=EncoderAnswer(manifest.encoder.version, manifest.encoder.digest),
        folded=sum(len(ranked.folded) for ranked in outcome.results),
    )


def paper_answer(paper: Paper) -> PaperAnswer:
    """A paper as it is shown."""
    return PaperAnswer(**_fields(paper))


def corpus_answer(manifest: Manifest, catalogue: Catalogue) -> CorpusAnswer:
    """What a snapshot holds."""
    first, newest = catalogue.span
    return CorpusAnswer(
        papers=len(catalogue),
        created=manifest.created.isoformat(),
        first=first.isoformat() if first else None,
        newest=newest.isoformat() if newest else None,
        categories=[
            CategoryAnswer(code, CATEGORIES.get(code, code), count) for code, count in catalogue.categories.items()
        ],
        snapshot=manifest.id,
        encoder=EncoderAnswer(manifest.encoder.version, manifest.encoder.digest),
        source=str(public_detail(manifest.source)),
    )


def embed_answer(vector: list[float], tokens: int, encoder: EncoderIdentity) -> EmbedAnswer:
    """The answer to a text that was embedded."""
    truncated = encoder.max_length is not None and tokens > encoder.max_length
    return EmbedAnswer(len(vector), vector, tokens, truncated, EncoderAnswer(encoder.version, encoder.digest))


def _result(ranked: Ranked) -> Result:
    halves = (("dense", ranked.dense), ("lexical", ranked.lexical))
    sources = {half: round(score, 6) for half, score in halves if score is not None}
    return Result(**_fields(ranked.paper), score=round(ranked.score, 6), sources=sources, duplicates=ranked.folded)


def _fields(paper: Paper) -> dict[str, Any]:
    subjects = [subject(code) for code in paper.categories]
    day = day_of(paper)
    return {
        "id": paper.id,
        "title": paper.title,
        "abstract": paper.abstract,
        "authors": paper.authors,
        "categories": paper.categories,
        "primary_subject": subjects[0] if subjects else None,
        "subjects": subjects,
        "arxiv_id": paper.arxiv_id,
        "date": day.isoformat() if day else None,
        "doi": paper.doi,
        "journal_ref": paper.journal_ref,
        "links": links(paper),
    }
