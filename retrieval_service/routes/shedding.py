"""Refuse searches at once, before anything of them is read, while no more of them may wait.

Under many times the load that can be answered, most requests are refused. A refusal here takes a small part of the time
of one that was parsed, validated and timed first; the rest of it is left to searches.
"""

from __future__ import annotations

from typing import Final

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from retrieval_service.errors import Overloaded
from retrieval_service.metrics import Metrics
from retrieval_service.routes.error_handlers import describe, error_response

_SEARCHES: Final = frozenset({"/search", "/embed"})
"""Paths whose every POST waits for a turn of a search. A GET may be answered 304 without one."""


class Shedding:
    """Middleware that answers 503 to searches that would be refused anyway; the rest passes."""

    def __init__(self, app: ASGIApp, service: Starlette, metrics: Metrics) -> None:
        """Wrap an application.

        Args:
            app: The application.
            service: The application whose state has the turns of searches while it runs.
            metrics: Counts what is refused.
        """
        self._app = app
        self._service = service
        self._metrics = metrics
        self._error = Overloaded.at_once()
        self._answer = error_response(
            self._error.status, *describe(self._error), {"Retry-After": str(self._error.retry_after)}
        )
        self._counters = {path: metrics.requests.labels(path, "POST", str(self._error.status)) for path in _SEARCHES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in _SEARCHES and self._is_full:
            self._metrics.record_refusal(self._error)
            self._counters[scope["path"]].inc()
            await self._answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    @property
    def _is_full(self) -> bool:
        state = getattr(self._service.state, "service", None)
        return state is not None and state.searches.is_full
