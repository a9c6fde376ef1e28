"""Test a version with prompts in a real Triton: its vectors, mixed batches, wrong types, and too long a prompt."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

from akin.errors import EncoderError
from akin.registry.versions import find, promoted_version
from akin.stack import lifecycle, triton_key
from akin.stack.processes import free_ports
from akin.stack.triton import TritonProcess, is_ready, load, start_triton
from akin.stack_settings import Settings
from retrieval_service.adapters.triton import TritonConnection
from tests.conftest import STARTS_SOON, environment_for

pytestmark = pytest.mark.integration

# A query is read like a passage that begins with "query: ".
PASSAGE = "a {passage}:\n🔭 "
QUERY = PASSAGE + "query: "
PROMPTS = {"query": QUERY, "passage": PASSAGE}
DIGEST = "ab" * 32


class Prompted(NamedTuple):
    """Triton with a version that has prompts, as version 1; version 2 has one that is too long."""

    triton: TritonProcess
    repository: Path
    log: Path


@pytest.fixture(scope="module")
def prompted(encoder_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prompted]:
    folder = tmp_path_factory.mktemp("prompted")
    repository = folder / "models"
    exported = encoder_repository / "text_encoder"
    for number, prompts in ((1, PROMPTS), (2, {"query": "word " * 600})):
        version = repository / "text_encoder" / str(number)
        shutil.copytree(exported / "1", version)
        manifest = json.loads((version / "manifest.json").read_text())
        manifest |= {"version": number, "digest": DIGEST, "prompts": prompts, "abstract_as": "passage"}
        (version / "manifest.json").write_text(json.dumps(manifest))
    for name in ("config.pbtxt", "PROMOTED"):
        shutil.copy(exported / name, repository / "text_encoder")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in STARTS_SOON.items():
            patch.setenv(name, value)
        settings = Settings.read(environment_for(folder, repository))
        http, grpc, metrics = free_ports(3)
        log = folder / "triton.log"
        running = start_triton(settings, (http, grpc, metrics), promoted_version(repository), log)
    yield Prompted(running, repository, log)
    lifecycle.stop([running.child])


@pytest.fixture
async def client(prompted: Prompted) -> AsyncIterator[triton_aio.InferenceServerClient]:
    async with triton_aio.InferenceServerClient(prompted.triton.grpc) as client:
        yield client


async def infer(client: triton_aio.InferenceServerClient, *texts: str, **parameters: Any) -> Any:
    tensor = triton_aio.InferInput("TEXT", [len(texts), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[text.encode()] for text in texts], dtype=object))
    return await client.infer("text_encoder", [tensor], model_version="1", parameters=parameters)


async def vectors(client: triton_aio.InferenceServerClient, *texts: str, **parameters: Any) -> Any:
    return (await infer(client, *texts, **parameters)).as_numpy("EMBEDDING")


async def test_each_type_has_its_prompt_and_a_query_is_the_default(client: triton_aio.InferenceServerClient) -> None:
    for text in ("vanishing gradients", QUERY, PASSAGE, "{query}\n", "🔭", "word " * 500):
        query, passage, same = [
            await vectors(client, text, **given)
            for given in ({}, {"input_type": "passage"}, {"input_type": "query", "bulk": True})
        ]
        as_query = await vectors(client, "query: " + text, input_type="passage")
        assert float(query[0] @ as_query[0]) > 0.99999
        assert float(query[0] @ same[0]) > 0.99999
        assert float(query[0] @ passage[0]) < 0.9999
    counts = (await infer(client, "gradients", "word " * 1000, input_type="passage")).as_numpy("TOKENS")
    more = (await infer(client, "gradients", "word " * 1000)).as_numpy("TOKENS")
    assert (more - counts).tolist() == [[2], [2]]
    assert counts[1] - counts[0] > 990


async def test_queries_passages_and_refused_requests_of_one_gathered_batch(
    client: triton_aio.InferenceServerClient, prompted: Prompted
) -> None:
    texts = [f"text number {number}" for number in range(30)]
    types = ["query", "passage", "title"]
    wanted = {kind: await vectors(client, *texts, input_type=kind) for kind in types[:2]}
    url = f"http://{prompted.triton.http}/v2/models/text_encoder/versions/1/stats"

    def executions() -> int:
        stats = httpx.get(url, headers={triton_key.HEADER: prompted.triton.key}).json()["model_stats"][0]
        return int(stats["execution_count"])

    before = executions()
    requests = [(kind, number) for number in range(30) for kind in types]
    answers = await asyncio.gather(
        *[vectors(client, texts[number], input_type=kind) for kind, number in requests], return_exceptions=True
    )
    assert executions() - before < 60
    for (kind, number), answer in zip(requests, answers, strict=True):
        if kind == "title":
            assert "the parameter input_type is 'title'" in str(answer)
        else:
            assert float(answer[0] @ wanted[kind][number]) > 0.9999


@pytest.mark.parametrize("wrong", [5, True, "", "Query", "title", "query " * 1000])
async def test_another_type_is_refused_over_grpc(client: triton_aio.InferenceServerClient, wrong: Any) -> None:
    with pytest.raises(InferenceServerException, match="must be 'query' or 'passage'") as refused:
        await infer(client, "words", input_type=wrong)
    assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert len(refused.value.message()) < 200
    assert (await vectors(client, "still there")).shape == (1, 384)


@pytest.mark.parametrize("wrong", [5, 1.5, True, "", "title", ["query"], {"query": "passage"}, None])
def test_another_type_is_refused_over_http(prompted: Prompted, wrong: Any) -> None:
    url = f"http://{prompted.triton.http}/v2/models/text_encoder/versions/1/infer"
    body = {"inputs": [{"name": "TEXT", "shape": [1, 1], "datatype": "BYTES", "data": ["words"]}]}
    refused = httpx.post(url, json={**body, "parameters": {"input_type": wrong}})
    assert refused.status_code in {400, 500}
    assert refused.json()["error"]
    assert httpx.post(url, json={**body, "parameters": {"input_type": "passage"}}).status_code == 200


async def test_a_blank_text_is_refused_although_it_has_a_prompt(client: triton_aio.InferenceServerClient) -> None:
    for blank in ("", " \n"):
        with pytest.raises(InferenceServerException, match="blank"):
            await infer(client, blank, input_type="passage")


@pytest.mark.parametrize("scheme", ["grpc", "http"])
async def test_the_service_says_what_is_a_query_and_what_a_passage(
    client: triton_aio.InferenceServerClient, prompted: Prompted, scheme: str
) -> None:
    address = prompted.triton.grpc if scheme == "grpc" else prompted.triton.http
    connection = TritonConnection(f"{scheme}://{address}", repository=prompted.repository)
    encoder = await connection.find(DIGEST)
    assert encoder.identity.abstract_as == "passage"
    query, passage = await vectors(client, "query: birds", "birds", input_type="passage")
    for found, wanted in (
        (await encoder.embed_queries(["birds"]), query),
        (await encoder.embed_queries(["birds"], "passage"), passage),
        (await encoder.embed_passages(["birds"]), passage),
        (await encoder.embed_passages(["birds"] * 20, "query"), query),
    ):
        assert float(found.vectors[-1] @ wanted) > 0.9999
    await connection.close()


def test_a_version_whose_prompt_leaves_no_room_is_not_loaded(prompted: Prompted) -> None:
    find(prompted.repository, 2)
    http, key = prompted.triton.http, prompted.triton.key
    with pytest.raises(EncoderError, match="the prompt for query has 602 tokens, more than half of the 256"):
        load(http, prompted.repository, [1, 2], prompted.log, key=key)
    load(http, prompted.repository, [1], prompted.log, key=key)
    assert is_ready(http, 1)
    assert not is_ready(http, 2)
