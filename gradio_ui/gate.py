"""Middleware that lets only the page's own requests through to Gradio, and those of the plain pages beside it.

Gradio has some seventy routes: uploads, files, a proxy, recordings, an API, monitoring. The page in a browser uses
those in `_ROUTES`, found by recording all requests of a complete session; all others answer 404. Requests to the queue
are checked here first: their size, their form, and that they are for an event of the page with plain values, because
Gradio would open a path or an address inside a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from akin.edge import BodyTooLong, SlowBody, TooManyBodies, error_body, limited_body, refuse
from gradio_ui.pages.site import Site
from gradio_ui.pages.visit import VISIT, visit_of
from gradio_ui.sessions import NoAnswerPending, Sessions, TooManyPending, TooManyStreams
from gradio_ui.streams import limit_stream
from gradio_ui.values import Values
from gradio_ui.words import Words, choose_language, words

LONGEST_BODY = 512 * 1024
"""Bytes; more than a query of 20,000 characters, each escaped as a pair of \\\\uXXXX, and the address of another."""

_SECONDS_TO_SEND = 10.0
_SECONDS_OF_STREAM = 60.0
_JOIN = "/gradio_api/queue/join"
_DATA = "/gradio_api/queue/data"
_ROUTES = (
    (re.compile(r"/"), ("GET", "HEAD")),
    (re.compile(r"/assets/[A-Za-z0-9_-][A-Za-z0-9_.-]*"), ("GET",)),
    (re.compile(r"/katex/(katex\.min\.(js|css)|fonts/KaTeX_[A-Za-z0-9_-]+\.woff2)"), ("GET",)),
    # A paper's id in any form, which the service reads.
    (re.compile(r"/citation/(bibtex|ris|csl-json)/[^\x00-\x1f]{1,500}"), ("GET",)),
    (re.compile(r"/static/js/iframeResizer\.contentWindow\.min\.js"), ("GET",)),
    (re.compile(r"/static/img/logo_nosize\.svg"), ("GET",)),
    (re.compile(r"/(theme\.css|manifest\.json|favicon\.ico|robots\.txt)"), ("GET",)),
    # Requested after a lost connection, until the page answers again.
    (re.compile(r"/gradio_api/app_id"), ("GET",)),
    (re.compile(re.escape(_JOIN)), ("POST",)),
    (re.compile(re.escape(_DATA)), ("GET",)),
)
_SESSION = r"^[a-z0-9]{1,32}$"
# The rest of a refused body is not read.
_CLOSED = (("connection", "close"),)


class _QueueRequest(BaseModel):
    """Request of the page's script to the queue."""

    model_config = ConfigDict(extra="forbid", strict=True)

    data: list[Any] = Field(max_length=20)
    event_data: None = None
    fn_index: int
    trigger_id: int | None = None
    session_hash: str = Field(pattern=_SESSION)


class Gate:
    """Middleware that passes on the page's own requests, within limits."""

    def __init__(
        self,
        app: ASGIApp,
        sessions: Sessions,
        events: Mapping[int, Values],
        site: Site,
        watch: Callable[[str], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """Put the gate in front of Gradio.

        Args:
            app: Gradio's application.
            sessions: The sessions of Gradio's queue.
            events: The types of values of each event of the page, by the event's number.
            site: The plain pages, which pass with their query; they also answer for addresses that do not exist.
            watch: A context manager that is entered while a session has a stream open.
        """
        self._app = app
        self._sessions = sessions
        self._events = events
        self._watch = watch
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif (own := self._site.methods(scope["path"])) is not None:
            if scope["method"] in own:
                await self._app(scope, receive, send)
            else:
                await _refuse_method(scope, own, send)
        elif (methods := _methods(scope["path"])) is None:
            await self._refuse_route(scope, receive, send)
        elif scope["method"] not in methods:
            await _refuse_method(scope, methods, send)
        elif scope["path"] == _JOIN:
            await self._join(scope, receive, send)
        elif scope["path"] == _DATA:
            await self._stream(scope, receive, send)
        else:
            # Gradio would read the query of the address as options of its own; the page reads the language in it.
            visit = visit_of(HTTPConnection(scope), self._site.root)
            await self._app({**scope, "query_string": b"", VISIT: visit}, receive, send)

    async def _refuse_route(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith("/gradio_api") or scope["method"] not in ("GET", "HEAD"):
            await refuse(send, 404, error_body("not_found", _words(scope)("error.not_found")), _CLOSED)
        else:
            answer = self._site.not_found(scope)
            answer.headers["connection"] = "close"
            await answer(scope, receive, send)

    async def _join(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = _words(scope)
        if not _is_json(scope):
            await _refuse(send, 415, "unsupported_media_type", text("gate.other_script"))
            return
        try:
            content = await limited_body(scope, receive, LONGEST_BODY, _SECONDS_TO_SEND)
            request = _QueueRequest.model_validate_json(content)
            if request.fn_index not in self._events:
                raise ValueError
            for value, kind in zip(request.data, self._events[request.fn_index], strict=True):
                kind.validate_python(value)
            self._sessions.check_pending(request.session_hash)
        except BodyTooLong:
            await _refuse(send, 413, "body_too_large", text("gate.body_too_large", kib=LONGEST_BODY // 1024))
        except SlowBody:
            await _refuse(send, 408, "body_too_slow", text("gate.body_too_slow"))
        except TooManyBodies:
            await _refuse(send, 503, "queue_full", text("gate.queue_full"), [("retry-after", "2")])
        except TooManyPending:
            await _refuse(send, 429, "too_much_under_way", text("gate.too_much"))
        except ValueError:
            await _refuse(send, 422, "not_of_this_page", text("gate.not_of_this_page"))
        else:
            await self._enqueue(request.session_hash, {**scope, "query_string": b""}, _replay(content, receive), send)

    async def _enqueue(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an event to Gradio's queue; if Gradio refuses it, answer with the page's own message."""
        status = 0

        async def forward(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status == 200:
                    await self._sessions.record(session)
            if status == 200:
                await send(message)

        await self._app(scope, receive, forward)
        if status == 503:
            await _refuse(send, 503, "queue_full", _words(scope)("gate.queue_full"), [("retry-after", "2")])
        elif status != 200:
            await _refuse(send, 500, "internal", _words(scope)("gate.internal"))

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        sessions = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [])
        session = sessions[0] if len(sessions) == 1 else ""
        counted = False
        try:
            with self._sessions.stream(session), self._watch(session):
                counted = True
                await limit_stream(self._app, scope, receive, send, _SECONDS_OF_STREAM)
        except NoAnswerPending:
            await _refuse(send, 404, "nothing_under_way", _words(scope)("gate.nothing_pending"))
        except TooManyStreams:
            await _refuse(send, 503, "too_many_readers", _words(scope)("gate.queue_full"), [("retry-after", "2")])
        finally:
            if counted:
                # After an error in Gradio as well: the rest of the session is not fetched then.
                await self._sessions.end_stream(session)


def _methods(path: str) -> tuple[str, ...] | None:
    return next((methods for pattern, methods in _ROUTES if pattern.fullmatch(path)), None)


async def _refuse_method(scope: Scope, methods: Iterable[str], send: Send) -> None:
    message = _words(scope)("gate.method", method=scope["method"][:20])
    await refuse(send, 405, error_body("method_not_allowed", message), [("allow", ", ".join(methods))])


def _words(scope: Scope) -> Words:
    """Return the texts in the language that a request asks for, or, as Gradio's script does not, its page's address."""
    connection = HTTPConnection(scope)
    page = parse_qs(connection.headers.get("referer", "").partition("#")[0].partition("?")[2])
    asked = connection.query_params.get("lang") or page.get("lang", [None])[0]
    return words(choose_language(connection.headers.get("accept-language"), asked))


def _is_json(scope: Scope) -> bool:
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    return [kind.partition(b";")[0].strip().lower() for kind in kinds] == [b"application/json"]


async def _refuse(send: Send, status: int, code: str, message: str, headers: Iterable[tuple[str, str]] = ()) -> None:
    """Refuse a request in the project's form, with the message also in `detail`, which Gradio's script shows."""
    await refuse(send, status, {**error_body(code, message), "detail": message}, [*_CLOSED, *headers])


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that returns the body that was read already, and then the following messages."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
