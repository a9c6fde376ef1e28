"""What is asked at a constant rate, and when an answer is a failure."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from loadtests.queries import QuerySource

# 5 short searches : 3 long ones : 2 embeddings : 1 look at the health, in an order without clusters.
_REFERENCE = ("short", "long", "short", "embed", "short", "long", "health", "short", "embed", "long", "short")
# Quicker than reading the whole answer, on the cores that the service needs; inside a text the quotes are escaped.
_DEGRADED = re.compile(rb'"degraded":\s*"')


class Request(NamedTuple):
    """A request to be sent: its kind, method, path, and JSON body (empty if it has none)."""

    kind: str
    method: str
    path: str
    body: bytes


class Requests:
    """An endless supply of requests."""

    def __init__(self, wanted: str, mode: str, queries: QuerySource) -> None:
        """Chooses what is asked.

        Args:
            wanted: `short`, `long` (searches), `embed`, or `reference` (the mix of them).
            mode: Of the searches: `hybrid`, `dense` or `lexical`.
            queries: What their texts are drawn from.
        """
        self._kinds = _REFERENCE if wanted == "reference" else (wanted,)
        self._mode = mode
        self._queries = queries
        self._made = 0

    def next(self) -> Request:
        """The next one."""
        kind = self._kinds[self._made % len(self._kinds)]
        self._made += 1
        if kind == "health":
            return Request("health", "GET", "/health", b"")
        if kind == "embed":
            return Request("embed", "POST", "/embed", _json({"abstract": self._queries.long()}))
        text = self._queries.short() if kind == "short" else self._queries.long()
        return Request(f"{kind} search", "POST", "/search", _json({"query": text, "k": 10, "mode": self._mode}))


def failure_reason(status: int, content: bytes | None) -> str:
    """What is wrong with an answer; empty if nothing.

    A search that was answered by one half alone counts as failed: it is fast because it did less.
    """
    content = content or b""
    if status == 0:
        return "no answer"
    if status != 200:
        return f"{status} {_code(content)}".strip()
    if _DEGRADED.search(content):
        return "degraded answer"
    return ""


def _code(content: bytes) -> str:
    """The service's own word for an error."""
    try:
        return str(json.loads(content)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()
