"""Searching: `/search` by words or papers, `/papers/{id}/similar` by the paper in the address."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from retrieval_service.corpus.open_corpus import OpenCorpus
from retrieval_service.routes.answers import json_response
from retrieval_service.routes.entity_tags import NEVER_STORED
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.routes.state import answer_from_corpus, deadline_of, service_state
from retrieval_service.search.answer import SearchAnswer
from retrieval_service.search.request import SearchRequest, SimilarRequest

_SEARCH, _SIMILAR = Parameters(SearchRequest), Parameters(SimilarRequest)


async def search(request: Request) -> Response:
    """Find the papers nearest to a question, an abstract, or papers."""
    deadline = deadline_of(request)
    wanted = await _SEARCH.parse_body(request) if request.method == "POST" else _SEARCH.parse_query_string(request)
    return await _find(request, wanted, deadline)


async def similar(request: Request) -> Response:
    """Find the papers nearest to a paper of the corpus, without that paper."""
    deadline = deadline_of(request)
    narrowed = _SIMILAR.parse_query_string(request)
    return await _find(request, SearchRequest(like=(request.path_params["paper_id"],), **vars(narrowed)), deadline)


async def _find(request: Request, wanted: SearchRequest, deadline: float) -> Response:
    state = service_state(request)

    async def answer(corpus: OpenCorpus) -> Response:
        found = await state.engine.search(corpus, wanted)
        # While vectors are being made, both halves answer: that is no failure.
        failed = found.degraded is not None and found.coverage is None
        state.metrics.record_search(found.timings, failed, found.reranked)
        # A tag does not say which reranker answered.
        momentary = found.degraded or wanted.rerank
        return json_response(found, headers=NEVER_STORED if momentary else None)

    return await answer_from_corpus(request, state.searches, deadline, wanted, answer)


ROUTES = (
    ApiRoute("/search", search, "POST", "GET", takes=_SEARCH, answers=SearchAnswer, timed=True),
    ApiRoute("/papers/{paper_id:path}/similar", similar, takes=_SIMILAR, answers=SearchAnswer, timed=True),
)
