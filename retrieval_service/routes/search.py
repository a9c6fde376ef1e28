"""Searching: `/search` by words or papers, `/papers/{id}/similar` by the paper in the address."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from retrieval_service.routes.answers import json_response, search_answer
from retrieval_service.routes.body import json_object
from retrieval_service.routes.context import context
from retrieval_service.routes.parameters import Narrowing, SearchParameters, query_values, read
from retrieval_service.routes.schema import described
from retrieval_service.routes.turns import deadline_of, in_turn
from retrieval_service.search.request import SearchRequest

router = APIRouter(tags=["search"])


@router.post("/search", **described(body=SearchParameters, answer="SearchAnswer"))
async def search(request: Request) -> Response:
    """The papers nearest to a question, an abstract, or papers."""
    until = deadline_of(request, context(request).search_seconds)
    return await _found(request, read(SearchParameters, await json_object(request)).search(), until)


@router.get("/search", **described(query=SearchParameters, answer="SearchAnswer"))
async def search_by_address(request: Request) -> Response:
    """The same, with the parameters in the address."""
    until = deadline_of(request, context(request).search_seconds)
    wanted = read(SearchParameters, query_values(request.query_params.multi_items())).search()
    return await _found(request, wanted, until)


@router.get("/papers/{paper_id:path}/similar", **described(query=Narrowing, answer="SearchAnswer"))
async def similar(request: Request, paper_id: str) -> Response:
    """The papers nearest to a paper of the corpus, without itself."""
    until = deadline_of(request, context(request).search_seconds)
    parameters = read(Narrowing, query_values(request.query_params.multi_items()))
    return await _found(request, parameters.request(like=(paper_id,)), until)


async def _found(request: Request, wanted: SearchRequest, until: float) -> Response:
    parts = context(request)

    async def answer() -> Response:
        with parts.serving.hold() as served:
            outcome = await parts.engine.search(served, wanted)
            parts.metrics.record_search(outcome.timings, outcome.degraded is not None)
            return json_response(search_answer(wanted, outcome, served.manifest))

    return await in_turn(request, parts.searches, until, answer)
