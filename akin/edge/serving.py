"""Serve HTTP by uvicorn: bound connections and heads, and answer what its parser refuses like every other error.

Uvicorn's own protocol limits neither the address nor the headers, waits without end for the rest of a head and for a
client that does not read, and answers an address of more than 65,535 bytes with 400 in plain text. Import this module
by its name: `edge` itself needs no server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from akin.edge.errors import error_body
from akin.edge.headers import api_headers
from akin.edge.proxies import BehindProxy
from akin.edge.totals import Total

LONGEST_ADDRESS = 256 * 1024
"""Bytes; more than a query of 20,000 characters, each of which is at most 12 bytes in an address."""
LONGEST_HEADERS = 64 * 1024
MOST_HEADERS = 256
"""Fields of a head; a browser sends twenty."""
_LONGEST_PATH = 65_535  # httptools reads no longer one
_SECONDS_OF_HEAD = 20.0
_SECONDS_TO_READ_REFUSAL = 2.0
_SECONDS_TO_READ = 20.0  # in which a client has to read a little of an answer, where any of it waits
_LEAST_READ = 16 * 1024
_SECONDS_TO_KEEP = 75  # longer than clients and proxies do: a connection that the server ends first may fail a request
_SHARE_OF_DESCRIPTORS = 0.75  # the rest is for files, and for the connections of the server itself
_MOST_CONNECTIONS = 10_000

RefuseAtOnce = Callable[[bytes, bytes, Sequence[tuple[bytes, bytes]]], bytes | None]
"""Function of the method, the path and the headers of a request: the whole answer to a refused one, or None."""


def server_config(
    app: Any, trusted_proxies: str = "", root_path: str = "", refuse_at_once: RefuseAtOnce | None = None, **options: Any
) -> uvicorn.Config:
    """Return the configuration of a server with the protocol of this module.

    Args:
        app: The application.
        trusted_proxies: The proxies whose headers are believed, as `BehindProxy` takes them.
        root_path: The path under which a proxy publishes the server.
        refuse_at_once: Asked for each request whose connection stays open; it must return within microseconds.
        options: Further options of uvicorn.
    """
    app = BehindProxy(app, trusted_proxies, root_path)
    # Uvicorn makes its protocols itself, from a class alone.
    protocol = type("Protocol", (BoundedProtocol,), {"refuse_at_once": refuse_at_once and staticmethod(refuse_at_once)})
    # Uvicorn's own option for proxies leaves the headers of others in place.
    options |= {"http": protocol, "ws": "none", "access_log": False, "server_header": False}
    options.setdefault("timeout_keep_alive", _SECONDS_TO_KEEP)
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


def whole_answer(status: int, headers: Mapping[str, str], content: bytes) -> bytes:
    """Return the bytes of an answer, from the status line to the content."""
    lines = (f"{name}: {value}\r\n".encode() for name, value in headers.items())
    return b"".join([STATUS_LINE[status], *lines, b"\r\n", content])


def most_connections() -> int:
    """Return the number of connections that the limit of descriptors leaves room for."""
    try:
        import resource
    except ImportError:
        return _MOST_CONNECTIONS  # Windows has no such limit
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    return max(16, min(_MOST_CONNECTIONS, int(limit * _SHARE_OF_DESCRIPTORS)))


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 of one connection, with limits on the length and the time of a head, and on the time of reading.

    Where the process has as many connections as it allows, a new one takes the place of the one that has waited
    longest for a request. What all connections hold together is bounded too: thousands within their own limits would
    fill the memory.
    """

    refuse_at_once: RefuseAtOnce | None = None
    most: ClassVar[int] = most_connections()
    _open: ClassVar[set[BoundedProtocol]] = set()
    _waiting: ClassVar[dict[BoundedProtocol, None]] = {}  # for a request, the longest first
    heads: ClassVar[Total] = Total(64 << 20)  # bytes of heads that are not complete
    queued: ClassVar[Total] = Total(1_000)  # requests behind another one of their connection
    unread: ClassVar[Total] = Total(256 << 20)  # bytes of answers that clients do not read, when they were sent

    _in_head = False
    _ended_message = False  # by the bytes that arrived last
    _reading: asyncio.TimerHandle | None = None
    _held = 0  # bytes that the parser may hold: those received since it last passed something on
    _refusal: _Refusal | None = None
    _refused = False
    _timer: asyncio.TimerHandle | None = None
    url = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time of the first head; make room if there are too many connections."""
        super().connection_made(transport)
        self._start_timer()
        self._open.add(self)
        self._waiting[self] = None
        if len(self._open) > self.most:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all times."""
        self._stop_timer()
        self._stop_reading()
        self._open.discard(self)
        self._waiting.pop(self, None)
        for total in (self.heads, self.queued, self.unread):
            total.record(self, 0)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass bytes to the parser, unless the connection was refused or they would make it hold too many."""
        if self._refused:
            return
        self._held += len(data)
        self._ended_message = False
        super().data_received(data)
        is_full = self.heads.record(self, 0 if self._refused else self._held)
        if not self._refused and self._held > LONGEST_ADDRESS + LONGEST_HEADERS:
            self._refuse(_too_long(self.url, LONGEST_HEADERS + 1) or _HEADERS_TOO_LARGE)
        elif is_full and not self._refused and self._held:
            self._refuse(_TOO_MANY_HEADS)
        elif self._timer is None and not self._ended_message and (self.cycle is None or self.cycle.response_complete):
            # Empty lines, or the rest of a body that was answered already: uvicorn waits for more of them without end.
            self._start_timer()

    def on_message_begin(self) -> None:
        """Start the time of a head."""
        super().on_message_begin()
        self._in_head = True
        self._start_timer()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field, unless there are too many."""
        if len(self.headers) >= MOST_HEADERS:
            self._refusal = _TOO_MANY_HEADERS
            raise _HeadRefused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the application, unless the head is too long or the body is compressed."""
        self._stop_timer()
        self._held = 0
        self._in_head = False
        self._waiting.pop(self, None)
        self._refusal = _too_long(self.url, sum(len(name) + len(value) for name, value in self.headers))
        if any(name == b"content-encoding" and value.lower() not in (b"", b"identity") for name, value in self.headers):
            self._refusal = _CODED_BODY
        if self._refusal is not None:
            raise _HeadRefused
        self.url, _, query = self.url.partition(b"#")[0].partition(b"?")
        if self._answer_at_once():
            return
        # The application's task is made here, and starts later.
        super().on_headers_complete()
        self.scope["query_string"] = query
        self.headers = []  # fields behind the body are not headers of the request
        if self.pipeline and self.queued.record(self, len(self.pipeline)):
            raise _HeadRefused

    def _answer_at_once(self) -> bool:
        """Answer a refused request without a task for it; return True if that was done."""
        if self.refuse_at_once is None or (self.cycle is not None and not self.cycle.response_complete):
            return False
        if self.parser.get_http_version() != "1.1" or not self.parser.should_keep_alive():
            return False
        if self.flow.write_paused:
            return False  # the application waits until the client has read
        answer = self.refuse_at_once(self.parser.get_method(), self.url, self.headers)
        if answer is None:
            return False
        self.cycle = _ANSWERED  # what follows of the body is discarded, as after every answer
        self.transport.write(answer)
        self.on_response_complete()
        return True

    def on_body(self, body: bytes) -> None:
        """Pass on a piece of the body."""
        self._held = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Pass on the end of the body."""
        self._held = 0
        self._ended_message = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self.queued.record(self, len(self.pipeline))
        if self.transport.is_closing():
            self._watch_reading()
        elif self.cycle.response_complete:
            self._waiting[self] = None

    def pause_writing(self) -> None:
        """Start the time in which the client has to read; make room if all clients leave too much unread."""
        super().pause_writing()
        self._watch_reading()
        if self.unread.record(self, self.transport.get_write_buffer_size()):
            first: Any = self.unread.first
            self.unread.record(first, 0)
            first.transport.abort()

    def resume_writing(self) -> None:
        """Stop it."""
        self._stop_reading()
        self.unread.record(self, 0)
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection, also if the client does not read the rest of an answer."""
        super().timeout_keep_alive_handler()
        self._watch_reading()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that the parser refuses."""
        self._refuse(self._refusal or _INVALID)

    def _refuse(self, refusal: _Refusal) -> None:
        """Answer with an error, and close the connection once the client had time to read it."""
        self._refused = True
        self._stop_timer()
        self.heads.record(self, 0)
        self.url = b""
        if self.headers:
            self.headers.clear()
        if self.pipeline:
            # An error here would be taken for the answer to an earlier request.
            self.pipeline.clear()
            self.queued.record(self, 0)
            self.transport.close()
            self._watch_reading()
            return
        if self.cycle is not None and not self.cycle.response_complete:
            started = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if started:
                self.transport.close()
                return
        content = json.dumps(error_body(refusal.code, refusal.message, refusal.detail)).encode()
        headers = {"content-type": "application/json", "connection": "close", "content-length": str(len(content))}
        headers |= {name.decode(): value.decode() for name, value in self.server_state.default_headers}
        self.transport.write(whole_answer(refusal.status, headers | api_headers("'none'"), content))
        # Closing with unread bytes resets the connection, and the client may lose the answer. They are discarded.
        self.transport.write_eof()
        self.loop.call_later(_SECONDS_TO_READ_REFUSAL, self.transport.close)

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(_SECONDS_OF_HEAD, self._give_up_head)

    def _give_up_head(self) -> None:
        """Refuse a head that does not arrive; close a connection that had its answers without another one."""
        self._timer = None
        if self._in_head or self.cycle is None:
            self._refuse(_TOO_SLOW)
        else:
            self.transport.close()
            self._watch_reading()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch_reading(self) -> None:
        """Close the connection if the client does not read what waits for it; closing alone would wait for that."""
        waits = self.transport.get_write_buffer_size()
        if waits and self._reading is None:
            self._reading = self.loop.call_later(_SECONDS_TO_READ, self._check_reading, waits)

    def _check_reading(self, waited: int) -> None:
        self._reading = None
        if waited - self.transport.get_write_buffer_size() < min(waited, _LEAST_READ):
            self.transport.abort()
        else:
            self._watch_reading()

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None


class _Answered:
    """State of a request that was answered without a task."""

    response_complete = True
    message_event = asyncio.Event()  # nobody waits for it


_ANSWERED: Any = _Answered()
_HEADERS_TOO_LARGE = _Refusal(
    431,
    "headers_too_large",
    f"The headers are longer than {LONGEST_HEADERS} bytes. Send fewer, or shorter ones.",
    {"limit": LONGEST_HEADERS},
)
_TOO_MANY_HEADERS = _Refusal(
    431, "headers_too_large", f"The request has more than {MOST_HEADERS} headers. Send fewer.", {"limit": MOST_HEADERS}
)
_CODED_BODY = _Refusal(
    415,
    "coded_body",
    "The body must not be compressed: send it without Content-Encoding.",
    {"header": "Content-Encoding"},
)
_TOO_MANY_HEADS = _Refusal(
    503, "too_many_heads", "Too many long requests arrive slowly at the moment. Repeat this one in a few seconds."
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
