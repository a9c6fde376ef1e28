"""Read the body of a request up to a limit of length and time.

Starlette's own limit is not used: it replaces the answer to a too long body by plain text, and has no time limit.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Receive, Scope


class BodyTooLong(Exception):
    """Body longer than the limit; the rest of it was not read."""


class SlowBody(Exception):
    """Body that did not arrive in time."""


class TooManyBodies(Exception):
    """Body for which there is no room, as those that arrive at the same time fill what all may have together."""


class ClientLeft(SlowBody):
    """Body that is not complete, as the client closed the connection."""


class _Arriving:
    """Bytes of all bodies that arrive at the moment: many slow ones would fill the memory within their own limits."""

    most = 256 << 20
    held = 0


async def limited_body(scope: Scope, receive: Receive, most: int, seconds: float) -> bytes:
    """Return the whole body.

    Args:
        scope: ASGI scope of the request.
        receive: ASGI function of the request.
        most: The longest body, in bytes.
        seconds: The longest wait for the whole body.

    Raises:
        BodyTooLong: `Content-Length`, which a body in chunks lacks, or the body itself exceeds the limit.
        SlowBody: The body took longer.
        ClientLeft: The client closed the connection.
        TooManyBodies: The bodies that arrive at the same time are too long together.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and (len(value) > 18 or int(value) > most):
            raise BodyTooLong
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise ClientLeft
                part = message.get("body", b"")
                body += part
                _Arriving.held += len(part)
                if len(body) > most:
                    raise BodyTooLong
                if _Arriving.held > _Arriving.most:
                    raise TooManyBodies
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise SlowBody from None
    finally:
        _Arriving.held -= len(body)
