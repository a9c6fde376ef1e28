"""The Triton adapter with fake servers that use Triton's protocols and fail on demand."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import grpc
import numpy as np
import pytest
from aiohttp import web
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import deserialize_bytes_tensor

from retrieval_service.adapters.triton import TritonConnection
from retrieval_service.errors import EncoderBusy, EncoderMismatch, EncoderRefused, EncoderUnavailable

DIM = 4


def digest_of(version: int) -> str:
    return hashlib.sha256(str(version).encode()).hexdigest()


def vector_of(text: bytes) -> np.ndarray[Any, Any]:
    vector = np.frombuffer(hashlib.sha256(text).digest()[: 4 * DIM], np.uint32).astype(np.float32)
    return vector / np.linalg.norm(vector)


class Model:
    """The model of both fake servers."""

    def __init__(self) -> None:
        self.versions = ["1", "2"]
        self.ready = {("text_encoder", "1"), ("text_encoder", "2")}
        self.delay = 0.0
        self.refusals: list[tuple[grpc.StatusCode, str]] = []
        self.batches: list[int] = []
        self.digests = {version: digest_of(int(version)) for version in self.versions}

    def answer(self, texts: list[bytes]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        self.batches.append(len(texts))
        return np.stack([vector_of(text) for text in texts]), np.asarray([len(text) for text in texts], np.int32)


class GrpcServer(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    def __init__(self, model: Model) -> None:
        self.model = model

    async def ModelMetadata(self, request: Any, context: Any) -> Any:
        return service_pb2.ModelMetadataResponse(name=request.name, versions=self.model.versions)

    async def ModelReady(self, request: Any, context: Any) -> Any:
        return service_pb2.ModelReadyResponse(ready=(request.name, request.version) in self.model.ready)

    async def ModelConfig(self, request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.UNAVAILABLE, "This protocol is restricted, expecting header 'a key'")

    async def ModelInfer(self, request: Any, context: Any) -> Any:
        await asyncio.sleep(self.model.delay)
        if self.model.refusals:
            await context.abort(*self.model.refusals.pop(0))
        texts = deserialize_bytes_tensor(request.raw_input_contents[0]).tolist()
        assert list(request.inputs[0].shape) == [len(texts), 1]
        vectors, tokens = self.model.answer(texts)
        name = self.model.digests[request.model_version].encode()
        digests = (len(name).to_bytes(4, "little") + name) * len(texts)
        response = service_pb2.ModelInferResponse(model_name=request.model_name, model_version=request.model_version)
        for output, kind, shape, content in (
            ("EMBEDDING", "FP32", [len(texts), DIM], vectors.tobytes()),
            ("TOKENS", "INT32", [len(texts), 1], tokens.tobytes()),
            ("ENCODER", "BYTES", [len(texts), 1], digests),
        ):
            response.outputs.add(name=output, datatype=kind, shape=shape)
            response.raw_output_contents.append(content)
        return response


def http_application(model: Model) -> web.Application:
    async def metadata(_: web.Request) -> web.Response:
        return web.json_response({"name": "text_encoder", "versions": model.versions})

    async def ready(request: web.Request) -> web.Response:
        asked = request.match_info["name"], request.match_info["version"]
        return web.Response(status=200 if asked in model.ready else 400)

    async def infer(request: web.Request) -> web.Response:
        await asyncio.sleep(model.delay)
        if model.refusals:
            code, text = model.refusals.pop(0)
            return web.json_response({"error": text}, status=503 if code is grpc.StatusCode.UNAVAILABLE else 400)
        body = await request.read()
        header = int(request.headers["Inference-Header-Content-Length"])
        count = json.loads(body[:header])["inputs"][0]["shape"][0]
        vectors, tokens = model.answer(deserialize_bytes_tensor(body[header:]).tolist())
        digests = [model.digests[request.match_info["version"]]] * count
        outputs = [
            {"name": "EMBEDDING", "datatype": "FP32", "shape": [count, DIM], "data": vectors.ravel().tolist()},
            {"name": "TOKENS", "datatype": "INT32", "shape": [count, 1], "data": tokens.tolist()},
            {"name": "ENCODER", "datatype": "BYTES", "shape": [count, 1], "data": digests},
        ]
        return web.json_response({"model_name": "text_encoder", "outputs": outputs})

    application = web.Application()
    application.router.add_get("/v2/models/text_encoder", metadata)
    application.router.add_get("/v2/models/{name}/versions/{version}/ready", ready)
    application.router.add_post("/v2/models/text_encoder/versions/{version}/infer", infer)
    return application


class Server:
    """A fake Triton that can be stopped and started on one port."""

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme
        self.model = Model()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.running: Any = None

    async def start(self) -> None:
        if self.scheme == "grpc":
            self.running = grpc.aio.server()
            service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(GrpcServer(self.model), self.running)
            self.running.add_insecure_port(f"127.0.0.1:{self.port}")
            await self.running.start()
        else:
            self.running = web.AppRunner(http_application(self.model), shutdown_timeout=0.1)
            await self.running.setup()
            await web.TCPSite(self.running, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        if self.running is not None:
            await (self.running.stop(None) if self.scheme == "grpc" else self.running.cleanup())
            self.running = None


@pytest.fixture(params=["grpc", "http"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    server = Server(request.param)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def triton(server: Server) -> AsyncIterator[TritonConnection]:
    triton = TritonConnection(server.url, query_seconds=0.5, bulk_seconds=3.0)
    yield triton
    await triton.close()


async def test_the_highest_version_or_the_one_of_a_digest(triton: TritonConnection) -> None:
    assert (await triton.find()).identity.version == 2
    found = (await triton.find(digest_of(1))).identity
    assert (found.version, found.digest, found.dim, found.device) == (1, digest_of(1), DIM, "cpu")
    with pytest.raises(EncoderMismatch, match=digest_of(2)[:12]):
        await triton.find("f" * 64)


async def test_an_encoder_on_a_gpu_reports_its_device(triton: TritonConnection, server: Server) -> None:
    server.model.ready.add(("encoder", "1"))
    assert (await triton.find(digest_of(1))).identity.device == "gpu"
    assert (await triton.find(digest_of(2))).identity.device == "cpu"


async def test_a_pinned_version_is_the_only_one(server: Server) -> None:
    pinned = TritonConnection(server.url, version=1)
    assert (await pinned.find()).identity.version == 1
    with pytest.raises(EncoderMismatch):
        await pinned.find(digest_of(2))
    await pinned.close()
    missing = TritonConnection(server.url, version=7)
    with pytest.raises(EncoderUnavailable, match="version 7"):
        await missing.find()
    await missing.close()


async def test_texts_of_every_kind_come_back_in_order(triton: TritonConnection, server: Server) -> None:
    encoder = await triton.find()
    texts = ["", "a", "Schrödinger 猫", "x" * 5000, "nul \0 inside", *map(str, range(150))]
    embedded = await encoder.embed_passages(texts)
    expected = np.stack([vector_of(text.encode()) for text in texts])
    np.testing.assert_allclose(embedded.vectors, expected, atol=1e-6)
    assert embedded.tokens.tolist() == [len(text.encode()) for text in texts]
    assert max(server.model.batches) == 64
    assert (await encoder.embed_queries([])).vectors.shape == (0, DIM)


async def test_a_refused_connection_fails_fast_and_recovers(triton: TritonConnection, server: Server) -> None:
    encoder = await triton.find()
    await server.stop()
    started = monotonic()
    with pytest.raises(EncoderUnavailable):
        await encoder.embed_queries(["a"])
    assert not await triton.is_ready(2)
    assert monotonic() - started < 0.6
    await server.start()
    deadline = monotonic() + 20
    while not await triton.is_ready(2):
        assert monotonic() < deadline
        await asyncio.sleep(0.05)
    assert (await encoder.embed_queries(["a"])).vectors.shape == (1, DIM)


async def test_bulk_waits_for_a_restart(triton: TritonConnection, server: Server) -> None:
    encoder = await triton.find()
    await server.stop()
    waiting = asyncio.create_task(encoder.embed_passages(["a"]))
    await asyncio.sleep(0.3)
    await server.start()
    assert (await waiting).vectors.shape == (1, DIM)


async def test_a_slow_answer_is_given_up_in_time(triton: TritonConnection, server: Server) -> None:
    encoder = await triton.find()
    server.model.delay = 20.0
    started = monotonic()
    with pytest.raises(EncoderUnavailable, match=r"within 0\.5 s"):
        await encoder.embed_queries(["a"])
    assert monotonic() - started < 10


async def test_a_full_queue_is_an_error_for_a_query_and_a_pause_for_bulk(
    triton: TritonConnection, server: Server
) -> None:
    encoder = await triton.find()
    full = (grpc.StatusCode.UNAVAILABLE, "[request id: <id>] Exceeds maximum queue size")
    server.model.refusals = [full]
    with pytest.raises(EncoderBusy):
        await encoder.embed_queries(["a"])
    server.model.refusals = [full, full, full]
    assert (await encoder.embed_passages(["a"])).vectors.shape == (1, DIM)


async def test_a_refused_text_is_not_repeated(triton: TritonConnection, server: Server) -> None:
    encoder = await triton.find()
    server.model.refusals = [(grpc.StatusCode.INVALID_ARGUMENT, "too odd a text")]
    with pytest.raises(EncoderRefused, match="too odd a text"):
        await encoder.embed_passages(["a"])
    assert server.model.refusals == []


async def test_another_encoder_under_the_same_version_is_detected(triton: TritonConnection, server: Server) -> None:
    encoder = await triton.find()
    server.model.digests["2"] = digest_of(3)
    with pytest.raises(EncoderMismatch, match=digest_of(3)[:12]):
        await encoder.embed_queries(["a"])


async def test_a_removed_version_is_not_ready_even_if_others_are(triton: TritonConnection, server: Server) -> None:
    assert await triton.is_ready(2)
    server.model.versions = ["1"]
    assert not await triton.is_ready(2)
    assert await triton.is_ready(1)


async def test_no_version_ready(triton: TritonConnection, server: Server) -> None:
    server.model.versions = []
    with pytest.raises(EncoderUnavailable, match="no version"):
        await triton.find()


async def test_the_length_comes_from_the_manifest_of_the_same_encoder(server: Server, tmp_path: Any) -> None:
    for version, digest in ((1, digest_of(1)), (2, "0" * 64)):
        folder = tmp_path / "text_encoder" / str(version)
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps({"digest": digest, "max_length": 256, "more": []}))
    triton = TritonConnection(server.url, repository=tmp_path)
    assert (await triton.find(digest_of(1))).identity.max_length == 256
    assert (await triton.find(digest_of(1))).identity.abstract_as == "query"
    manifest = {"digest": digest_of(1), "max_length": 512, "abstract_as": "passage", "prompts": {"query": "q: "}}
    (tmp_path / "text_encoder" / "1" / "manifest.json").write_text(json.dumps(manifest))
    assert (await triton.find(digest_of(1))).identity.abstract_as == "passage"
    assert (await triton.find(digest_of(2))).identity.max_length is None
    await triton.close()
