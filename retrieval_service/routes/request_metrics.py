"""Middleware that counts, times and, if set so, logs every request."""

from __future__ import annotations

import logging
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from akin.edge import tracing
from retrieval_service.metrics import Metrics

_log = logging.getLogger("retrieval_service.requests")
# Requests of monitors are not counted as requests in flight.
_MONITORED = ("/health", "/metrics")
_METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"})


class RequestMetrics:
    """Middleware on the bare ASGI protocol, which costs a few microseconds."""

    def __init__(self, app: ASGIApp, metrics: Metrics, log: bool) -> None:
        """Wrap an application."""
        self._app = app
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count and time it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        status = 500
        counted = not scope["path"].startswith(_MONITORED)
        if counted:
            self._metrics.in_flight.inc()

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            seconds = perf_counter() - started
            if counted:
                self._metrics.in_flight.dec()
            # The pattern of the route instead of the path, and no unknown methods: the number of labels stays small.
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(route, method, str(status)).inc()
            self._metrics.latency.labels(route).observe(seconds, tracing.exemplar())
            if self._log:
                fields = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 1)}
                _log.info("%s %s %d %.1f ms", *fields.values(), extra={"fields": fields})
