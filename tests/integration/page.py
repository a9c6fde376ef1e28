"""The search page over a service in this process: both are the real applications, with no network between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from gradio_ui.client import SearchService
from gradio_ui.serve import create_server_app
from gradio_ui.settings import Settings
from retrieval_service.app import create_app
from retrieval_service.settings import Settings as ServiceSettings
from tests.integration.generated import OneEncoder

_ADDRESS = "http://localhost:8080"


@asynccontextmanager
async def page_client(data: Path, encoder: Any, **settings: Any) -> AsyncIterator[SearchService]:
    """Yield the page's client, whose requests the service over a data directory answers."""
    service = create_app(ServiceSettings(data=data, search_threads=2, **settings), OneEncoder(encoder))
    async with service.router.lifespan_context(service):
        client = SearchService(Settings(service_url=_ADDRESS), httpx.ASGITransport(service, client=("127.0.0.1", 1)))
        try:
            yield client
        finally:
            await client.close()


@asynccontextmanager
async def page_browser(data: Path, encoder: Any, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the whole page, gate and plain pages included, over the service."""
    async with page_client(data, encoder, **settings) as service:
        app = create_server_app(Settings(service_url=_ADDRESS), service)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as browser,
        ):
            yield browser
