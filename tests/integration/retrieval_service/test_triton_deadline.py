"""Triton gets the time that is left of a search, and a search that is given up is cancelled in Triton too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2_grpc

from retrieval_service.adapters.triton import TritonConnection
from retrieval_service.deadline import deadline
from retrieval_service.errors import DeadlineExceeded
from tests.integration.retrieval_service.test_triton_wire import GrpcServer, Model


class Noting(GrpcServer):
    """A fake Triton that records the time it gets, and the requests that are cancelled while it works."""

    def __init__(self) -> None:
        super().__init__(Model())
        self.queue_seconds: list[float] = []
        self.client_seconds: list[float] = []
        self.given_up = asyncio.Event()

    async def ModelInfer(self, request: Any, context: Any) -> Any:
        self.queue_seconds.append(request.parameters["timeout"].int64_param / 1e6)
        self.client_seconds.append(context.time_remaining())
        try:
            return await super().ModelInfer(request, context)
        except asyncio.CancelledError:
            self.given_up.set()
            raise


@pytest.fixture
async def served() -> AsyncIterator[tuple[Noting, TritonConnection]]:
    server, servicer = grpc.aio.server(), Noting()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    triton = TritonConnection(f"grpc://127.0.0.1:{port}", query_seconds=2.0)
    yield servicer, triton
    await triton.close()
    await server.stop(None)


async def test_triton_gets_the_time_that_is_left(served: tuple[Noting, TritonConnection]) -> None:
    servicer, triton = served
    encoder = await triton.find()
    with deadline(monotonic() + 1.5):
        await encoder.embed_queries(["words"])
    assert 0.3 < servicer.queue_seconds[-1] <= 1.5
    assert 0.2 < servicer.client_seconds[-1] <= 1.51
    servicer.model.delay = 20
    began = monotonic()
    with deadline(monotonic() + 0.1), pytest.raises(DeadlineExceeded):
        await encoder.embed_queries(["words"])
    assert monotonic() - began < 10


async def test_a_search_that_is_given_up_is_cancelled_in_triton(served: tuple[Noting, TritonConnection]) -> None:
    servicer, triton = served
    encoder = await triton.find()
    servicer.model.delay = 60
    asked = len(servicer.queue_seconds)
    task = asyncio.ensure_future(encoder.embed_queries(["words"]))
    async with asyncio.timeout(30):
        while len(servicer.queue_seconds) == asked:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await servicer.given_up.wait()
