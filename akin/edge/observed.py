"""Give each request an id and, where traces are turned on, a span; write logs that name both."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

from akin.edge import tracing

HEADER = "X-Request-ID"
_NAME = HEADER.lower().encode()
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")
UNTRACED = ("/health",)
_request_id: ContextVar[str] = ContextVar("request_id", default="")


class Observed:
    """Middleware that gives a request its id, which the answer has too, and its span.

    The id and the trace of a client are taken only from addresses that are trusted, as for `X-Forwarded-For`.
    """

    def __init__(self, app: Any, trusted: Callable[[str], bool], untraced: tuple[str, ...] = UNTRACED) -> None:
        """Wrap an application.

        Args:
            app: The application.
            trusted: Returns True for an address that may name ids.
            untraced: Beginnings of paths without a span.
        """
        self._app, self._trusted, self._untraced = app, trusted, untraced

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        given = _read(scope["headers"]) if client and self._trusted(client[0]) else {}
        name = given.get(HEADER, "")
        own = name if _PLAIN.fullmatch(name) else token_hex(8)
        token = _request_id.set(own)
        status = 500

        async def named(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), (_NAME, own.encode())]}
            await send(message)

        try:
            if not tracing.is_on() or scope["path"].startswith(self._untraced):
                await self._app(scope, receive, named)
                return
            with tracing.server_span(scope["method"], given) as span:
                try:
                    await self._app(scope, receive, named)
                finally:
                    # The pattern of the route: a path may have what a reader typed.
                    route = getattr(scope.get("route"), "path", "")
                    span.rename(f"{scope['method']} {route}".strip())
                    span.set(**{"http.request.method": scope["method"], "http.route": route})
                    span.set(**{"http.response.status_code": status, "akin.request_id": own})
        finally:
            _request_id.reset(token)


def request_id() -> str:
    """Return the id of the request that is being answered; empty outside of one."""
    return _request_id.get()


def onward() -> dict[str, str]:
    """Return the headers with which another process continues this request."""
    own = _request_id.get()
    return {**({HEADER: own} if own else {}), **tracing.headers()}


class JsonLines(logging.Formatter):
    """Format of a log: a line of JSON for each record, with the ids of its request and trace."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {"request": request_id() or None, "trace": tracing.trace_id()}
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in line.items() if value is not None}, ensure_ascii=False)


class TextLines(logging.Formatter):
    """Format of a log for people; the id of a request is before its message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        line = super().format(record)
        return f"{line} [{own}]" if (own := request_id()) else line


def set_up_logs(level: str, form: str, text: str) -> None:
    """Send the logs of this process to standard error, as `text` describes them or, if `form` is json, as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines(text))
    logging.basicConfig(level=level, handlers=[handler])


def _read(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers that name a request and its trace."""
    wanted = {_NAME: HEADER, b"traceparent": "traceparent", b"tracestate": "tracestate"}
    return {wanted[name]: value.decode("latin-1") for name, value in headers if name in wanted}
