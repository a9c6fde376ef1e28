"""Test that Triton refuses only the bad request, with the reason, and answers the others of its batch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc as sync
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

from akin.stack import triton_key
from akin.stack.triton import TritonProcess

pytestmark = pytest.mark.integration

BAD = {
    "blank": b"",
    "NUL": b"a\0b",
    "UTF-8": b"\xff\xfe",
    "bytes; at most": b"x" * 10_000_000,
}


def tensor(module: Any, texts: list[bytes]) -> Any:
    made = module.InferInput("TEXT", [len(texts), 1], "BYTES")
    made.set_data_from_numpy(np.array([[text] for text in texts], dtype=object))
    return made


@pytest.fixture
def client(triton: TritonProcess) -> Iterator[sync.InferenceServerClient]:
    client = sync.InferenceServerClient(triton.grpc)
    yield client
    client.close()


def executions(triton: TritonProcess) -> int:
    url = f"http://{triton.http}/v2/models/text_encoder/versions/1/stats"
    stats = httpx.get(url, headers={triton_key.HEADER: triton.key}).json()["model_stats"][0]
    return int(stats["execution_count"])


async def test_bad_and_good_requests_of_one_gathered_batch(triton: TritonProcess) -> None:
    client = triton_aio.InferenceServerClient(triton.grpc)

    async def ask(texts: list[bytes]) -> Any:
        return await client.infer("text_encoder", [tensor(triton_aio, texts)], model_version="1")

    good = [f"neighbour {n}, a good one".encode() for n in range(30)]
    wanted = np.vstack([(await ask([text])).as_numpy("EMBEDDING") for text in good])
    before = executions(triton)
    requests: list[tuple[str | None, Any]] = []
    for n, text in enumerate(good):
        requests.append((None, ask([text])))
        reason = list(BAD)[n % len(BAD)]
        # A request with one bad text is refused as a whole: its client must not take a gap for a vector.
        requests.append((reason, ask([b"good", BAD[reason]] if n % 2 else [BAD[reason]])))
    answers = await asyncio.gather(*(request for _, request in requests), return_exceptions=True)
    gathered = executions(triton) - before
    await client.close()
    # On a busy machine the requests arrive spread out, and fewer share a batch.
    assert gathered < len(requests) * 3 / 4, "the requests were to share batches"
    vectors = [
        answer.as_numpy("EMBEDDING") for (reason, _), answer in zip(requests, answers, strict=True) if not reason
    ]
    assert (np.vstack(vectors) * wanted).sum(axis=1).min() > 0.9999
    for (reason, _), answer in zip(requests, answers, strict=True):
        if reason:
            assert isinstance(answer, InferenceServerException)
            assert answer.status() == "StatusCode.INVALID_ARGUMENT"
            assert reason in answer.message()
            assert "row" in answer.message()


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"data": [""]}, 400, "blank"),
        ({"shape": [2, 1]}, 400, "expected 2 string elements"),
        ({"shape": [1]}, 400, "unexpected shape"),
        ({"shape": [1, 2], "data": ["a", "b"]}, 400, "unexpected shape"),
        ({"shape": [65, 1], "data": ["a"] * 65}, 400, "batch-size must be <= 64"),
        ({"shape": [0, 1], "data": []}, 400, "expected 1 string"),
        ({"datatype": "FP32", "data": [1.0]}, 400, "expects 'BYTES'"),
        ({"data": [None]}, 500, "non-string"),
        ({"name": "TXT"}, 400, "unexpected inference input"),
    ],
)
def test_over_http_a_bad_request_gets_the_reason(
    triton: TritonProcess, change: dict[str, object], status: int, reason: str
) -> None:
    url = f"http://{triton.http}/v2/models/text_encoder/versions/1/infer"
    good = {"name": "TEXT", "datatype": "BYTES", "shape": [1, 1], "data": ["still there"]}
    answer = httpx.post(url, json={"inputs": [{**good, **change}]})
    assert (answer.status_code, reason in answer.json()["error"]) == (status, True), answer.text
    assert httpx.post(url, json={"inputs": [good]}).status_code == 200


@pytest.mark.parametrize(
    ("count", "raw", "reason"),
    [
        (1, b"\xff\xff\xff\x7fabc", "incomplete string data"),
        (1, b"", "expected 1 string"),
        (2, b"\x01\0\0\0a", "expected 2 string"),
        (1, b"\x01\0\0\0ab", "incomplete string length"),
    ],
)
def test_over_grpc_a_broken_tensor_is_refused(
    client: sync.InferenceServerClient, count: int, raw: bytes, reason: str
) -> None:
    broken = tensor(sync, [b"a"] * count)
    broken._raw_content = raw
    with pytest.raises(InferenceServerException, match=reason) as refused:
        client.infer("text_encoder", [broken], model_version="1")
    assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert client.infer("text_encoder", [tensor(sync, [b"still there"])]).as_numpy("EMBEDDING").shape == (1, 384)


def test_bodies_that_are_not_json_and_unknown_models_are_refused(triton: TritonProcess) -> None:
    url = f"http://{triton.http}/v2/models/text_encoder/versions/1/infer"
    for body in ("{", "null", "{}", json.dumps({"inputs": [{"shape": [-1]}]})):
        assert "error" in httpx.post(url, content=body).json()
    assert httpx.post(url.replace("versions/1", "versions/7"), content="{}").status_code == 404
    assert httpx.get(f"http://{triton.http}/v2/models/text_encoder/versions/1/ready").status_code == 200
