"""`/mcp`: the tools of the Model Context Protocol, over streamable HTTP without sessions.

Each request is answered with JSON by itself, so that several processes may serve one client. A tool asks the routes of
this application, inside the process: turns, deadlines, errors and answers are those of every other client.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from akin.mcp.asking import Reply
from retrieval_service.errors import NotHere, OriginNotAllowed
from retrieval_service.routes.access import inherited
from retrieval_service.routes.error_handlers import ERROR_HANDLERS
from retrieval_service.routes.parameter_parsing import json_body
from retrieval_service.routes.state import TIMEOUT_HEADER

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

_log = logging.getLogger(__name__)

HEADERS = ("mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id")
"""Request headers of the protocol, which scripts of other sites may send where their origin is allowed."""


class McpEndpoint:
    """ASGI application of the endpoint; it imports the SDK with the first request."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        """Take the other sites whose scripts may call it."""
        self._origins = origins
        self._running: asyncio.Task[None] | None = None
        self._manager: asyncio.Future[StreamableHTTPSessionManager] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        self._check_origin(request)
        body = await json_body(request)
        if find_spec("mcp") is None:
            raise NotHere(
                "The tools of the Model Context Protocol need the package mcp: install akin[mcp].", {"extra": "mcp"}
            )
        manager = await self._start()
        await manager.handle_request(scope, _replay(body, receive), send)

    async def stop(self) -> None:
        """Give up the requests that are not answered yet."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
        self._running = self._manager = None

    def _check_origin(self, request: Request) -> None:
        """Refuse scripts of other sites: the protocol demands it, also where a browser would let them send JSON."""
        origin = request.headers.get("origin")
        if origin is None or origin.lower() in self._origins:
            return
        site = origin.lower().partition("://")[2]
        own = [request.headers.get("host", ""), *request.headers.get("x-forwarded-host", "").split(",")[:1]]
        if not site or site not in (name.strip().lower() for name in own):
            raise OriginNotAllowed(
                f"Scripts of {origin[:100]!r} may not call the tools. AKIN_CORS_ORIGINS names sites that may.",
                {"setting": "AKIN_CORS_ORIGINS"},
            )

    async def _start(self) -> StreamableHTTPSessionManager:
        if self._manager is None:
            self._manager = asyncio.get_running_loop().create_future()
            self._running = asyncio.create_task(self._run(self._manager))
        return await asyncio.shield(self._manager)

    async def _run(self, started: asyncio.Future[StreamableHTTPSessionManager]) -> None:
        try:
            manager = await asyncio.to_thread(_make_manager)
            async with manager.run():
                started.set_result(manager)
                await asyncio.Event().wait()  # until the task is cancelled
        except Exception as error:
            if started.done():
                _log.exception("The tools' transport has failed; the next request starts another one.")
            else:
                started.set_exception(error)
        finally:
            # A failure, such as of an import, must not last until the service is restarted.
            self._manager = None


def _make_manager() -> StreamableHTTPSessionManager:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from akin.mcp.server import make_server

    # The SDK logs several lines of each request, which `AKIN_LOG_REQUESTS` decides on.
    logging.getLogger("mcp").setLevel(logging.WARNING)
    # The application checks hosts, origins and bodies for all of its routes.
    return StreamableHTTPSessionManager(make_server(_Routes), json_response=True, stateless=True)


class _Routes:
    """Asks the routes of the application that received a request, for its client and within its deadline."""

    def __init__(self, request: Request) -> None:
        self._request = request

    async def __call__(self, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        """Return the answer of a route."""
        outer = self._request
        headers = [(b"content-type", b"application/json")]
        if (seconds := outer.headers.get(TIMEOUT_HEADER)) is not None:
            headers.append((TIMEOUT_HEADER.encode(), seconds.encode("latin-1")))
        scope = {
            "type": "http", "http_version": "1.1", "app": outer.app, "method": "GET" if body is None else "POST",
            "path": unquote(path), "raw_path": path.encode(), "root_path": "", "query_string": b"", "headers": headers,
            **{name: outer.scope.get(name) for name in ("client", "scheme", "server")}, **inherited(outer.scope),
        }  # fmt: skip
        content = b"" if body is None else json.dumps(body).encode()
        parts: list[Message] = []

        async def send(message: Message) -> None:
            parts.append(message)

        routes = ExceptionMiddleware(outer.app.router, handlers=_HANDLERS)
        await routes(scope, _replay(content, outer.receive), send)
        given = {name.lower(): value.decode("latin-1") for name, value in parts[0]["headers"]}
        return Reply(
            parts[0]["status"], b"".join(part.get("body", b"") for part in parts[1:]), given.get(b"retry-after", "")
        )


_HANDLERS = {kind: handler for kind, handler in ERROR_HANDLERS.items() if kind is not Exception}


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return an ASGI function that gives a body that was received, and then what follows it."""
    left = [body]

    async def replay() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return replay


def routes(endpoint: McpEndpoint) -> tuple[Route, ...]:
    """Return the routes; clients do not follow the redirect that another slash at the end would cause."""
    return tuple(Route(path, endpoint, methods=["POST"]) for path in ("/mcp", "/mcp/"))
