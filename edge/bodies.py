"""Reading a request's body up to a limit, however it is sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Receive, Scope


class BodyTooLong(Exception):
    """The body is longer than the limit; the rest of it was not read."""


class BodyTooSlow(Exception):
    """The body did not arrive in time."""


class ClientLeft(BodyTooSlow):
    """The client hung up before the body was whole."""


async def limited_body(scope: Scope, receive: Receive, most: int, seconds: float) -> bytes:
    """Return the whole body.

    Args:
        scope: Of the request.
        receive: Of the request.
        most: Longest body that is read, in bytes.
        seconds: Longest wait for all of it.

    Raises:
        BodyTooLong: `Content-Length` says so, or more arrived; a body sent in chunks has no such header.
        BodyTooSlow: It took longer.
        ClientLeft: The client hung up.
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
                body += message.get("body", b"")
                if len(body) > most:
                    raise BodyTooLong
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise BodyTooSlow from None
