"""Answer errors in the form of both servers: `{"error": {"code", "message", "detail"}}`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Send


def error_body(code: str, message: str, detail: object = None) -> dict[str, object]:
    """Return the body of an error.

    Args:
        code: The error's name, for programs.
        message: The error's text, for readers.
        detail: Further data for programs, ready for JSON.
    """
    return {"error": {"code": code, "message": message, "detail": detail}}


async def refuse(
    send: Send, status: int, body: Mapping[str, object] | str, headers: Iterable[tuple[str, str]] = ()
) -> None:
    """Answer a request in place of the application.

    Args:
        send: ASGI function of the request.
        status: The HTTP status.
        body: An object to send as JSON, or plain text.
        headers: Further headers.
    """
    plain = isinstance(body, str)
    content = body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()
    own = [("content-type", "text/plain; charset=utf-8" if plain else "application/json"), *headers]
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-length", str(len(content)).encode()),
                *((name.lower().encode(), value.encode()) for name, value in own),
            ],
        }
    )
    await send({"type": "http.response.body", "body": content})
