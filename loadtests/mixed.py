"""Requests of every kind that the service and the page answer, in one mix, for long runs."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from loadtests.queries import QuerySource
from loadtests.requests import failure_reason
from loadtests.service import Target

MODES = ("hybrid", "dense", "lexical")
_LONGEST_IN_ADDRESS = 1_000


class MixedRequest(NamedTuple):
    """Request to the service, or to the page: its kind, method, path, and JSON body (empty if it has none).

    `search` is true for a search through the page's queue, whose answer comes in a second request.
    """

    kind: str
    method: str
    path: str
    body: bytes = b""
    page: bool = False
    search: bool = False


class MixedTraffic:
    """Endless supply of requests of all kinds, by their weights, the same for the same seed."""

    def __init__(self, queries: QuerySource, ids: list[str], target: Target, *, seed: int, page: bool) -> None:
        """Set what the requests are made from.

        Args:
            queries: The source of texts.
            ids: Ids of papers that every snapshot of the run has.
            target: The service's facts.
            seed: The seed of the mix.
            page: True if the page gets requests too.
        """
        self._queries = queries
        self._ids = ids
        self._categories = list(target.categories)[:20]
        self._years = target.years
        self._random = random.Random(seed)
        self._made = 0
        kinds = KINDS if page else {kind: weight for kind, weight in KINDS.items() if not kind.startswith("page")}
        self._kinds, self._weights = list(kinds), list(kinds.values())

    def next(self) -> MixedRequest:
        """Return the next request."""
        self._made += 1
        [kind] = self._random.choices(self._kinds, self._weights)
        made: MixedRequest = _MAKERS[kind](self, kind)
        return made

    def text(self) -> str:
        """Return a short text."""
        return self._queries.short()[:_LONGEST_IN_ADDRESS]

    def long(self) -> str:
        """Return a long text."""
        return self._queries.long()

    def some_ids(self, count: int) -> list[str]:
        """Return ids of papers."""
        return self._random.sample(self._ids, min(count, len(self._ids)))

    def filters(self) -> dict[str, Any]:
        """Return one filter or two."""
        found: dict[str, Any] = {}
        if self._categories:
            found["categories"] = [self._random.choice(self._categories)]
        if self._years and (not found or self._random.random() < 0.5):
            found["from"] = str(self._random.randint(*self._years))
        return found

    def offset(self) -> int:
        """Return the offset of a later page."""
        return 10 * self._random.randint(1, 9)

    def mode(self) -> str:
        """Return a mode of searches."""
        return self._random.choice(MODES)

    def session(self) -> str:
        """Return the name of a session of the page that no other request has."""
        return f"soak{self._made}x{self._random.randrange(16**8):08x}"


def failure_of(request: MixedRequest, status: int, content: bytes | None) -> str:
    """Return the reason why an answer counts as failed; empty if it does not."""
    wrong = failure_reason(status, content)
    content = content or b""
    if not wrong and request.kind == "tool" and b'"isError":true' in content.replace(b" ", b""):
        return "the tool answers with an error"
    if not wrong and request.kind == "several searches":
        return "" if all(each["status"] == 200 for each in json.loads(content)["answers"]) else "one of several failed"
    if not wrong and request.search and b'"success":true' not in content.replace(b" ", b""):
        return "the page's search failed"
    return wrong


def _search(kind: str, **body: Any) -> MixedRequest:
    return _post(kind, "/search", {"k": 10, **body})


def _post(kind: str, path: str, body: Mapping[str, Any], *, page: bool = False) -> MixedRequest:
    return MixedRequest(kind, "POST", path, json.dumps(body).encode(), page=page)


def _get(kind: str, path: str, *, page: bool = False, **query: Any) -> MixedRequest:
    return MixedRequest(kind, "GET", f"{path}?{urlencode(query)}" if query else path, page=page)


def _paper(traffic: MixedTraffic) -> str:
    return f"/papers/{quote(traffic.some_ids(1)[0])}"


def _tool(traffic: MixedTraffic, kind: str) -> MixedRequest:
    arguments = {"query": traffic.text()}
    call = {"name": "search_papers", "arguments": arguments}
    return _post(kind, "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call})


def _page_search(traffic: MixedTraffic, kind: str) -> MixedRequest:
    # The inputs of the page's search in their order: query, mode, categories, years, withdrawn, results, address, deep.
    data: list[Any] = [traffic.text(), traffic.mode(), [], None, None, True, 10, "", False]
    body = {"data": data, "fn_index": 0, "session_hash": traffic.session(), "event_data": None, "trigger_id": None}
    return MixedRequest(kind, "POST", "/gradio_api/queue/join", json.dumps(body).encode(), page=True, search=True)


_Maker = Callable[[MixedTraffic, str], MixedRequest]
_ALL: dict[str, tuple[float, _Maker]] = {
    "hybrid search": (14, lambda t, kind: _search(kind, query=t.text())),
    "dense search": (6, lambda t, kind: _search(kind, query=t.text(), mode="dense")),
    "lexical search": (6, lambda t, kind: _search(kind, query=t.text(), mode="lexical")),
    "abstract": (6, lambda t, kind: _search(kind, abstract=t.long())),
    "filtered search": (8, lambda t, kind: _search(kind, query=t.text(), **t.filters())),
    "later page": (6, lambda t, kind: _search(kind, query=t.text(), offset=t.offset())),
    "highlights, facets": (4, lambda t, kind: _search(kind, query=t.text(), highlight=True, facets=True)),
    "paper": (6, lambda t, kind: _get(kind, _paper(t))),
    "similar": (4, lambda t, kind: _get(kind, f"{_paper(t)}/similar", k=10)),
    "neighbourhood": (1, lambda t, kind: _get(kind, f"{_paper(t)}/neighbourhood", k=20)),
    "embed": (5, lambda t, kind: _post(kind, "/embed", {"abstract": t.long()})),
    "embeddings": (1, lambda t, kind: _post(kind, "/embeddings", {"input": [t.text() for _ in range(12)]})),
    "export": (2, lambda t, kind: _post(kind, "/export", {"query": t.text(), "format": "jsonl", "k": 100})),
    "citations": (2, lambda t, kind: _post(kind, "/citations", {"ids": t.some_ids(20)})),
    "feed": (3, lambda t, kind: _get(kind, "/feed", q=t.text())),
    "list": (3, lambda t, kind: _post(kind, "/papers", {"ids": t.some_ids(30)})),
    "missing of a list": (1, lambda t, kind: _post(kind, "/lists/missing", {"ids": t.some_ids(5), "k": 5})),
    "several searches": (
        2,
        lambda t, kind: _post(kind, "/searches", {"searches": [{"query": t.text(), "k": 3} for _ in range(4)]}),
    ),
    "references": (1, lambda t, kind: _post(kind, "/references/resolve", {"text": "\n".join(t.some_ids(5))})),
    "tool": (2, _tool),
    "health": (3, lambda t, kind: _get(kind, "/health/ready")),
    "corpus": (2, lambda t, kind: _get(kind, "/corpus")),
    "page": (3, lambda t, kind: _get(kind, "/", page=True)),
    "page, paper": (3, lambda t, kind: _get(kind, f"/paper/{quote(t.some_ids(1)[0])}", page=True)),
    "page, list": (1, lambda t, kind: _post(kind, "/list/papers", {"ids": t.some_ids(10)}, page=True)),
    "page, export": (1, lambda t, kind: _get(kind, "/export/bibtex", page=True, q=t.text())),
    "page, search": (5, _page_search),
}
KINDS = {kind: weight for kind, (weight, _) in _ALL.items()}
"""Weights of the kinds of requests."""
_MAKERS = {kind: maker for kind, (_, maker) in _ALL.items()}
