"""A search as an Atom feed: the query is the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from retrieval_service.atom import MEDIA_TYPE, Feed
from retrieval_service.corpus.open_corpus import OpenCorpus
from retrieval_service.errors import Unavailable
from retrieval_service.routes.costs import search_cost
from retrieval_service.routes.entity_tags import NEVER_STORED
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.routes.rate_limit import charge
from retrieval_service.routes.search import counted_search, lacks_a_half
from retrieval_service.routes.state import answer_from_corpus, deadline_of, service_state
from retrieval_service.search.request import SearchRequest
from retrieval_service.threads import Job

_SEARCH = Parameters(SearchRequest)
_ENTRIES = 50
_LONGEST_TITLE = 200


async def feed(request: Request) -> Response:
    """Return the results of the same search as an Atom feed, newest first; without `k`, the best 50."""
    state, deadline = service_state(request), deadline_of(request)
    wanted = _SEARCH.parse_query_string(request)
    if "k" not in request.query_params:
        wanted = replace(wanted, k=_ENTRIES)
    charge(request.scope, search_cost(wanted))
    base = str(request.base_url).rstrip("/") + request.app.state.root_path
    query = urlencode(request.query_params.multi_items())

    async def answer(corpus: OpenCorpus) -> Response:
        found = await counted_search(state, corpus, wanted)
        if lacks_a_half(found):
            # A reader would take the papers of a passing ranking for new ones, and keep them.
            raise Unavailable(f"A feed is made of complete searches only, and this one is not: {found.degraded}")
        written = Feed(
            title=_title(wanted, [paper.title for paper in found.query.like]),
            address=f"{base}/feed?{query}",
            same=f"{base}/search?{query}",
            paper=f"{base}/papers/",
            changed=corpus.manifest.created,
        )
        content = await Job(state.read_threads, written.write, found.results).result()
        return Response(
            content, headers=NEVER_STORED if found.degraded or wanted.rerank else None, media_type=MEDIA_TYPE
        )

    return await answer_from_corpus(request, state.searches, deadline, (wanted, base), answer)


def _title(wanted: SearchRequest, like: Sequence[str]) -> str:
    what = f"papers like {'; '.join(like)}" if like else " ".join((wanted.text or "").split())
    return f"Akin: {what}"[:_LONGEST_TITLE]


ROUTES = (ApiRoute("/feed", feed, takes=_SEARCH, timed=True, example={"query": "graph neural networks"}),)
