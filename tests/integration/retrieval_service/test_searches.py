"""Test several searches in one request: the answers of single ones, errors in place, a turn and a charge for each."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.integration.generated import HashEncoder
from tests.integration.service import client_of

ASKED: list[dict[str, Any]] = [
    {"query": "some words", "k": 4},
    {"q": "other words", "mode": "dense"},
    {"like": "2001.10001", "k": 2},
    {"abstract": "some words", "categories": "cs.LG"},
    {"query": 'au:Erdos -"some words"', "k": 3},
    {"query": "2001.10005"},
]


def several(client: TestClient, asked: Any, status: int = 200) -> Any:
    answer = client.post("/v1/searches", json={"searches": asked})
    assert answer.status_code == status, answer.text
    return answer.json()["answers"] if status == 200 else answer.json()["error"]


def without_timings(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "timings"}


def test_each_answer_is_that_of_the_search_alone(client: TestClient) -> None:
    for one, asked in zip(several(client, ASKED), ASKED, strict=True):
        assert one["status"] == 200
        assert "error" not in one
        assert without_timings(one["answer"]) == without_timings(client.post("/search", json=asked).json())


def test_errors_are_in_their_places(client: TestClient) -> None:
    wrong: list[Any] = [
        {},
        "words",
        {"query": "a", "kk": 1},
        {"like": "9999.99999"},
        None,
        {"query": "a", "cursor": "x"},
    ]
    answers = several(client, [wrong[0], ASKED[0], *wrong[1:]])
    assert [one["status"] for one in answers] == [400, 200, 400, 400, 404, 400, 400]
    assert answers[0]["error"]["code"] == "blank_query"
    assert answers[4]["error"] == client.post("/search", json=wrong[3]).json()["error"]
    assert answers[1]["answer"]["results"]
    assert "answer" not in answers[0]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ([], "searches must have at least 1 item"),
        ([ASKED[0]] * 51, "searches must have at most 50 items"),
        ({"query": "a"}, "searches must be"),
        ([{"query": "a", "k": 100}] * 11, "1100 results together; at most 1000"),
    ],
)
def test_a_request_that_is_too_large_is_refused_as_a_whole(client: TestClient, asked: Any, message: str) -> None:
    assert message in several(client, asked, 400)["message"].replace("tuple", "item")


def test_queries_are_embedded_in_few_calls(corpus: Any) -> None:
    calls: list[list[str]] = []

    class Counting(HashEncoder):
        async def embed_queries(self, texts: Any, input_type: Any = "query") -> Any:
            calls.append(list(texts))
            return self._embed(texts, input_type)

    with client_of(corpus.data, Counting(), watch_seconds=60) as client:
        calls.clear()
        answers = several(client, [{"query": f"word number {n % 12}"} for n in range(16)])
    assert {one["status"] for one in answers} == {200}
    assert len(calls[0]) == 8  # those that run at once; the others come as turns end
    assert len(calls) <= 9
    assert {text for call in calls for text in call} == {f"word number {n}" for n in range(12)}


def test_an_absent_encoder_degrades_each_search_alone(corpus: Any) -> None:
    encoder = HashEncoder()
    with client_of(corpus.data, encoder, watch_seconds=60) as client:
        encoder.away = True
        hybrid, dense, lexical = several(
            client, [{"query": "some words", "mode": m} for m in ("hybrid", "dense", "lexical")]
        )
    assert "away" in hybrid["answer"]["degraded"]
    assert (dense["status"], dense["error"]["code"]) == (503, "encoder_unavailable")
    assert lexical["answer"]["degraded"] is None


def test_each_search_counts_for_the_rate(corpus: Any) -> None:
    with client_of(corpus.data, corpus.encoder, rate_limit=0.5, rate_burst=4) as client:
        assert len(several(client, [ASKED[0]] * 8)) == 8
        refused = client.get("/search?q=a")
        assert refused.status_code == 429
        # Four requests more than the burst, and the one that is refused, at half a request a second.
        assert 8 <= int(refused.headers["retry-after"]) <= 10


def test_each_search_takes_a_turn(corpus: Any) -> None:
    with client_of(corpus.data, corpus.encoder, search_concurrency=1, search_queue=2) as client:
        answers = several(client, [ASKED[0]] * 20)
        assert {one["status"] for one in answers} == {200, 503}
        assert next(one for one in answers if one["status"] == 503)["error"]["code"] == "overloaded"
    with client_of(corpus.data, corpus.encoder, search_concurrency=1, search_queue=8) as client:
        assert {one["status"] for one in several(client, [ASKED[0]] * 20)} == {200}


def test_searches_end_at_the_deadline(client: TestClient) -> None:
    body = {"searches": [ASKED[0]] * 50}
    answer = client.post("/v1/searches", json=body, headers={"akin-timeout": "0.000001"}).json()["answers"]
    assert {one["error"]["code"] for one in answer} == {"deadline_exceeded"}
