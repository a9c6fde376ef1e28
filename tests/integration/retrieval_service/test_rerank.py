"""Test the route that reranks texts, in the forms of Cohere's clients and of TEI's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from retrieval_service.app import create_app
from retrieval_service.errors import EncoderUnavailable
from retrieval_service.settings import Settings
from tests.integration.generated import OneEncoder

TEXTS = ["dust and gas", "graphs", "graphs of graphs", "dust"]


class CountsGraphs:
    """Reranker whose score is the number of graphs in a text, minus one."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.away = False

    async def is_ready(self) -> bool:
        return True

    async def score(self, query: str, passages: Sequence[str], seconds: float) -> Any:
        if self.away:
            raise EncoderUnavailable("The reranker is away.")
        self.calls.append(len(passages))
        return np.asarray([passage.count(query) - 1 for passage in passages], np.float32)


@pytest.fixture
def reranker() -> CountsGraphs:
    return CountsGraphs()


@pytest.fixture
def ranked(corpus: Any, reranker: CountsGraphs) -> Iterator[TestClient]:
    app = create_app(Settings(data=corpus.data), OneEncoder(corpus.encoder), reranker)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
def test_documents_are_answered_in_coheres_form(ranked: TestClient, path: str) -> None:
    asked = {"model": "reranker", "query": "graphs", "documents": TEXTS, "top_n": 3, "max_tokens_per_doc": 99}
    answer = ranked.post(path, json=asked).json()
    assert [each["index"] for each in answer["results"]] == [2, 1, 0]
    sigmoid = [1 / (1 + np.exp(-score)) for score in (1, 0, -1)]
    assert [each["relevance_score"] for each in answer["results"]] == pytest.approx(sigmoid)
    assert not any("document" in each for each in answer["results"])
    repeated = ranked.post(path, json={**asked, "return_documents": True}).json()["results"]
    assert [each["document"] for each in repeated] == [{"text": TEXTS[at]} for at in (2, 1, 0)]


def test_documents_may_be_objects_with_a_text(ranked: TestClient) -> None:
    asked = {"query": "graphs", "documents": [{"text": "dust"}, {"text": "graphs"}, "graphs graphs"]}
    assert [each["index"] for each in ranked.post("/v1/rerank", json=asked).json()["results"]] == [2, 1, 0]


def test_texts_are_answered_in_teis_form(ranked: TestClient) -> None:
    asked = {"query": "graphs", "texts": TEXTS, "truncate": True}
    answer = ranked.post("/rerank", json=asked).json()
    assert [(each["index"], each["score"]) for each in answer[:2]] == [(2, pytest.approx(0.7310586)), (1, 0.5)]
    raw = ranked.post("/rerank", json={**asked, "raw_scores": True, "return_text": True}).json()
    assert raw[0] == {"index": 2, "score": 1.0, "text": TEXTS[2]}


def test_many_texts_are_scored_in_short_calls(ranked: TestClient, reranker: CountsGraphs) -> None:
    answer = ranked.post("/rerank", json={"query": "graphs", "texts": [f"graphs {n}" for n in range(1000)]}).json()
    assert [each["index"] for each in answer] == list(range(1000))
    assert max(reranker.calls) == 32
    assert sum(reranker.calls) == 1000


@pytest.mark.parametrize(
    ("wrong", "status", "message"),
    [
        ({}, 400, "neither is given"),
        ({"documents": []}, 400, "neither is given"),
        ({"documents": TEXTS, "texts": TEXTS}, 400, "both is given"),
        ({"documents": ["a", ""]}, 400, "documents[1] is blank"),
        ({"documents": [{"title": "a"}]}, 400, "documents[0] must be a text"),
        ({"texts": ["a"] * 1001}, 400, "1001 texts; at most 1000"),
        ({"texts": [["a", "b"]]}, 400, "texts[0] must be a text."),
        ({"texts": TEXTS, "query": ""}, 400, "query is blank"),
        ({"texts": TEXTS, "query": ["a"]}, 400, "query must be a text"),
        ({"texts": TEXTS, "top_n": 0}, 400, "top_n must be"),
        ({"texts": TEXTS, "rank_fields": ["title"]}, 400, "no parameter 'rank_fields'"),
        ({"texts": TEXTS, "model": "rerank-v3.5"}, 404, "no reranker 'rerank-v3.5'"),
    ],
)
def test_wrong_requests_are_refused_with_the_reason(
    ranked: TestClient, wrong: dict[str, Any], status: int, message: str
) -> None:
    answer = ranked.post("/v1/rerank", json={"query": "graphs", **wrong})
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


def test_without_a_reranker_the_answer_says_how_to_get_one(client: TestClient) -> None:
    answer = client.post("/v1/rerank", json={"query": "graphs", "documents": TEXTS})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_reranker")
    assert "akin reranker promote" in answer.json()["error"]["message"]
    assert [each["id"] for each in client.get("/v1/models").json()["data"]] == ["text_encoder"]
    assert client.get("/v1/models/reranker").status_code == 404


def test_a_reranker_is_one_of_the_models_and_may_be_away(ranked: TestClient, reranker: CountsGraphs) -> None:
    assert [each["id"] for each in ranked.get("/v1/models").json()["data"]] == ["text_encoder", "reranker"]
    assert ranked.get("/v1/models/reranker").json()["kind"] == "reranker"
    reranker.away = True
    answer = ranked.post("/v1/rerank", json={"query": "graphs", "documents": TEXTS})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "encoder_unavailable")
