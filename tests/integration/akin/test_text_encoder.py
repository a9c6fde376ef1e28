"""Test `text_encoder` in a real Triton: vectors, their independence of the batch, and bad texts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput, InferResult
from tritonclient.utils import InferenceServerException

from akin.registry.versions import promoted_version
from akin.stack.triton import TritonProcess

pytestmark = pytest.mark.integration

CANONICAL = json.loads((Path(__file__).parents[2] / "data/canonical_vectors.json").read_text())


@pytest.fixture
def client(triton: TritonProcess) -> Iterator[InferenceServerClient]:
    client = InferenceServerClient(triton.grpc)
    yield client
    client.close()


def infer(client: InferenceServerClient, texts: list[bytes], *outputs: str) -> InferResult:
    tensor = InferInput("TEXT", [len(texts), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[text] for text in texts], dtype=object))
    asked = [InferRequestedOutput(name) for name in outputs] or None
    return client.infer("text_encoder", [tensor], model_version="1", outputs=asked)


def embed(client: InferenceServerClient, texts: list[str]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = infer(client, [text.encode() for text in texts], "EMBEDDING").as_numpy("EMBEDDING")
    return found


def test_vectors_are_those_of_the_reference_model(client: InferenceServerClient) -> None:
    vectors = embed(client, CANONICAL["texts"])
    reference = np.array(CANONICAL["vectors"])
    assert vectors.dtype == np.float32
    assert vectors.shape == reference.shape
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = (vectors * reference).sum(axis=1)
    assert cosines.min() > 0.98
    assert cosines.mean() > 0.99


def test_the_vector_of_a_text_does_not_depend_on_its_batch(client: InferenceServerClient) -> None:
    texts = [*CANONICAL["texts"], "word " * 300, "a", *(f"neighbour number {n} " * (n + 1) for n in range(20))]
    together = embed(client, texts)
    alone = np.vstack([embed(client, [text]) for text in texts])
    assert (together * alone).sum(axis=1).min() > 0.9999


def test_order_is_kept_over_lengths(client: InferenceServerClient) -> None:
    texts = [f"topic {n} " * (1 + n * 7 % 40) for n in range(64)]
    forwards, backwards = embed(client, texts), embed(client, texts[::-1])[::-1]
    assert (forwards * backwards).sum(axis=1).min() > 0.9999


def test_tokens_count_the_whole_text_and_only_requested_outputs_are_returned(client: InferenceServerClient) -> None:
    result = infer(client, [b"hello world", b"word " * 1000], "TOKENS")
    assert result.as_numpy("TOKENS").tolist() == [[4], [1002]]
    assert result.as_numpy("EMBEDDING") is None


def test_the_encoder_returns_its_digest(client: InferenceServerClient, encoder_repository: Path) -> None:
    assert (
        infer(client, [b"who"], "ENCODER").as_numpy("ENCODER").item().decode()
        == promoted_version(encoder_repository).digest
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "blank"),
        (b" \n\t", "blank"),
        (b"a\0b", "NUL"),
        (b"\xff\xfe", "UTF-8"),
        (b"x" * 10_000_000, "bytes; at most"),
    ],
)
def test_a_bad_text_is_refused_and_its_neighbours_are_answered(
    triton: TritonProcess, client: InferenceServerClient, text: bytes, reason: str
) -> None:
    answers: list[NDArray[np.float32]] = []

    def neighbour() -> None:
        own = InferenceServerClient(triton.grpc)
        answers.extend(embed(own, ["a good neighbour"]) for _ in range(10))
        own.close()

    thread = threading.Thread(target=neighbour)
    thread.start()
    for _ in range(5):
        with pytest.raises(InferenceServerException, match=reason):
            infer(client, [text])
    thread.join()
    assert len(answers) == 10


def test_wrong_shapes_types_and_sizes_are_refused(client: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="batch"):
        embed(client, ["one too many"] * 65)
    numbers = InferInput("TEXT", [1, 1], "FP32")
    numbers.set_data_from_numpy(np.zeros((1, 1), dtype=np.float32))
    with pytest.raises(InferenceServerException, match="TEXT"):
        client.infer("text_encoder", [numbers])
    assert embed(client, ["still there"]).shape == (1, 384)


def test_work_that_cannot_be_done_in_time_is_refused_at_once(client: InferenceServerClient) -> None:
    texts = np.array([[b"many words " * 300]] * 64, dtype=object)
    tensor = InferInput("TEXT", [64, 1], "BYTES")
    tensor.set_data_from_numpy(texts)
    with pytest.raises(InferenceServerException, match=r"its client waits for 0\.001 s.*Ask again") as refused:
        client.infer("text_encoder", [tensor], timeout=1000)
    assert refused.value.status() == "StatusCode.UNAVAILABLE"


def test_http_gives_the_same_vector(triton: TritonProcess, client: InferenceServerClient) -> None:
    body = {
        "inputs": [{"name": "TEXT", "shape": [1, 1], "datatype": "BYTES", "data": ["over HTTP"]}],
        "outputs": [{"name": "EMBEDDING"}],
    }
    answer = httpx.post(f"http://{triton.http}/v2/models/text_encoder/versions/1/infer", json=body).json()
    over_http = np.array(answer["outputs"][0]["data"])
    assert float(over_http @ embed(client, ["over HTTP"])[0]) > 0.99999


def test_only_the_promoted_version_is_ready(triton: TritonProcess, client: InferenceServerClient) -> None:
    assert client.is_model_ready("text_encoder", "1")
    assert not client.is_model_ready("text_encoder", "2")
