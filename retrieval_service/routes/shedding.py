"""Refuse searches at once, before anything of them is read, while no more of them may wait.

Under many times the load that can be answered, most requests are refused. A refusal here takes a small part of the time
of one that was parsed, validated and timed first; the rest of it is left to searches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from akin.edge.serving import whole_answer
from retrieval_service.errors import Overloaded
from retrieval_service.metrics import Metrics
from retrieval_service.routes.error_handlers import describe, error_response
from retrieval_service.routes.version_prefix import PREFIX

_SEARCHES: Final = frozenset({"/search", "/embed"})
"""Paths whose every POST waits for a turn of a search. A GET may be answered 304 without one."""


class Shedding:
    """Middleware that answers 503 to searches that would be refused anyway; the rest passes."""

    def __init__(
        self, app: ASGIApp, service: Starlette, metrics: Metrics, headers: Mapping[str, str], root_path: str = ""
    ) -> None:
        """Wrap an application.

        Args:
            app: The application.
            service: The application whose state has the turns of searches while it runs.
            metrics: Counts what is refused.
            headers: The headers that every answer of the service has.
            root_path: The path under which a proxy publishes the service.
        """
        self._app = app
        self._service = service
        self._metrics = metrics
        self._passed = 0  # searches, in this round of the event loop
        self._error = Overloaded.at_once()
        own = {"Retry-After": str(self._error.retry_after)}
        self._answer = error_response(self._error.status, *describe(self._error), own)
        self._whole = whole_answer(
            self._answer.status_code, {**self._answer.headers, **headers}, bytes(self._answer.body)
        )
        self._paths = {
            f"{root}{prefix}{path}".encode(): path
            for path in _SEARCHES
            for prefix in ("", PREFIX)
            for root in {"", root_path}
        }
        self._counters = {path: metrics.requests.labels(path, "POST", str(self._error.status)) for path in _SEARCHES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in _SEARCHES and self._is_full:
            self._count(scope["path"])
            await self._answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def refuse_at_once(self, method: bytes, path: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes | None:
        """Return the whole answer to a search that would be refused, for the server's protocol; None if it passes.

        Browsers need an answer that depends on the page that sent the request: theirs pass.
        """
        if method != b"POST" or (search := self._paths.get(path)) is None:
            return None
        state = getattr(self._service.state, "service", None)
        if state is None or any(name == b"origin" for name, _ in headers):
            return None
        if state.searches.room > self._passed:
            # None of the requests that are read in this round of the event loop has its turn yet.
            if not self._passed:
                asyncio.get_running_loop().call_soon(self._end_round)
            self._passed += 1
            return None
        self._count(search)
        return self._whole

    def _end_round(self) -> None:
        self._passed = 0

    def _count(self, path: str) -> None:
        self._metrics.record_refusal(self._error)
        self._counters[path].inc()

    @property
    def _is_full(self) -> bool:
        state = getattr(self._service.state, "service", None)
        return state is not None and state.searches.is_full
