"""Test a tiny reranker in the real stack: Triton's contract, and searches that it reranks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from akin.registry.versions import RERANKER
from akin.stack import local_http, triton_key
from akin.stack.record import find_running_stack
from akin.stack_settings import ROOT
from tests.servers import within

if TYPE_CHECKING:
    from tests.conftest import RunningStack

pytestmark = pytest.mark.integration

CODE = ("reranker/model.py", "reranker/pairs.py", "text_encoder/packing.py", "text_encoder/runtime.py")


@pytest.fixture(scope="module")
def stack(sample_stack: RunningStack) -> Iterator[RunningStack]:
    """Yield the stack with a reranker that counts the word "model" in a passage; take it out afterwards."""
    model = sample_stack.settings.repository / RERANKER
    before = httpx.get(f"{sample_stack.settings.service_url}/health/ready").json()["components"]["reranker"]
    without = search(sample_stack, rerank=5)
    shutil.copytree(ROOT / "tests/data/reranker", model / "1", ignore=shutil.ignore_patterns("make.py"))
    for name in CODE:
        shutil.copy(ROOT / "model_repository" / name, model / "1")
    shutil.copy(ROOT / "model_repository/reranker/config.pbtxt", model)
    try:
        assert before == {"status": "missing"}
        assert without["reranked"] == 0
        assert "no reranker" in without["notes"][0]
        done = sample_stack.akin("reranker", "promote", "1")
        assert (done.returncode, "the running stack serves it" in done.stderr) == (0, True), done.stderr
        within(20, "results are reranked", lambda: search(sample_stack, rerank=5)["reranked"])
        yield sample_stack
    finally:
        running = find_running_stack(sample_stack.settings)
        assert running is not None
        key = triton_key.read(sample_stack.settings)
        unload = f"http://{running.triton_http}/v2/repository/models/{RERANKER}/unload"
        local_http.post(unload, {}, headers={triton_key.HEADER: key}, timeout=30)
        shutil.rmtree(model)


def search(stack: Any, **more: Any) -> dict[str, Any]:
    body = {"query": "language model", "collapse": False, **more}
    # Half of a surrogate pair can be sent as an escape only.
    content, headers = json.dumps(body), {"content-type": "application/json"}
    sent = httpx.post(f"{stack.settings.service_url}/search", content=content, headers=headers, timeout=20)
    answer: dict[str, Any] = sent.json()
    return answer


def score(stack: Any, pairs: list[tuple[bytes, bytes]]) -> list[float]:
    running = find_running_stack(stack.settings)
    assert running is not None
    client = InferenceServerClient(running.triton)
    tensors = []
    for at, name in enumerate(("QUERY", "TEXT")):
        tensor = InferInput(name, [len(pairs), 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[pair[at]] for pair in pairs], dtype=object))
        tensors.append(tensor)
    try:
        found: list[float] = client.infer(RERANKER, tensors).as_numpy("SCORE").reshape(-1).tolist()
    finally:
        client.close()
    return found


def test_scores_belong_to_their_pairs_in_any_batch(stack: Any) -> None:
    pairs = [(b"model", b"Model " * count + b"other " * (count % 7)) for count in range(1, 65)]
    assert score(stack, pairs) == list(range(1, 65))
    assert [score(stack, [pair])[0] for pair in pairs[:5]] == [1, 2, 3, 4, 5]
    # The longer side is cut: half of 253 tokens is for the query.
    assert score(stack, [(b"x " * 1000, b"model " * 1000), (b"x", b"model " * 1000)]) == [127, 252]


@pytest.mark.parametrize("bad", [b"", b"  ", b"a\0b", b"\xff\xfe", b"x" * 200_001])
def test_a_bad_text_is_refused_alone(stack: Any, bad: bytes) -> None:
    for pair in ((bad, b"fine"), (b"fine", bad)):
        with pytest.raises(InferenceServerException, match="row 1"):
            score(stack, [(b"fine", b"fine"), pair])
    assert score(stack, [(b"fine", b"a model")]) == [1]


def test_the_best_results_come_in_the_rerankers_order(stack: Any) -> None:
    plain, reranked = search(stack, k=30), search(stack, k=30, rerank=20)
    assert reranked["reranked"] == 20
    assert {r["id"] for r in reranked["results"][:20]} == {r["id"] for r in plain["results"][:20]}
    assert [r["id"] for r in reranked["results"][20:]] == [r["id"] for r in plain["results"][20:]]
    scores = [r["sources"]["reranker"] for r in reranked["results"][:20]]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]
    place = {r["id"]: at for at, r in enumerate(plain["results"])}
    for first, second in zip(reranked["results"][:19], reranked["results"][1:20], strict=True):
        if first["sources"]["reranker"] == second["sources"]["reranker"]:
            assert place[first["id"]] < place[second["id"]]
    pages = [r["id"] for at in range(0, 30, 7) for r in search(stack, k=7, offset=at, rerank=20)["results"]]
    assert pages[:30] == [r["id"] for r in reranked["results"]]


def test_texts_without_a_search_are_put_in_order(stack: Any) -> None:
    texts = ["one model " * count for count in (1, 3, 2)]
    asked = {"query": "model", "texts": texts, "raw_scores": True}
    answer = httpx.post(f"{stack.settings.service_url}/v1/rerank", json=asked, timeout=20).json()
    assert answer == [{"index": 1, "score": 3.0}, {"index": 2, "score": 2.0}, {"index": 0, "score": 1.0}]


def test_hostile_requests(stack: Any) -> None:
    assert search(stack, rerank=0)["reranked"] == 0
    assert search(stack, rerank=10**9)["notes"] == ["rerank: at most 50 results are reranked."]
    assert "rerank" in search(stack, rerank=-1)["error"]["message"]
    assert "error" in search(stack, query="half a pair \ud800", rerank=5)
    assert search(stack, query="model \0 " + "model " * 3000, rerank=5)["reranked"] == 5
    assert search(stack, query="x" * 100_000, rerank=5)["error"]["code"] == "query_too_long"
    one = search(stack, k=1)["results"][0]["id"]
    only = search(stack, ids=[one], rerank=10)
    assert ([r["id"] for r in only["results"]], only["reranked"]) == ([one], 1)


def test_get_and_the_command_line_rerank_too(stack: Any) -> None:
    wanted = [r["id"] for r in search(stack, rerank=20)["results"]]
    answer = httpx.get(f"{stack.settings.service_url}/search?query=language+model&rerank=20&collapse=false")
    assert [r["id"] for r in answer.json()["results"]] == wanted
    assert answer.headers["cache-control"] == "no-store"
    done = stack.akin("search", "language model", "--rerank", "20", "--no-collapse", "--json")
    assert wanted[0] in done.stdout
    listed = stack.akin("reranker", "list")
    assert "counts" in listed.stdout
