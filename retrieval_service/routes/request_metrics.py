"""Counting, timing and, where wanted, logging every request."""

from __future__ import annotations

import logging
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retrieval_service.metrics import Metrics

_log = logging.getLogger("retrieval_service.requests")
# Whoever watches the service is no load on it.
_WATCHERS = ("/health", "/metrics")
_METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"})


class Measured:
    """Middleware on the bare protocol: it costs a few microseconds, and sees streaming and errors as they are."""

    def __init__(self, app: ASGIApp, metrics: Metrics, log: bool) -> None:
        """Wraps an application."""
        self._app = app
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        status = 500
        counted = not scope["path"].startswith(_WATCHERS)
        if counted:
            self._metrics.in_flight.inc()

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, seen)
        finally:
            seconds = perf_counter() - started
            if counted:
                self._metrics.in_flight.dec()
            # The route's pattern, not the path, and no invented methods: labels must stay few.
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(route, method, str(status)).inc()
            self._metrics.latency.labels(route).observe(seconds)
            if self._log:
                _log.info("%s %s %d %.1f ms", method, route, status, seconds * 1000)
