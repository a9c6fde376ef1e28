"""`text_encoder` over `encoder` on a real GPU: a running Triton that serves both.

`make bench NAME=gpu` runs these and measures; its help explains how to start such a server.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient.grpc import InferenceServerClient, InferInput

GRPC, METRICS = os.environ.get("AKIN_GPU_TRITON_GRPC"), os.environ.get("AKIN_GPU_TRITON_METRICS")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.gpu,
    pytest.mark.skipif(
        not (GRPC and METRICS),
        reason="needs a Triton with text_encoder over encoder on an NVIDIA GPU: name it by AKIN_GPU_TRITON_GRPC and "
        "AKIN_GPU_TRITON_METRICS (host:port), as `make bench NAME=gpu` does",
    ),
]

CANONICAL = json.loads((Path(__file__).parents[2] / "data/canonical_vectors.json").read_text())


@pytest.fixture
def client() -> Iterator[InferenceServerClient]:
    client = InferenceServerClient(GRPC)
    yield client
    client.close()


def embed(client: InferenceServerClient, texts: list[str]) -> NDArray[np.float32]:
    tensor = InferInput("TEXT", [len(texts), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[text.encode()] for text in texts], dtype=object))
    found: NDArray[np.float32] = client.infer("text_encoder", [tensor]).as_numpy("EMBEDDING")
    return found


def executions(model: str) -> dict[str, int]:
    """Return the number of runs of a model by the labels of its counters; the statistics API requires the key."""
    text = httpx.get(f"http://{METRICS}/metrics").raise_for_status().text
    found = re.findall(r"^nv_inference_exec_count\{(.*)\} (\d+)$", text, re.MULTILINE)
    return {labels: int(count) for labels, count in found if f'model="{model}"' in labels.split(",")}


def test_the_inner_model_is_on_a_gpu(client: InferenceServerClient) -> None:
    embed(client, ["a text"])
    counts = executions("encoder")
    assert counts
    assert all('gpu_uuid="GPU-' in labels for labels in counts)


def test_fp16_vectors_are_those_of_the_reference_model(client: InferenceServerClient) -> None:
    cosines = (embed(client, CANONICAL["texts"]) * np.array(CANONICAL["vectors"])).sum(axis=1)
    assert cosines.min() > 0.999


def test_the_vector_of_a_text_does_not_depend_on_its_batch(client: InferenceServerClient) -> None:
    texts = [f"neighbour number {n} " * (n + 1) for n in range(48)]
    together = embed(client, texts)
    alone = np.vstack([embed(client, [text]) for text in texts])
    assert (together * alone).sum(axis=1).min() > 0.9999


def test_every_length_is_within_the_profiles(client: InferenceServerClient) -> None:
    for words in range(1, 512, 17):
        assert np.isfinite(embed(client, ["word " * words])).all()
        assert np.isfinite(embed(client, ["word " * words] * 64)).all()


def test_a_gathered_batch_makes_one_inner_call_for_each_run(client: InferenceServerClient) -> None:
    before = sum(executions("encoder").values())
    embed(client, ["short text"] * 32)
    assert sum(executions("encoder").values()) - before == 1
