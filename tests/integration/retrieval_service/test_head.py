"""Test that HEAD is answered wherever GET is, with the same status and headers."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient


@pytest.mark.parametrize(
    "path",
    [
        "/health",
        "/health/live",
        "/health/ready",
        "/corpus",
        "/papers/2001.10001",
        "/papers/9999.99999",
        "/papers/2001.10001/citation?format=ris",
        "/search?q=word&k=1",
        "/export?q=word&k=1&format=csv",
        "/search?qery=word",
        "/docs",
        "/openapi.json",
        "/nowhere",
    ],
)
def test_head_has_the_status_and_the_headers_of_get(client: TestClient, path: str) -> None:
    get, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


def test_head_is_refused_where_get_is(client: TestClient) -> None:
    assert client.head("/embed").status_code == client.get("/embed").status_code == 405
