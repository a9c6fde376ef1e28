"""Test that cursors lead through a whole ranking, and hold for their request and their snapshot only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.integration.service import client_of


def search(client: TestClient, **asked: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.post("/v1/search", json=asked).json()
    assert "error" not in answer, answer
    return answer


def pages(client: TestClient, **asked: Any) -> list[list[str]]:
    found, cursor = [], None
    while True:
        answer = search(client, **asked, **({"cursor": cursor} if cursor else {}))
        found.append([result["id"] for result in answer["results"]])
        assert answer["offset"] == sum(map(len, found[:-1]))
        cursor = answer["next_cursor"]
        if cursor is None:
            return found


def query_of(corpus: Any) -> str:
    return " ".join(corpus.papers[3].abstract.split()[:6])


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"mode": "dense"},
        {"mode": "lexical"},
        {"collapse": False},
        {"categories": "cs.LG", "k": 33},
        {"sort": "newest"},
        {"sort": "recent", "diversity": 0.5, "highlight": True},
    ],
)
def test_cursors_reach_the_end_of_the_ranking(client: TestClient, corpus: Any, more: dict[str, Any]) -> None:
    asked = {"query": query_of(corpus), "k": 100, **more}
    found = pages(client, **asked)
    ids = [each for page in found for each in page]
    assert len(set(ids)) == len(ids)
    assert {len(page) for page in found[:-1]} <= {asked["k"]}
    for at in range(0, min(len(ids), 1000), 100):
        offsets = search(client, **{**asked, "k": 10, "offset": at})
        assert [result["id"] for result in offsets["results"]] == ids[at : at + 10]
    if more.get("mode") == "dense":
        assert len(ids) == 1300  # deeper than any offset may be


def test_a_search_by_papers_and_one_by_address_have_cursors_too(client: TestClient) -> None:
    first = client.get("/v1/papers/2001.10001/similar?k=5").json()
    second = client.get("/v1/papers/2001.10001/similar", params={"k": 7, "cursor": first["next_cursor"]}).json()
    whole = client.get("/v1/papers/2001.10001/similar?k=12").json()
    assert [r["id"] for r in [*first["results"], *second["results"]]] == [r["id"] for r in whole["results"]]


def test_few_results_have_no_cursor(client: TestClient) -> None:
    assert search(client, query="word", ids=["2001.10001", "2001.10002"], mode="dense")["next_cursor"] is None
    exact = search(client, query="word", ids=["2001.10001", "2001.10002"], mode="dense", k=2)
    assert (len(exact["results"]), exact["next_cursor"]) == (2, None)


def test_a_cursor_holds_for_its_request_only(client: TestClient) -> None:
    cursor = search(client, query="some words", k=3)["next_cursor"]
    for other in ({"query": "some word"}, {"query": "some words", "mode": "dense"}, {"abstract": "some words"}):
        answer = client.post("/search", json={**other, "cursor": cursor})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_parameter")
        assert "another request" in answer.json()["error"]["message"]
    answer = client.post("/search", json={"query": "some words", "cursor": cursor, "offset": 3})
    assert "either cursor or offset" in answer.json()["error"]["message"]


@pytest.mark.parametrize("cursor", ["", "x", "é" * 32, "A" * 32, "/" * 32, "-_" * 16, "A" * 101, "AAAA\nAAA" * 4, 7])
def test_what_is_no_cursor_is_refused(client: TestClient, cursor: object) -> None:
    answer = client.post("/search", json={"query": "some words", "cursor": cursor})
    assert answer.status_code in (400, 410)
    assert "cursor" in answer.json()["error"]["message"]


def test_a_cursor_of_another_snapshot_has_expired(tmp_path: Path, kit: Any) -> None:
    papers, encoder = kit.papers(80), kit.Encoder()
    kit.build(papers, encoder, tmp_path)
    asked = {"query": " ".join(papers[0].abstract.split()[:5]), "k": 5}
    with client_of(tmp_path, encoder) as client:
        cursor = search(client, **asked)["next_cursor"]
    for change in ({"dense_weight": 0.3}, {}):
        if not change:
            kit.build(papers[:70], encoder, tmp_path)
        with client_of(tmp_path, encoder, **change) as client:
            answer = client.post("/search", json={**asked, "cursor": cursor})
            assert (answer.status_code, answer.json()["error"]["code"]) == (410, "cursor_expired")
