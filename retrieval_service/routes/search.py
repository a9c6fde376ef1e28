"""Searching: `/search` by words or papers, `/papers/{id}/similar` by the paper in the address."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import Response

from akin.edge import tracing
from retrieval_service.corpus.open_corpus import OpenCorpus
from retrieval_service.ports import Corpus, Vectors
from retrieval_service.routes.answers import json_response
from retrieval_service.routes.costs import search_cost
from retrieval_service.routes.entity_tags import NEVER_STORED
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.routes.rate_limit import charge
from retrieval_service.routes.state import ServiceState, answer_from_corpus, deadline_of, service_state
from retrieval_service.search.answer import SearchAnswer
from retrieval_service.search.request import SearchRequest, SimilarRequest

EXAMPLE = {"query": "graph neural networks", "k": 3, "categories": ["cs.LG"], "from": "2022"}
_log = logging.getLogger("retrieval_service.queries")
_LONGEST_LOGGED = 1_000  # characters
SEARCH, _SIMILAR = Parameters(SearchRequest), Parameters(SimilarRequest)


async def search(request: Request) -> Response:
    """Find the papers nearest to a question, an abstract, or papers."""
    deadline = deadline_of(request)
    with tracing.span("parse"):
        wanted = await SEARCH.parse_body(request) if request.method == "POST" else SEARCH.parse_query_string(request)
    return await _find(request, wanted, deadline)


async def similar(request: Request) -> Response:
    """Find the papers nearest to a paper of the corpus, without that paper."""
    deadline = deadline_of(request)
    narrowed = _SIMILAR.parse_query_string(request)
    return await _find(request, SearchRequest(like=(request.path_params["paper_id"],), **vars(narrowed)), deadline)


async def _find(request: Request, wanted: SearchRequest, deadline: float) -> Response:
    state = service_state(request)
    charge(request.scope, search_cost(wanted))

    async def answer(corpus: OpenCorpus) -> Response:
        search = counted_search(state, corpus, wanted)
        feedback = state.feedback if wanted.feedback else None
        found = await (feedback.answer(wanted, search) if feedback else search)
        # A tag does not say which reranker answered.
        momentary = found.degraded or wanted.rerank or found.feedback
        return json_response(found, headers=NEVER_STORED if momentary else None)

    return await answer_from_corpus(request, state.searches, deadline, wanted, answer)


async def counted_search(state: ServiceState, corpus: Corpus, wanted: SearchRequest) -> SearchAnswer:
    """Search, and count the search in the metrics."""
    if state.log_queries and wanted.text:
        text = wanted.text[:_LONGEST_LOGGED]
        _log.info("search %r", text, extra={"fields": {"query": text}})
    collector = state.collector if state.collector and state.collector.draws(wanted) else None
    vectors: list[Vectors | None] = []
    found = await state.engine.search(corpus, wanted, vectors.append)
    state.metrics.record_search(found.timings, lacks_a_half(found), found.reranked)
    state.metrics.record_query(found.query.tokens, found.results[0].score if found.results else None)
    if collector:
        collector.offer(corpus, found, vectors[0])
    if state.recall and not wanted.offset:
        state.recall.offer(vectors[0])
    return found


def lacks_a_half(found: SearchAnswer) -> bool:
    """Return True if a part of a search failed; while vectors are being made, both halves answer."""
    return found.degraded is not None and found.coverage is None


ROUTES = (
    ApiRoute("/search", search, "POST", "GET", takes=SEARCH, answers=SearchAnswer, timed=True, example=EXAMPLE),
    ApiRoute(
        "/papers/{paper_id:path}/similar",
        similar,
        takes=_SIMILAR,
        answers=SearchAnswer,
        timed=True,
        example={"paper_id": "2401.09032", "k": 5},
    ),
)
