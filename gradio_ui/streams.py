"""Time limit and count of answers that are sent as a stream."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@contextmanager
def count_stream(streams: Counter[str], session: str) -> Iterator[None]:
    """Count a stream of a session as open while the block runs; a session without open streams has no entry."""
    streams[session] += 1
    try:
        yield
    finally:
        streams[session] -= 1
        if not streams[session]:
            del streams[session]


async def limit_stream(app: ASGIApp, scope: Scope, receive: Receive, send: Send, seconds: float) -> None:
    """Run an application, and after some time send it the message that its client has disconnected.

    Args:
        app: The application.
        scope: The request's scope.
        receive: The request's `receive`.
        send: The request's `send`; if the application does not end the answer, it is ended here.
        seconds: The longest time of the answer.
    """
    now = asyncio.get_running_loop().time
    late = now() + seconds
    is_open = False

    async def receive_in_time() -> Message:
        if now() < late:
            try:
                async with asyncio.timeout_at(late):
                    return await receive()
            except TimeoutError:
                pass
        return {"type": "http.disconnect"}

    async def track(message: Message) -> None:
        nonlocal is_open
        is_open = message["type"] == "http.response.start" or message.get("more_body", False)
        await send(message)

    await app(scope, receive_in_time, track)
    if is_open:
        await send({"type": "http.response.body", "body": b""})
