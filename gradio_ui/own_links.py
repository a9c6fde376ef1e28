"""Keep the links of Gradio's page below the path under which a proxy publishes it.

Two requests of a browser would leave that path: Gradio links to the manifest at the root of the host, and a browser
looks there for an icon that the page does not link to. All other links are relative, or start with the root path.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ABSOLUTE: Final = b'<link rel="manifest" href="/manifest.json" />'
_RELATIVE: Final = b'<link rel="manifest" href="manifest.json" /><link rel="icon" href="favicon.ico" />'


class OwnLinks:
    """Middleware that makes the page's links relative; it must be inside of all that compress."""

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
            body: bytes = message.get("body", b"").replace(_ABSOLUTE, _RELATIVE, 1)
            if start:
                # Gradio sends the page in one piece.
                MutableHeaders(raw=start["headers"])["content-length"] = str(len(body))
                await send(start)
                start = {}
            await send({**message, "body": body})

        await self._app(scope, receive, change if scope["type"] == "http" and scope["path"] == "/" else send)
