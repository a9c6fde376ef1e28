"""Ending an answer that is sent for too long."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


async def limit_stream(app: ASGIApp, scope: Scope, receive: Receive, send: Send, seconds: float) -> None:
    """Have an application answer, and tell it after some time that its client is gone.

    Args:
        app: The application.
        scope: Of the request.
        receive: Of the request.
        send: Of the request; the answer is ended here where the application leaves it open.
        seconds: Longest time of the answer.
    """
    now = asyncio.get_running_loop().time
    late = now() + seconds
    is_open = False

    async def received() -> Message:
        if now() < late:
            try:
                async with asyncio.timeout_at(late):
                    return await receive()
            except TimeoutError:
                pass
        return {"type": "http.disconnect"}

    async def sent(message: Message) -> None:
        nonlocal is_open
        is_open = message["type"] == "http.response.start" or message.get("more_body", False)
        await send(message)

    await app(scope, received, sent)
    if is_open:
        await send({"type": "http.response.body", "body": b""})
