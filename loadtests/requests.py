"""Requests at a constant rate, and the rule for failed answers."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from loadtests.queries import QuerySource

# 5 short searches : 3 long ones : 2 embeddings : 1 health check, in an order without clusters.
_REFERENCE = ("short", "long", "short", "embed", "short", "long", "health", "short", "embed", "long", "short")
# Faster than parsing the answer, on cores that the service needs too; inside a text the quotes are escaped.
_DEGRADED = re.compile(rb'"degraded":\s*"')


class Request(NamedTuple):
    """Request: its kind, method, path, and JSON body (empty if it has none)."""

    kind: str
    method: str
    path: str
    body: bytes


class Requests:
    """Endless supply of requests."""

    def __init__(self, wanted: str, mode: str, queries: QuerySource) -> None:
        """Set the kind of the requests.

        Args:
            wanted: `short`, `long` (searches), `embed`, or `reference` (the mix of them).
            mode: The mode of the searches: `hybrid`, `dense` or `lexical`.
            queries: The source of their texts.
        """
        self._kinds = _REFERENCE if wanted == "reference" else (wanted,)
        self._mode = mode
        self._queries = queries
        self._made = 0

    def next(self) -> Request:
        """Return the next request."""
        kind = self._kinds[self._made % len(self._kinds)]
        self._made += 1
        if kind == "health":
            return Request("health", "GET", "/health", b"")
        if kind == "embed":
            return Request("embed", "POST", "/embed", _json({"abstract": self._queries.long()}))
        text = self._queries.short() if kind == "short" else self._queries.long()
        return Request(f"{kind} search", "POST", "/search", _json({"query": text, "k": 10, "mode": self._mode}))


def failure_reason(status: int, content: bytes | None) -> str:
    """Return the reason why an answer counts as failed; empty if it does not.

    A search that was answered by one half only counts as failed: it is fast because it did less.
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
    """Return the service's error code."""
    try:
        return str(json.loads(content)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()
