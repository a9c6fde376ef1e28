"""Swallow what is sent over open connections: a query fails in its time, and the connection is replaced."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from time import monotonic

import grpc
import pytest
from tritonclient.grpc import service_pb2_grpc

from retrieval_service.adapters.triton import TritonConnection
from retrieval_service.deadline import deadline
from retrieval_service.errors import DeadlineExceeded, EncoderUnavailable
from tests.integration.retrieval_service.test_triton_wire import GrpcServer, Model


class Swallower:
    """Proxy of a TCP server, whose present connections can be made to swallow all that is sent."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._swallowed: set[int] = set()
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def swallow(self) -> None:
        """Pass nothing on over the connections that there are, and close none."""
        self._swallowed = set(range(1, self.connections + 1))

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pass_on(number, source, target))
            self._tasks.add(task)

    async def _pass_on(self, number: int, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError), contextlib.closing(target):
            while block := await source.read(1 << 16):
                if number not in self._swallowed:
                    target.write(block)
                    await target.drain()


@pytest.fixture
async def swallower() -> AsyncIterator[tuple[Swallower, TritonConnection]]:
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(GrpcServer(Model()), server)
    swallower = Swallower(server.add_insecure_port("127.0.0.1:0"))
    await server.start()
    triton = TritonConnection(f"grpc://127.0.0.1:{await swallower.start()}", query_seconds=0.3)
    yield swallower, triton
    await triton.close()
    await swallower.stop()
    await server.stop(None)


async def test_a_query_over_a_dead_connection_fails_in_its_time(
    swallower: tuple[Swallower, TritonConnection],
) -> None:
    proxy, triton = swallower
    encoder = await triton.find()
    await encoder.embed_queries(["words"])
    proxy.swallow()
    began = monotonic()
    with deadline(monotonic() + 5.0), pytest.raises((EncoderUnavailable, DeadlineExceeded)):
        await encoder.embed_queries(["words"])
    assert monotonic() - began < 5


@pytest.mark.chaos
async def test_a_dead_connection_is_replaced(swallower: tuple[Swallower, TritonConnection]) -> None:
    proxy, triton = swallower
    encoder = await triton.find()
    expected = (await encoder.embed_queries(["words"])).vectors
    before = proxy.connections
    proxy.swallow()
    began = monotonic()
    while True:
        try:
            found = await encoder.embed_queries(["words"])
            break
        except (EncoderUnavailable, DeadlineExceeded):
            assert monotonic() - began < 40  # without the pings of the connection it takes a minute
            await asyncio.sleep(0.1)
    print(f"replaced after {monotonic() - began:.1f} s")
    assert (found.vectors == expected).all()
    assert proxy.connections > before
