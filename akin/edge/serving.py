"""Serve HTTP by uvicorn: bound the head of a request, and answer what its parser refuses like every other error.

Uvicorn's own protocol limits neither the address nor the headers, and answers an address of more than 65,535 bytes with
400 in plain text. Import this module by its name: `edge` itself needs no server.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from akin.edge.errors import error_body
from akin.edge.headers import api_headers
from akin.edge.proxies import BehindProxy

LONGEST_ADDRESS = 256 * 1024
"""Bytes; more than a query of 20,000 characters, each of which is at most 12 bytes in an address."""
LONGEST_HEADERS = 64 * 1024
_LONGEST_PATH = 65_535  # httptools reads no longer one
_SECONDS_OF_HEAD = 20.0
_SECONDS_TO_READ_REFUSAL = 2.0


def server_config(app: Any, trusted_proxies: str = "", root_path: str = "", **options: Any) -> uvicorn.Config:
    """Return the configuration of a server with the protocol of this module.

    Args:
        app: The application.
        trusted_proxies: The proxies whose headers are believed, as `BehindProxy` takes them.
        root_path: The path under which a proxy publishes the server.
        options: Further options of uvicorn.
    """
    app = BehindProxy(app, trusted_proxies, root_path)
    # Uvicorn's own option for proxies leaves the headers of others in place.
    options |= {"http": BoundedProtocol, "ws": "none", "access_log": False, "server_header": False}
    return uvicorn.Config(app, proxy_headers=False, **options)


class _HeadRefused(Exception):
    """Head of a request that is too long; ends the parser's work."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Status of an answer, and its error."""

    status: int
    code: str
    message: str
    detail: object = None


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 of one connection, with limits on the length and the time of a head."""

    _held = 0  # bytes that the parser may hold: those received since it last passed something on
    _refusal: _Refusal | None = None
    _refused = False
    _timer: asyncio.TimerHandle | None = None
    url = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time of the first head."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass bytes to the parser, unless the connection was refused or they would make it hold too many."""
        if self._refused:
            return
        self._held += len(data)
        super().data_received(data)
        if not self._refused and self._held > LONGEST_ADDRESS + LONGEST_HEADERS:
            self._refuse(_too_long(self.url, LONGEST_HEADERS + 1) or _HEADERS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Start the time of a head."""
        super().on_message_begin()
        self._start_timer()

    def on_headers_complete(self) -> None:
        """Start the application, unless the head is too long."""
        self._stop_timer()
        self._held = 0
        self._refusal = _too_long(self.url, sum(len(name) + len(value) for name, value in self.headers))
        if self._refusal is not None:
            raise _HeadRefused
        self.url, _, query = self.url.partition(b"#")[0].partition(b"?")
        # The application's task is made here, and starts later.
        super().on_headers_complete()
        self.scope["query_string"] = query
        self.headers = []  # fields behind the body are not headers of the request

    def on_body(self, body: bytes) -> None:
        """Pass on a piece of the body."""
        self._held = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Pass on the end of the body."""
        self._held = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that the parser refuses."""
        self._refuse(self._refusal or _INVALID)

    def _refuse(self, refusal: _Refusal) -> None:
        """Answer with an error, and close the connection once the client had time to read it."""
        self._refused = True
        self._stop_timer()
        if self.cycle is not None and not self.cycle.response_complete:
            started = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if started:
                self.transport.close()
                return
        content = json.dumps(error_body(refusal.code, refusal.message, refusal.detail)).encode()
        headers = {"content-type": "application/json", "connection": "close", "content-length": str(len(content))}
        lines = [f"{name}: {value}\r\n".encode() for name, value in (headers | api_headers("'none'")).items()]
        lines += [name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers]
        self.transport.write(b"".join([STATUS_LINE[refusal.status], *lines, b"\r\n", content]))
        # Closing with unread bytes resets the connection, and the client may lose the answer. They are discarded.
        self.transport.write_eof()
        self.loop.call_later(_SECONDS_TO_READ_REFUSAL, self.transport.close)

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(_SECONDS_OF_HEAD, self._refuse, _TOO_SLOW)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


_HEADERS_TOO_LARGE = _Refusal(
    431,
    "headers_too_large",
    f"The headers are longer than {LONGEST_HEADERS} bytes. Send fewer, or shorter ones.",
    {"limit": LONGEST_HEADERS},
)
_INVALID = _Refusal(400, "invalid_http", "This is not a valid HTTP/1.1 request.")
_TOO_SLOW = _Refusal(408, "head_timeout", f"The request's headers did not arrive within {_SECONDS_OF_HEAD:g} s.")


def _too_long(url: bytes, headers: int) -> _Refusal | None:
    """Return the refusal of an address, or of headers of a length, that are too long."""
    limit = LONGEST_ADDRESS if len(url.partition(b"?")[0]) <= _LONGEST_PATH else _LONGEST_PATH
    if len(url) > limit:
        message = f"The address is longer than {limit} bytes. Send a shorter text, or use POST."
        return _Refusal(414, "address_too_long", message, {"limit": limit})
    return _HEADERS_TOO_LARGE if headers > LONGEST_HEADERS else None
