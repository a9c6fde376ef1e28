"""Ask the HTTP API, inside the service or from another process, and explain its errors to a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class ToolError(Exception):
    """Failure of a tool; the message names the reason and the next step."""


@dataclass(frozen=True)
class Reply:
    """Answer of the API.

    Attributes:
        status: Its HTTP status.
        content: Its body.
        retry_after: Seconds after which a refused request should be repeated; empty if it need not be.
    """

    status: int
    content: bytes
    retry_after: str = ""

    def text(self) -> str:
        """Return the body as text.

        Raises:
            ToolError: The API refused the request.
        """
        text = self.content.decode("utf-8", "replace")
        if self.status < 400:
            return text
        try:
            message = str(json.loads(text)["error"]["message"])
        except (ValueError, KeyError, TypeError):
            message = f"The service answered with HTTP status {self.status}."
        raise ToolError(f"{message} Repeat the call after {self.retry_after} s." if self.retry_after else message)

    def json(self) -> dict[str, Any]:
        """Return the body as an object.

        Raises:
            ToolError: The API refused the request, or the answer is not an object of JSON.
        """
        text = self.text()
        try:
            content = json.loads(text)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise ToolError("What answers is not Akin's service: check its address.")
        return content


class Ask(Protocol):
    """Sends a request to the API; a body makes it a POST of JSON."""

    async def __call__(self, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        """Return the answer.

        Raises:
            ToolError: No service answers.
        """
