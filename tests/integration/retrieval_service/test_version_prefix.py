"""Test that a path with `/v1` and the same path without it cannot be told apart by their answers."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.integration.service import client_of

PATHS = ("/search?q=some+words&k=3", "/papers/2001.10001", "/papers/2001.10001/similar?k=2", "/corpus", "/nowhere")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_both_paths_have_one_answer(client: TestClient, method: str, path: str) -> None:
    plain, prefixed = client.request(method, path), client.request(method, f"/v1{path}")
    assert prefixed.status_code == plain.status_code
    for name in ("content-type", "etag", "cache-control", "allow", "content-security-policy"):
        assert prefixed.headers.get(name) == plain.headers.get(name)
    if method == "GET" and "search" not in path and "similar" not in path:  # these have timings
        assert prefixed.content == plain.content


def test_a_tag_of_one_path_holds_for_the_other(client: TestClient) -> None:
    tag = client.get(PATHS[0]).headers["etag"]
    assert client.get(f"/v1{PATHS[0]}", headers={"if-none-match": tag}).status_code == 304


def test_the_limit_of_a_body_is_the_same(client: TestClient) -> None:
    for path in ("/search", "/v1/search"):
        answer = client.post(path, json={"query": "a" * (1 << 20)})
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


def test_both_paths_count_for_one_rate_and_one_label(corpus: Any) -> None:
    with client_of(corpus.data, corpus.encoder, rate_limit=0.001, rate_burst=2) as client:
        paths = ("/search?q=a", "/v1/search?q=a", "/v1/search?q=a", "/v1/health", "/v1/docs")
        assert [client.get(path).status_code for path in paths] == [200, 200, 429, 200, 200]
        counted = client.app.state.metrics.requests  # type: ignore[attr-defined]
        routes = {sample.labels["route"] for family in counted.collect() for sample in family.samples}
        assert "/search" in routes
        assert not any(route.startswith("/v1") for route in routes)


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/v1/corpus", "/v1corpus", "/v10/corpus", "/v2/corpus"])
def test_other_prefixes_are_nothing(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
