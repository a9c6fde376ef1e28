"""Routes of citations."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

KINDS = {
    "bibtex": ("application/x-bibtex; charset=utf-8", "@misc{"),
    "ris": ("application/x-research-info-systems; charset=utf-8", "TY  - "),
    "csl-json": ("application/vnd.citationstyles.csl+json; charset=utf-8", "[\n"),
}


@pytest.mark.parametrize("form", KINDS)
def test_one_and_several_papers(client: TestClient, form: str) -> None:
    kind, start = KINDS[form]
    one = client.get(f"/papers/arXiv:2001.10001v1/citation?format={form}")
    assert (one.status_code, one.headers["content-type"]) == (200, kind)
    assert one.text.startswith(start)
    assert "2001.10001" in one.text
    several = client.post("/citations", json={"ids": ["2001.10001"], "format": form})
    assert (several.headers["content-type"], several.text) == (kind, one.text)


def test_bibtex_is_the_default(client: TestClient) -> None:
    assert client.get("/papers/2001.10001/citation").text.startswith("@misc{")


def test_unknown_papers_are_named(client: TestClient) -> None:
    answer = client.post("/citations", json={"ids": ["2001.10001", "9912.00001", "hep-th/9901001"]})
    assert answer.status_code == 404
    assert answer.json()["error"]["detail"]["ids"] == ["9912.00001", "hep-th/9901001"]
    answer = client.get("/papers/hep-th/9901001/citation")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_paper")


@pytest.mark.parametrize("body", [{"ids": []}, {"ids": ["x"] * 1001}, {}, {"ids": ["2001.10001"], "format": "word"}])
def test_wrong_requests_are_refused(client: TestClient, body: dict[str, object]) -> None:
    answer = client.post("/citations", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_parameter")
    if "format" in body:
        assert all(name in answer.json()["error"]["message"] for name in KINDS)


def test_a_citation_that_the_client_has_is_not_sent_again(client: TestClient) -> None:
    address = "/papers/2001.10001/citation"
    first = client.get(address)
    assert first.headers["cache-control"] == client.get("/papers/2001.10001").headers["cache-control"]
    known = {"if-none-match": first.headers["etag"]}
    assert client.get(address, headers=known).status_code == 304
    assert client.get(f"{address}?format=bibtex", headers=known).status_code == 304
    for other in (f"{address}?format=ris", "/papers/2001.10002/citation"):
        assert client.get(other, headers=known).status_code != 304
    several = client.post("/citations", json={"ids": ["2001.10001"]}, headers=known)
    assert (several.status_code, "etag" in several.headers) == (200, False)
