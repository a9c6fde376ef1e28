"""Test `text_encoder` with an inner model of the same Triton, as on a GPU; here the inner model runs on the CPU."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient.grpc import InferenceServerClient, InferInput, aio
from tritonclient.utils import InferenceServerException

from akin.registry.versions import promoted_version
from akin.stack import lifecycle
from akin.stack.processes import free_ports
from akin.stack.triton import start_triton
from akin.stack_settings import Settings
from tests.conftest import environment_for

pytestmark = pytest.mark.integration

DATA = Path(__file__).parents[2] / "data"
CANONICAL = json.loads((DATA / "canonical_vectors.json").read_text())
# A word that no other text contains: its token makes the inner model fail.
BREAKING, BREAKING_TOKEN = "zeppelin", "22116"


@pytest.fixture(scope="module")
def composed(encoder_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Return the gRPC address of the server, and the file in which the inner model records its calls."""
    folder = tmp_path_factory.mktemp("composed")
    repository = folder / "models"
    shutil.copytree(encoder_repository / "text_encoder", repository / "text_encoder")
    manifest = repository / "text_encoder" / "1" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"prompts": {"passage": "passage: "}}))
    (repository / "encoder" / "1").mkdir(parents=True)
    shutil.copy(DATA / "inner_encoder" / "config.pbtxt", repository / "encoder")
    shutil.copy(DATA / "inner_encoder" / "model.py", repository / "encoder" / "1")
    calls = folder / "calls"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AKIN_ENCODER_INNER", "encoder")
        patch.setenv("INNER_CALLS", str(calls))
        patch.setenv("INNER_BREAKS_AT", BREAKING_TOKEN)
        settings = Settings.read(environment_for(folder, repository))
        http, grpc, metrics = free_ports(3)
        running = start_triton(settings, (http, grpc, metrics), promoted_version(repository), folder / "triton.log")
    yield running.grpc, calls
    lifecycle.stop([running.child])


@pytest.fixture
def client(composed: tuple[str, Path]) -> Iterator[InferenceServerClient]:
    client = InferenceServerClient(composed[0])
    yield client
    client.close()


def embed(client: InferenceServerClient, texts: list[str], **parameters: str) -> NDArray[np.float32]:
    tensor = InferInput("TEXT", [len(texts), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[text.encode()] for text in texts], dtype=object))
    result = client.infer("text_encoder", [tensor], model_version="1", parameters=parameters)
    found: NDArray[np.float32] = result.as_numpy("EMBEDDING")
    return found


def test_the_vectors_are_those_of_the_reference_model(client: InferenceServerClient) -> None:
    cosines = (embed(client, CANONICAL["texts"]) * np.array(CANONICAL["vectors"])).sum(axis=1)
    assert cosines.min() > 0.98


def test_a_passage_has_its_prompt_before_it_and_a_query_has_none(client: InferenceServerClient) -> None:
    passage, query = embed(client, ["birds"], input_type="passage"), embed(client, ["birds"])
    assert float(passage[0] @ embed(client, ["passage: birds"])[0]) > 0.99999
    assert float(passage[0] @ query[0]) < 0.999


def test_a_gathered_batch_makes_one_inner_call_for_each_run(
    client: InferenceServerClient, composed: tuple[str, Path]
) -> None:
    before = len(composed[1].read_text().splitlines())
    embed(client, ["short text"] * 31 + ["a longer text of many words " * 30])
    shapes = [tuple(map(int, line.split())) for line in composed[1].read_text().splitlines()[before:]]
    assert 32 <= sum(rows for rows, _ in shapes) <= 40
    assert len(shapes) <= 7
    assert len({length for _, length in shapes}) == 2


def test_a_full_batch_of_abstracts_makes_one_call_for_each_length(
    client: InferenceServerClient, composed: tuple[str, Path]
) -> None:
    before = len(composed[1].read_text().splitlines())
    embed(client, ["many words of a long abstract " * 20] * 32 + ["many words of a longer abstract " * 40] * 32)
    shapes = [tuple(map(int, line.split())) for line in composed[1].read_text().splitlines()[before:]]
    assert [rows for rows, _ in shapes] == [32, 32]


def test_a_failure_of_the_inner_model_does_not_affect_other_requests(composed: tuple[str, Path]) -> None:
    """Send many requests at once, so that the failing one shares its batch with others."""
    texts = [BREAKING if number == 20 else f"a text like number {number}" for number in range(40)]

    async def all_at_once() -> list[object]:
        async with aio.InferenceServerClient(composed[0]) as client:
            return await asyncio.gather(*[one(client, text) for text in texts], return_exceptions=True)

    async def one(client: aio.InferenceServerClient, text: str) -> NDArray[np.float32]:
        tensor = InferInput("TEXT", [1, 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[text.encode()]], dtype=object))
        found: NDArray[np.float32] = (await client.infer("text_encoder", [tensor])).as_numpy("EMBEDDING")
        return found

    answers = asyncio.run(all_at_once())
    assert [number for number, answer in enumerate(answers) if isinstance(answer, BaseException)] == [20]


def test_a_failure_of_the_inner_model_is_reported_and_does_not_last(client: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="fallen off the bus"):
        embed(client, [BREAKING])
    assert embed(client, ["still there"]).shape == (1, 384)
