"""Files of papers and feeds, passed on from the service as it writes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gradio_ui.client import search_request
from gradio_ui.pages.site import Site
from gradio_ui.state import read_address

_PASSED_ON = ("content-type", "content-disposition", "akin-papers")
_MOST = 1000


async def show(request: Request, site: Site) -> Response:
    """Answer with papers as a file: those that `ids` name, or those of a search, with `all=1` its best thousand.

    The rest of the address is that of the search page.
    """
    form = request.path_params["form"]
    if ids := request.query_params.getlist("ids"):
        return passed_on(await site.service.open_export({"ids": ids, "format": form}))
    state, notes = read_address(request.url.query)
    if not state.has_query:
        return site.error(request, 422, "export.nothing", notes[0] if notes else "", "export.nothing_advice")
    all_papers = request.query_params.get("all") == "1"
    asked = _plain(search_request(replace(state, offset=0) if all_papers else state))
    asked |= {"format": form} | ({"k": _MOST} if all_papers else {})
    return passed_on(await site.service.open_export(asked))


async def feed(request: Request, site: Site) -> Response:
    """Answer with a search as an Atom feed; the address is that of the search page."""
    state, notes = read_address(request.url.query)
    if not state.has_query:
        return site.error(request, 422, "feed.nothing", notes[0] if notes else "", "feed.nothing_advice")
    asked = _plain(search_request(replace(state, offset=0)), "rerank", "k", "offset")
    return _feed_of_page(await site.service.feed(asked), request, site)


def _feed_of_page(content: str, request: Request, site: Site) -> Response:
    """Return a feed of the service whose links lead to the page: readers reach it, and perhaps not the service.

    Args:
        content: The feed.
        request: The request for it.
        site: The page.
    """
    page = str(request.base_url).rstrip("/")
    page = page.removesuffix(site.root) + site.root
    for theirs, ours in (("/feed?", "/feed?"), ("/search?", "/?"), ("/papers/", "/paper/")):
        content = content.replace(f'"{site.service.url}{theirs}', f'"{page}{ours}')
    return Response(content.replace('type="application/json"', 'type="text/html"'), media_type="application/atom+xml")


def _plain(asked: dict[str, object], *left_out: str) -> dict[str, object]:
    """Return a search without what is said beside its results."""
    beside = {"highlight", "nearest_sentences", "facets", "feedback", "suggest", "chase", *left_out}
    return {name: value for name, value in asked.items() if name not in beside}


def passed_on(answer: httpx.Response) -> Response:
    """Return an answer of the service that is read and sent piece by piece."""

    async def pieces() -> AsyncIterator[bytes]:
        try:
            async for piece in answer.aiter_bytes():
                yield piece
        finally:
            await answer.aclose()

    headers = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
    return StreamingResponse(pieces(), headers=headers | {"Cache-Control": "no-store"})
