"""Papers nearest to one, drawn on a plane from their stored vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import msgspec
import numpy as np
from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from akin.papers import Paper
from akin.papers.text import display_text
from retrieval_service.corpus.open_corpus import OpenCorpus
from retrieval_service.filter import day_of
from retrieval_service.routes.answers import json_response
from retrieval_service.routes.entity_tags import NEVER_STORED
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.routes.search import counted_search
from retrieval_service.routes.state import answer_from_corpus, deadline_of, service_state
from retrieval_service.search.answer import Coverage, SearchAnswer
from retrieval_service.search.neighbourhood import Drawing, draw
from retrieval_service.search.parameters import Number, replace_unprintable
from retrieval_service.search.request import Mode, SearchRequest
from retrieval_service.threads import Job

_AUTHORS = 3


@dataclass(frozen=True, kw_only=True)
class NeighbourhoodRequest:
    """Size of a neighbourhood."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    k: Annotated[Number, Field(description="Greatest number of nearest papers, 1 to 50.", ge=1, le=50)] = 40


class Neighbour(msgspec.Struct, kw_only=True):
    """Paper at a place, x and y from -1 to 1; `similarity` is its cosine with the paper in the middle.

    `authors` are at most three of `author_count`.
    """

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

    @classmethod
    def of(cls, paper: Paper, similarity: float, place: tuple[float, float]) -> Self:
        """Return a paper at a place."""
        day = day_of(paper)
        return cls(
            id=paper.id,
            title=display_text(paper.title),
            authors=[display_text(author.name) for author in paper.authors[:_AUTHORS]],
            author_count=len(paper.authors),
            date=day.isoformat() if day else None,
            category=paper.categories[0] if paper.categories else None,
            withdrawn=paper.withdrawn,
            similarity=round(similarity, 4),
            x=place[0],
            y=place[1],
        )


class EdgeAnswer(msgspec.Struct, kw_only=True):
    """Two near papers, by their places in the list from 0, and their cosine."""

    one: int
    other: int
    similarity: float


class NeighbourhoodAnswer(msgspec.Struct, kw_only=True):
    """Paper and its nearest ones, in this order, with an edge from each to the two that are nearest to it.

    The paper itself is at 0, 0. The nearer to it a paper lies, the more it is alike; papers in one direction are alike.
    `coverage` is there while some papers have no vector yet; these are missing.
    """

    papers: list[Neighbour]
    edges: list[EdgeAnswer]
    snapshot: str
    coverage: Coverage | None


_NEIGHBOURHOOD = Parameters(NeighbourhoodRequest)


async def neighbourhood(request: Request) -> Response:
    """Draw the papers nearest to a paper of the corpus on a plane."""
    state = service_state(request)
    wanted = _NEIGHBOURHOOD.parse_query_string(request)
    paper_id = replace_unprintable(request.path_params["paper_id"])

    async def answer(corpus: OpenCorpus) -> Response:
        nearest = SearchRequest(like=(paper_id,), mode=Mode.DENSE, k=wanted.k)
        found = await counted_search(state, corpus, nearest)
        drawn = await Job(state.read_threads, _draw, found, corpus).result()
        return json_response(drawn, headers=NEVER_STORED if found.degraded else None)

    return await answer_from_corpus(request, state.searches, deadline_of(request), (paper_id, wanted), answer)


def _draw(found: SearchAnswer, corpus: OpenCorpus) -> NeighbourhoodAnswer:
    ids = [found.query.like[0].id, *(result.id for result in found.results)]
    known = corpus.catalogue.rows(ids)
    rows = [known[each] for each in ids]
    similarities = [1.0, *(result.sources.get("dense", 0.0) for result in found.results)]
    drawing = _drawing(rows, similarities, corpus)
    papers = corpus.catalogue.papers(rows)
    return NeighbourhoodAnswer(
        papers=[
            Neighbour.of(paper, similarity, place)
            for paper, similarity, place in zip(papers, similarities, drawing.places, strict=True)
        ],
        edges=[EdgeAnswer(one=edge.one, other=edge.other, similarity=edge.similarity) for edge in drawing.edges],
        snapshot=found.snapshot,
        coverage=found.coverage,
    )


def _drawing(rows: list[int], similarities: list[float], corpus: OpenCorpus) -> Drawing:
    vectors = np.asarray(corpus.vectors.vectors(rows), np.float64)
    # Not by the algebra library: its threads would wait for each other when the cores are busy.
    cosines = np.einsum("id,jd->ij", vectors, vectors)
    # The paper itself may have no stored vector; the search knows how near the others are.
    cosines[0] = cosines[:, 0] = similarities
    return draw(cosines)


ROUTES = (
    ApiRoute(
        "/papers/{paper_id:path}/neighbourhood",
        neighbourhood,
        takes=_NEIGHBOURHOOD,
        answers=NeighbourhoodAnswer,
        timed=True,
        example={"paper_id": "2401.09032", "k": 30},
    ),
)
