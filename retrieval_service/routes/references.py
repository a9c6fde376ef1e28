"""The papers that a paper cites, and those that cite it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec
import numpy as np
from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from retrieval_service.corpus.open_corpus import OpenCorpus
from retrieval_service.errors import NoReferences
from retrieval_service.ports import Rows
from retrieval_service.routes.answers import json_response
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.routes.state import answer_from_corpus, deadline_of, service_state
from retrieval_service.search.answer import CitationCounts, NamedPaper, PaperAnswer
from retrieval_service.search.parameters import Number, replace_unprintable
from retrieval_service.search.planner import paper_rows
from retrieval_service.threads import Job


class Order(StrEnum):
    """Order of the papers in a list."""

    CITATIONS = "citations"
    NEWEST = "newest"
    OLDEST = "oldest"


@dataclass(frozen=True, kw_only=True)
class ListRequest:
    """Part of a list of papers, and its order."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    k: Annotated[Number, Field(description="Number of papers.", ge=1, le=100)] = 10
    offset: Annotated[Number, Field(description="Number of earlier papers to leave out.", ge=0, le=10_000_000)] = 0
    sort: Annotated[
        Order, Field(description="The most cited first (`citations`), or by date, `newest` or `oldest` first.")
    ] = Order.CITATIONS


class LinkedPapers(msgspec.Struct, kw_only=True):
    """Papers that `paper` cites, or that cite it: a part of `total`; `next_offset` is null at the end.

    Papers outside the corpus are not listed; `citations` counts them where the source does.
    """

    paper: NamedPaper
    citations: CitationCounts
    results: list[PaperAnswer]
    total: int
    k: int
    offset: int
    next_offset: int | None


_LIST = Parameters(ListRequest)


async def references(request: Request) -> Response:
    """Return the papers of the corpus that a paper cites."""
    return await _linked(request, cited=True)


async def cited_by(request: Request) -> Response:
    """Return the papers of the corpus that cite a paper."""
    return await _linked(request, cited=False)


async def _linked(request: Request, *, cited: bool) -> Response:
    state, wanted = service_state(request), _LIST.parse_query_string(request)
    paper_id = replace_unprintable(request.path_params["paper_id"])

    async def answer(corpus: OpenCorpus) -> Response:
        return json_response(await Job(state.read_threads, _answer, corpus, paper_id, wanted, cited).result())

    return await answer_from_corpus(request, state.reads, deadline_of(request), (paper_id, wanted), answer)


def _answer(corpus: OpenCorpus, paper_id: str, wanted: ListRequest, cited: bool) -> LinkedPapers:
    catalogue, known = corpus.catalogue, corpus.references
    if known is None:
        raise NoReferences("references" if cited else "cited-by", "references")
    (row,) = paper_rows([paper_id], catalogue)
    rows = known.cites(row) if cited else known.cited_by(row)
    end = wanted.offset + wanted.k
    shown = rows[_order(rows, corpus, wanted.sort)][wanted.offset : end].tolist()
    counts = CitationCounts.of(known, row)
    assert isinstance(counts, CitationCounts), "the references are there"
    (paper,) = catalogue.papers([row])
    return LinkedPapers(
        paper=NamedPaper.named(paper),
        citations=counts,
        results=[
            PaperAnswer.of(each, citations=CitationCounts.of(known, at))
            for each, at in zip(catalogue.papers(shown), shown, strict=True)
        ],
        total=len(rows),
        k=wanted.k,
        offset=wanted.offset,
        next_offset=end if end < len(rows) else None,
    )


def _order(rows: Rows, corpus: OpenCorpus, order: Order) -> Rows:
    """Return the order of rows; equal ones are ordered by the other fact, and papers without a day come last."""
    assert corpus.references is not None, "the references are there"
    citations = corpus.references.totals[rows].astype(np.int64)
    days = corpus.catalogue.days[rows].astype(np.int64)
    if order is Order.CITATIONS:
        return np.lexsort((-days, -citations))
    return np.lexsort((-citations, days if order is Order.OLDEST else -days, days == 0))


# An old arXiv id has a slash in it: these paths must come before `/papers/{id}`.
ROUTES = tuple(
    ApiRoute(
        f"/papers/{{paper_id:path}}/{name}",
        endpoint,
        takes=_LIST,
        answers=LinkedPapers,
        timed=True,
        example={"paper_id": "2401.09032", "sort": "newest"},
    )
    for name, endpoint in (("references", references), ("cited-by", cited_by))
)
