"""Wrong requests of every kind are answered with a 4xx in the one shape, never with a 5xx."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

JSON = "application/json"

WRONG: list[dict[str, Any]] = [
    *({"k": 0}, {"k": -1}, {"k": 10_000}, {"k": "ten"}, {"k": True}, {"k": None}, {"k": 2.5}, {"k": 10**30}),
    *({"mode": "magic"}, {"q": "b"}, {"like": "2001.10001"}, {"kk": 3}, {"nprobe": -5}, {"nprobe": 5000}),
    *({"search_effort": 0}, {"search_effort": 3, "nprobe": 4}, {"offset": -1}, {"offset": 1001}),
    *({"from": "yesterday"}, {"from": "2020-02-30"}, {"from": "2021", "to": "2020"}, {"from": 2020}),
    *({"categories": [1]}, {"categories": {"cs": 1}}, {"categories": ["cs.LG"] * 1000}),
]
"""Wrong parameters beside a query."""

CASES = [
    *(("POST", "/search", {"query": "a", **wrong}, 400, "invalid_parameter") for wrong in WRONG),
    ("POST", "/search", {"query": ""}, 400, "blank_query"),
    ("POST", "/search", {"query": "   \n"}, 400, "blank_query"),
    ("POST", "/search", {"query": "\u0000\u0007"}, 400, "blank_query"),
    ("POST", "/search", {"query": "\u200b?!"}, 400, "blank_query"),
    ("POST", "/search", {"query": '"'}, 400, "blank_query"),
    ("POST", "/search", {"query": "x " * 20_000}, 400, "query_too_long"),
    ("POST", "/search", {"query": "a\u0000b", "k": 1, "mode": "none"}, 400, "invalid_parameter"),
    ("POST", "/search", {"query": ["a"]}, 400, "invalid_parameter"),
    ("GET", "/search?q=a&search_effort=3&nprobe=4", None, 400, "invalid_parameter"),
    ("GET", "/papers/2001.10001/similar?search_effort=x", None, 400, "invalid_parameter"),
    ("POST", "/search", {"query": "a", "categories": ["cs.QQ"]}, 400, "unknown_category"),
    ("POST", "/search", {"query": "a", "categories": "zz.*"}, 400, "unknown_category"),
    ("POST", "/search", {"like": []}, 400, "blank_query"),
    ("POST", "/search", {"like": [""]}, 400, "invalid_parameter"),
    ("POST", "/search", {"like": "9999.99999"}, 404, "unknown_paper"),
    ("POST", "/search", {"like": ["x"] * 1001}, 400, "invalid_parameter"),
    ("POST", "/search", {"query": "https://arxiv.org/abs/1706.03762v5"}, 404, "unknown_paper"),
    ("POST", "/search", {}, 400, "blank_query"),
    ("POST", "/search", b"{not json", 400, "invalid_json"),
    ("POST", "/search", b"", 400, "invalid_json"),
    ("POST", "/search", b"[" * 100_000, 400, "invalid_json"),
    ("POST", "/search", b'{"query": "\\ud800"}', 400, "invalid_json"),
    ("POST", "/search", b'{"query": "\xff"}', 400, "invalid_json"),
    ("POST", "/search", b'{"query": "' + b"a" * (1 << 20) + b'"}', 413, "body_too_large"),
    ("POST", "/search", [1, 2], 400, "invalid_json"),
    ("POST", "/embed", {}, 400, "blank_query"),
    ("POST", "/embed", {"abstract": ""}, 400, "blank_query"),
    ("POST", "/embed", {"abstract": 7}, 400, "invalid_parameter"),
    ("POST", "/embed", {"abstract": "a", "query": "b"}, 400, "invalid_parameter"),
    ("POST", "/embed", {"abstract": "a", "input_type": "title"}, 400, "invalid_parameter"),
    ("POST", "/embed", {"abstract": "a", "input_type": 1}, 400, "invalid_parameter"),
    ("POST", "/search", {"abstract": "a", "q": "b"}, 400, "invalid_parameter"),
    ("GET", "/embed", None, 405, "method_not_allowed"),
    ("GET", "/papers/nonsense", None, 404, "unknown_paper"),
    ("GET", "/papers/a%00b", None, 404, "unknown_paper"),
    ("GET", "/papers/%FF%FE", None, 404, "unknown_paper"),
    ("GET", "/papers/9999.99999", None, 404, "unknown_paper"),
    ("GET", "/papers/9999.99999/similar", None, 404, "unknown_paper"),
    ("GET", "/papers/2001.10001/similar?k=0", None, 400, "invalid_parameter"),
    ("GET", "/papers/2001.10001/similar?query=a", None, 400, "invalid_parameter"),
    ("GET", "/search", None, 400, "blank_query"),
    ("GET", "/search?q=a&k=0", None, 400, "invalid_parameter"),
    ("GET", "/search?q=a&q=b", None, 400, "invalid_parameter"),
    ("GET", "/search?q=%00", None, 400, "blank_query"),
    ("DELETE", "/search", None, 405, "method_not_allowed"),
    ("GET", "/nowhere", None, 404, "not_found"),
]


def send(client: TestClient, method: str, path: str, body: Any, kind: str = JSON) -> tuple[int, dict[str, Any]]:
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    answer = client.request(method, path, content=content, headers={"content-type": kind})
    return answer.status_code, answer.json()


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), CASES)
def test_wrong_requests_are_refused(
    client: TestClient, method: str, path: str, body: Any, status: int, code: str
) -> None:
    answered, content = send(client, method, path, body)
    assert (answered, content["error"]["code"]) == (status, code)
    assert content["error"].keys() == {"code", "message", "detail"}
    assert content["error"]["message"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_other_content_types_are_refused(client: TestClient, kind: str) -> None:
    status, content = send(client, "POST", "/search", b'{"query": "a"}', kind)
    assert (status, content["error"]["code"]) == (415, "unsupported_media_type")


def test_the_likely_name_is_suggested(client: TestClient) -> None:
    assert send(client, "POST", "/search", {"query": "a", "categoris": "cs.LG"})[1]["error"]["detail"]["near"] == [
        "categories"
    ]
    near = send(client, "POST", "/search", {"query": "a", "categories": ["cs.LGG"]})[1]["error"]["detail"]["near"]
    assert near[0] == "cs.LG"


@pytest.mark.parametrize(
    "query",
    ["a\u0000b\u001b[31m", "\ufeff\u200b graph", "🜁 ∮ \\frac{a}{b}", "AND OR NOT (", "title:x^2~*?", "a" * 20_000],
)
def test_odd_words_are_searched(client: TestClient, query: str) -> None:
    for mode in ("hybrid", "lexical", "dense"):
        status, content = send(client, "POST", "/search", {"query": query, "mode": mode})
        assert status == 200, content


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(["query", "q", "like", "k", "offset", "mode", "categories", "from", "to", "nprobe", "odd"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=5,
        ),
        max_size=5,
    )
)
def test_no_body_breaks_the_service(client: TestClient, body: dict[str, Any]) -> None:
    status, content = send(client, "POST", "/search", body)
    assert status == 200 or (400 <= status < 500 and content["error"]["code"])
