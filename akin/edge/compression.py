"""Compress answers for clients that ask for it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from starlette.middleware.gzip import GZipMiddleware

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_LEAST = 4096  # bytes; a smaller answer fits a few packets
_LEVEL = 1  # the higher levels take several times as long for a few per cent


class Compression(GZipMiddleware):
    """Middleware that compresses answers of 4 KiB or more with gzip, unless the client does not accept it."""

    def __init__(self, app: ASGIApp, never: Collection[str] = ()) -> None:
        """Wrap an application; answers at the paths `never` are not worth the time that compressing them takes."""
        self._never = frozenset(never)
        super().__init__(app, minimum_size=_LEAST, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and compress its answer."""
        if scope["type"] == "http" and scope["path"] in self._never:
            await self.app(scope, receive, send)
            return
        if scope["type"] == "http":
            asked = b",".join(value for name, value in scope["headers"] if name == b"accept-encoding")
            if asked:
                # Starlette looks for the name alone, in small letters.
                others = [each for each in scope["headers"] if each[0] != b"accept-encoding"]
                coding = b"gzip" if _accepts_gzip(asked.decode("latin-1")) else b"identity"
                scope = {**scope, "headers": [*others, (b"accept-encoding", coding)]}
        await super().__call__(scope, receive, send)


def _accepts_gzip(asked: str) -> bool:
    """Return True if a client accepts gzip, and likes no compression no better (RFC 9110, section 12.5.3)."""
    weights: dict[str, float] = {}
    for coding in asked.lower().split(","):
        name, _, weight = coding.partition(";")
        try:
            weights[name.strip()] = float(weight.replace(" ", "").removeprefix("q=") or 1)
        except ValueError:
            weights[name.strip()] = 0
    gzip = next((weights[name] for name in ("gzip", "x-gzip", "*") if name in weights), 0)
    return gzip > 0 and gzip >= weights.get("identity", 0)
