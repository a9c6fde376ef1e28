"""Remember whose request is being answered, so that the service can limit the rate of each reader."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

HEADER: Final = "Akin-Reader"
"""Header with the address of a reader, which the service believes from the page alone."""

_address: ContextVar[str] = ContextVar("reader", default="")


class Reader:
    """Middleware that remembers the address of a request's client while it is answered."""

    def __init__(self, app: Any) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and scope.get("client"):
            remember(scope["client"][0])
        await self._app(scope, receive, send)


def remember(address: str | None) -> None:
    """Take the address of the reader for whom the present task works; it ends with the task."""
    _address.set(address or "")


def headers() -> dict[str, str]:
    """Return the header for a request to the service; none if it is for no reader in particular."""
    address = _address.get()
    return {HEADER: address} if address.isascii() and address.isprintable() and address else {}
