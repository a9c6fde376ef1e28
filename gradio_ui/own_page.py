"""Make Gradio's page the page of its reader: the texts in the reader's language, the page's own scripts and links.

Gradio translates labels by the browser's language only (`gr.I18n`), whatever the address asks for. So each label is
made as a mark, `place("ask.button")`, and the marks in the page's configuration become texts when the page is sent.

Two requests of a browser would leave the path under which a proxy publishes the page: Gradio links to the manifest at
the root of the host, and a browser looks there for an icon that the page does not link to. All other links are
relative, or start with the root path.
"""

from __future__ import annotations

import json
import re
from html import escape
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gradio_ui import render
from gradio_ui.pages import files
from gradio_ui.pages.visit import VISIT, Visit

_MARK: Final = "akin-words:"
_MARKS: Final = re.compile(rf"{_MARK}([a-z_.]+)".encode())
_ABSOLUTE: Final = b'<link rel="manifest" href="/manifest.json" />'
_RELATIVE: Final = b'<link rel="manifest" href="manifest.json" /><link rel="icon" href="favicon.ico" />'
_BODY: Final = re.compile(rb"<body\b[^>]*>")
_LANGUAGE: Final = re.compile(rb'<html\s+lang="en"')


def place(key: str) -> str:
    """Return the mark that becomes a text of the reader's language, or the HTML `masthead` or `try`."""
    return _MARK + key


class OwnPage:
    """Middleware that completes the page; it must be inside of all that compress."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap Gradio's routes."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and change the answer if it is the page."""
        start: Message = {}

        async def change(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            body = _complete(message.get("body", b""), scope[VISIT])
            if start:
                # Gradio sends the page in one piece.
                headers = MutableHeaders(raw=start["headers"])
                headers["content-length"] = str(len(body))
                headers.add_vary_header("Accept-Language")
                await send(start)
                start = {}
            await send({**message, "body": body})

        await self._app(scope, receive, change if scope["type"] == "http" and scope["path"] == "/" else send)


def _complete(body: bytes, visit: Visit) -> bytes:
    body = body.replace(_ABSOLUTE, _RELATIVE + _head(visit).encode(), 1)
    body = _LANGUAGE.sub(f'<html lang="{visit.language}"'.encode(), body, count=1)
    body = _BODY.sub(lambda tag: tag[0] + _without_scripts(visit).encode(), body, count=1)
    return _MARKS.sub(lambda mark: _in_json(_text(mark[1].decode(), visit)), body)


def _head(visit: Visit) -> str:
    # The address contains the query, which must not be sent to the sites that the results link to.
    return (
        '<meta name="referrer" content="same-origin"><meta name="color-scheme" content="light dark">'
        f'<script type="application/json" id="akin-words">{visit.words.script()}</script>'
        f'<script src="{files.address("search.js")}"></script>'
    )


def _without_scripts(visit: Visit) -> str:
    """Return what readers see instead of the search page if scripts are off; the other pages work without them."""
    text = visit.words
    link = f'<a href="{escape(visit.link("map"))}">{escape(text("navigation.map"))}</a>'
    return f"<noscript><h1>Akin</h1><p>{escape(text('ask.noscript'))} {link}</p></noscript>"


def _text(key: str, visit: Visit) -> str:
    if key == "masthead":
        return render.masthead(visit)
    if key == "try":
        return render.examples(visit) + render.under_the_box(visit.words)
    return visit.words(key)


def _in_json(text: str) -> bytes:
    """Return a text as it stands in a JSON string within a script of HTML."""
    written = json.dumps(text)[1:-1]
    for letter in "<>&'":
        written = written.replace(letter, f"\\u{ord(letter):04x}")
    return written.encode()
