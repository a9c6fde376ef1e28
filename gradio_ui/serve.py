"""Server of the page: one process that ends promptly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from akin.edge import (
    AllowedHosts,
    CannotListen,
    HostCheck,
    SecurityHeaders,
    listen,
    page_headers,
    parse_hosts,
    tracing,
    with_copies,
)
from akin.edge.observed import Observed, set_up_logs
from akin.edge.proxies import trust_in
from akin.edge.serving import server_config
from akin.settings.places import without_credentials
from akin.settings.unknown import warnings
from gradio_ui import katex_files
from gradio_ui.active_searches import ActiveSearches
from gradio_ui.app import build_app
from gradio_ui.citations import PATH, citation_route
from gradio_ui.client import SearchService
from gradio_ui.gate import Gate
from gradio_ui.own_page import OwnPage
from gradio_ui.packed_files import PackedFiles
from gradio_ui.pages.routes import ROUTES
from gradio_ui.pages.site import Site
from gradio_ui.reader import Reader
from gradio_ui.sessions import Sessions
from gradio_ui.settings import Settings, SettingsError
from gradio_ui.theme import css, theme
from gradio_ui.values import values_for

if TYPE_CHECKING:
    from starlette.routing import Mount

_SECONDS_TO_FINISH = 2
# Streams of events last for minutes, and files say nothing.
_UNTRACED = ("/gradio_api", "/assets", "/static", "/katex", "/files", "/theme.css", "/manifest.json", "/favicon.ico")


def create_server_app(
    settings: Settings, service: SearchService | None = None, searches: ActiveSearches | None = None
) -> FastAPI:
    """Return the ASGI application that serves all pages and closes its connections at the end.

    Requests pass the check of the host name, then the gate that lets only the page's own requests through to Gradio.
    All answers have the security headers, and no answer allows another site to read it.
    """
    service, searches = service or SearchService(settings), searches or ActiveSearches()

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service:
            # The server starts without waiting for the service: the page shows that it is missing.
            waiting = asyncio.create_task(service.await_ready())
            yield
            waiting.cancel()

    blocks = build_app(settings, service, searches)
    server = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    if katex_files.is_there():
        server.mount("/katex", PackedFiles(directory=katex_files.FOLDER))
    server.add_route(PATH, citation_route(service), methods=["GET"])
    site = Site(service, ROUTES, settings.ui_root_path)
    server.router.routes.extend(site.routes())
    # The page itself and KaTeX; Gradio packs its own files, and streams are left as they are.
    server.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=6)
    # Without a CORS policy of the parent, Gradio lets any site read a page outside loopback, with credentials.
    server.add_middleware(CORSMiddleware, allow_origins=[])
    mounted: FastAPI = gr.mount_gradio_app(
        server,
        blocks,
        path="/",
        root_path=settings.ui_root_path,
        theme=theme(),
        css=css(),
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
    )
    gradio_app: Any = cast("Mount", mounted.routes[-1]).app
    # The last middleware is the innermost: Gradio compresses outside of it.
    gradio_app.user_middleware.append(Middleware(OwnPage))
    events = {number: values_for(event.inputs) for number, event in blocks.fns.items() if event.fn is not None}
    gate = Gate(mounted.build_middleware_stack(), Sessions(blocks._queue), events, site, searches.stream)
    observed = Observed(Reader(gate), trust_in(settings.trusted_proxies), _UNTRACED)
    hosts = HostCheck(observed, AllowedHosts.of(settings.ui_host, parse_hosts(settings.allowed_hosts)))
    mounted.middleware_stack = SecurityHeaders(hosts, page_headers())
    return mounted


def main() -> int:
    """Serve the page until a signal ends it.

    Returns:
        The exit code: 2 for invalid settings, 1 if the port cannot be opened, otherwise 0.
    """
    try:
        settings = Settings.read()
    except SettingsError as error:
        print(f"gradio_ui: {error}", file=sys.stderr)
        return 2
    set_up_logs("WARNING", settings.log_format, "%(levelname)s %(name)s: %(message)s")
    for line in warnings():
        logging.warning(line)
    try:
        tracing.start("akin-page", settings.traces, settings.traces_share)
    except tracing.TracingUnavailable as error:
        print(f"gradio_ui: {error}", file=sys.stderr)
        return 2
    try:
        listener = listen(settings.ui_host, settings.ui_port, "AKIN_UI_HOST and AKIN_UI_PORT choose")
    except CannotListen as error:
        print(f"gradio_ui: {error}", file=sys.stderr)
        return 1
    config = server_config(
        create_server_app(settings),
        settings.trusted_proxies,
        settings.ui_root_path,
        log_level="warning",
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
    )
    host, port = listener.getsockname()[:2]
    place = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}") + settings.ui_root_path
    print(f"Akin's page: http://{place} (searching {without_credentials(settings.service_url)})", flush=True)
    with listener:
        try:
            uvicorn.Server(config).run(sockets=with_copies(listener))
        finally:
            tracing.stop()
    return 0
