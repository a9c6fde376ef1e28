"""Compress answers for clients that ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware.gzip import GZipMiddleware

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_LEAST = 4096  # bytes; a smaller answer fits a few packets
_LEVEL = 1  # the higher levels take several times as long for a few per cent


class Compression(GZipMiddleware):
    """Middleware that compresses answers of 4 KiB or more with gzip, unless the client does not accept it."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        super().__init__(app, minimum_size=_LEAST, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and compress its answer."""
        if scope["type"] == "http" and _excludes_gzip(scope):
            # Starlette looks for the name alone.
            scope = {**scope, "headers": [each for each in scope["headers"] if each[0] != b"accept-encoding"]}
        await super().__call__(scope, receive, send)


def _excludes_gzip(scope: Scope) -> bool:
    """Return True if a request gives gzip the weight 0."""
    for name, value in scope["headers"]:
        if name == b"accept-encoding" and b"q=0" in value:
            for coding in value.lower().replace(b" ", b"").split(b","):
                kind, _, weight = coding.partition(b";q=")
                if kind in {b"gzip", b"x-gzip"} and not weight.strip(b"0."):
                    return bool(weight)
    return False
