"""Cancellation of searches whose browser has left, through Gradio and the page's client."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from gradio_ui.active_searches import ActiveSearches, SearchAbandoned
from gradio_ui.client import SearchService
from gradio_ui.serve import create_server_app
from gradio_ui.settings import Settings
from tests.integration.service import asgi


class HangingService(httpx.AsyncBaseTransport):
    """Service stub that never answers a search, and counts the cancelled ones."""

    def __init__(self) -> None:
        self.reader: str | None = None
        self.begun = asyncio.Event()
        self.given_up = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != "/search":
            return httpx.Response(200, json={"papers": 3, "snapshot": "one", "categories": []})
        self.reader = request.headers.get("akin-reader")
        self.begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.given_up.set()
            raise
        return httpx.Response(500)


async def test_the_search_is_cancelled_when_the_browser_leaves() -> None:
    hanging, leaves = HangingService(), asyncio.Event()
    settings = Settings(service_url="http://service.test")
    app = create_server_app(settings, SearchService(settings, hanging), ActiveSearches(seconds_to_return=0.05))
    values = ["some words", "hybrid", [], None, None, True, 10, "", False]
    asked = {"data": values, "fn_index": 0, "session_hash": "reader", "event_data": None, "trigger_id": None}
    from_afar = httpx.ASGITransport(app, client=("192.0.2.9", 1))
    async with app.router.lifespan_context(app):
        async with httpx.AsyncClient(transport=from_afar, base_url="http://localhost") as browser:
            (await browser.post("/gradio_api/queue/join", json=asked)).raise_for_status()
        reading = asyncio.ensure_future(asgi(app, "GET", "/gradio_api/queue/data", leaves, query="session_hash=reader"))
        async with asyncio.timeout(5):
            await hanging.begun.wait()
        # The queue of Gradio works for the reader who asked.
        assert hanging.reader == "192.0.2.9"
        await asyncio.sleep(0.1)
        assert not hanging.given_up.is_set()
        leaves.set()
        async with asyncio.timeout(5):
            await hanging.given_up.wait()
            assert b"process_starts" in b"".join(message.get("body", b"") for message in await reading)


async def test_a_browser_may_return_in_time() -> None:
    searches, found = ActiveSearches(seconds_to_return=0.02), asyncio.Event()

    async def search() -> str:
        await found.wait()
        return "found"

    asked = asyncio.ensure_future(searches.follow("one", search()))
    other = asyncio.ensure_future(searches.follow("other", search()))
    await asyncio.sleep(0)
    with searches.stream("one"):
        pass
    with searches.stream("one"):
        await asyncio.sleep(0.05)
        assert not asked.done()
    with pytest.raises(SearchAbandoned):
        await asyncio.wait_for(asked, 5)
    found.set()
    assert await other == "found"
    assert await searches.follow(None, search()) == "found"
