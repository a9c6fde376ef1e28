"""Test clients that send slowly, do not read, or send what no client sends, over sockets; others stay answered."""

from __future__ import annotations

import asyncio
import gzip
import json
import resource
import socket
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from akin.edge import with_copies
from akin.edge.serving import MOST_HEADERS, BoundedProtocol, most_connections, whole_answer
from tests.unit.edge.served import GET, HOST, LARGE, ended, head, served


async def test_a_head_that_comes_byte_by_byte_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(monkeypatch) as connect:
        for start in (b"", b"GET /", b"GET /" + HOST + b"X: "):
            reader, writer = await connect()
            writer.write(start)
            answer, sent = asyncio.create_task(ended(reader)), 0
            while not answer.done():
                writer.write(b"\r\n" if not start else b"a")
                sent += 1
                await asyncio.sleep(0.02)
            assert answer.result().startswith(b"HTTP/1.1 408 ")
            assert sent < 100


@pytest.mark.parametrize("trickle", [b"\r\n", b"\n"])
async def test_empty_lines_between_requests_do_not_keep_a_connection(
    monkeypatch: pytest.MonkeyPatch, trickle: bytes
) -> None:
    async with served(monkeypatch) as connect:
        reader, writer = await connect()
        writer.write(GET)
        assert (await head(reader)).startswith(b"HTTP/1.1 200 ")
        writer.write(trickle)
        await ended(reader)


async def test_the_rest_of_an_answered_body_does_not_keep_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(monkeypatch) as connect:
        reader, writer = await connect()
        writer.write(b"GET /" + HOST + b"Content-Length: 1000000\r\n\r\n")
        assert (await head(reader)).startswith(b"HTTP/1.1 200 ")
        end = asyncio.create_task(ended(reader))
        sent = 0
        while not end.done():
            writer.write(b"x")
            sent += 1
            await asyncio.sleep(0.02)
        assert sent < 100
        assert b"408" not in end.result()  # no answer to a request that was not sent


@pytest.mark.parametrize(
    "start",
    [b"Content-Length: 1000\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"],
    ids=["length", "chunks"],
)
async def test_a_body_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    async with served(monkeypatch) as connect:
        reader, writer = await connect()
        writer.write(b"POST /body" + HOST + start)
        assert (await ended(reader)).startswith(b"HTTP/1.1 408 ")


async def test_chunks_without_end_are_refused_at_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(monkeypatch) as connect:
        reader, writer = await connect()
        writer.write(b"POST /body" + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(30):
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        assert (await head(reader)).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", [b"/large", b"/stream"])
@pytest.mark.parametrize("keep", [b"", b"Connection: close\r\n"], ids=["keep-alive", "close"])
async def test_a_client_that_does_not_read_is_dropped(
    monkeypatch: pytest.MonkeyPatch, path: bytes, keep: bytes
) -> None:
    async with served(monkeypatch) as connect:
        _, writer = await connect()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET " + path + HOST + keep + b"\r\n")
        await gone()


@pytest.mark.parametrize("keep", [b"", b"Connection: close\r\n"], ids=["keep-alive", "close"])
async def test_a_connection_that_is_closed_does_not_wait_for_its_reader(
    monkeypatch: pytest.MonkeyPatch, keep: bytes
) -> None:
    # As if all that waits were less than what pauses the application.
    monkeypatch.setattr(BoundedProtocol, "pause_writing", HttpToolsProtocol.pause_writing)
    async with served(monkeypatch, keep_alive=0.1) as connect:
        _, writer = await connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /large" + HOST + keep + b"\r\n")
        await gone()


async def gone() -> None:
    """Wait until there was a connection and none is left."""
    async with asyncio.timeout(5):
        while not BoundedProtocol._open:
            await asyncio.sleep(0.005)
        while BoundedProtocol._open:
            await asyncio.sleep(0.01)


async def test_a_client_that_reads_slowly_but_steadily_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(monkeypatch) as connect:
        for path in (b"/large", b"/stream"):
            reader, writer = await connect()
            # Less waits in the system than in the server, which would otherwise not see that anything is read.
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
            writer.write(b"GET " + path + HOST + b"Connection: close\r\n\r\n")
            await head(reader)
            received, slow_until = 0, asyncio.get_running_loop().time() + 0.6
            while part := await reader.read(400_000):
                received += len(part)
                # For three times as long as there is for reading something.
                await asyncio.sleep(0.01 if asyncio.get_running_loop().time() < slow_until else 0)
            assert received >= LARGE


async def test_idle_connections_make_room_for_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedProtocol, "most", 50)
    async with served(monkeypatch, _SECONDS_OF_HEAD=30) as connect:
        busy_reader, busy = await connect()
        busy.write(b"POST /slow" + HOST + b"Content-Length: 5\r\n\r\n")
        assert (await head(busy_reader)).startswith(b"HTTP/1.1 200 ")
        idle = [await connect() for _ in range(120)]
        for _, writer in idle[:100]:
            writer.write(b"GET /")
        await asyncio.sleep(0.05)
        assert len(BoundedProtocol._open) <= 51
        for reader, _ in idle[:60]:
            assert await ended(reader) == b""
        reader, writer = idle[-1]
        writer.write(GET)
        assert (await head(reader)).startswith(b"HTTP/1.1 200 ")


async def test_two_thousand_idle_connections_disturb_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    if most_connections() < 3_000:
        pytest.skip("the limit of descriptors is too low for it")
    async with served(monkeypatch, _SECONDS_OF_HEAD=30) as connect:
        for _ in range(2_000):
            await connect()
        reader, writer = await connect()
        for _ in range(20):
            writer.write(GET)
            assert (await head(reader)).startswith(b"HTTP/1.1 200 ")
            await reader.readexactly(len("1.1 GET"))
        assert len(BoundedProtocol._open) >= 2_000


def test_the_number_of_connections_follows_the_limit_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, most in ((1024, 768), (64, 48), (1_000_000, 10_000), (resource.RLIM_INFINITY, 10_000)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        assert most_connections() == most


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "GZIP", "gzip, identity"])
async def test_a_compressed_body_is_refused_unread(monkeypatch: pytest.MonkeyPatch, coding: str) -> None:
    bomb = gzip.compress(b" " * 10_000_000) if "gzip" in coding.lower() else zlib.compress(b" " * 10_000_000)
    async with served(monkeypatch) as connect:
        reader, writer = await connect()
        about = f"Content-Encoding: {coding}\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
        writer.write(b"POST /body" + HOST + about + bomb)
        answer = await ended(reader)
        assert answer.startswith(b"HTTP/1.1 415 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "coded_body"
        reader, writer = await connect()
        writer.write(b"POST /body" + HOST + b"Content-Encoding: identity\r\nContent-Length: 2\r\n\r\nab")
        assert (await head(reader)).startswith(b"HTTP/1.1 200 ")


async def test_a_transfer_coding_is_not_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(monkeypatch) as connect:
        for coding in (b"gzip, chunked", b"chunked, gzip", b"gzip"):
            reader, writer = await connect()
            body = gzip.compress(b" " * 1_000_000)
            chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            writer.write(
                b"POST /body" + HOST + b"Connection: close\r\nTransfer-Encoding: " + coding + b"\r\n\r\n" + chunk
            )
            answer = await ended(reader)
            assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 408 ")) or answer.endswith(str(len(body)).encode())


async def test_too_many_headers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(monkeypatch) as connect:
        for count, status in ((MOST_HEADERS - 1, b"200"), (MOST_HEADERS, b"431"), (60_000, b"431")):
            reader, writer = await connect()
            writer.write(b"GET /" + HOST + b"a:\r\n" * count + b"\r\n")
            assert (await head(reader)).startswith(b"HTTP/1.1 " + status)


async def test_pipelined_requests_are_answered_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(monkeypatch) as connect:
        reader, writer = await connect()
        writer.write((GET + b"HEAD /" + HOST + b"\r\n") * 500)
        async with asyncio.timeout(10):
            for number in range(1_000):
                assert (await head(reader)).startswith(b"HTTP/1.1 200 ")
                if number % 2 == 0:
                    assert await reader.readexactly(7) == b"1.1 GET"


async def test_requests_that_wait_behind_others_have_a_limit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    # A request of 20 bytes takes some kilobytes while it waits.
    monkeypatch.setattr(BoundedProtocol.queued, "most", 20)
    async with served(monkeypatch) as connect:
        reader, writer = await connect()
        writer.write(GET * 21)
        for _ in range(21):
            assert (await head(reader)).startswith(b"HTTP/1.1 200 ")
            await reader.readexactly(7)
        writer.write(GET * 5_000)
        answers = await ended(reader)
        # Nothing that could be taken for the answer to one of them.
        assert answers.count(b"HTTP/1.1 ") == answers.count(b"HTTP/1.1 200 ") <= 20
        assert BoundedProtocol.queued.held == 0


async def test_heads_that_arrive_together_have_a_limit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedProtocol.heads, "most", 150_000)
    async with served(monkeypatch, _SECONDS_OF_HEAD=30) as connect:
        held = []
        for _ in range(2):
            held.append(await connect())
            held[-1][1].write(b"GET /" + HOST + b"X: " + b"v" * 60_000)
            await until(lambda: BoundedProtocol.heads.held >= 60_000 * len(held))
        reader, writer = await connect()
        writer.write(b"GET /" + HOST + b"X: " + b"v" * 60_000)
        answer = await ended(reader)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "too_many_heads"
        # A head that arrives whole waits for nobody, and the first ones may go on.
        reader, writer = await connect()
        writer.write(b"GET /" + HOST + b"X: " + b"v" * 60_000 + b"\r\n\r\n")
        assert (await head(reader)).startswith(b"HTTP/1.1 200 ")
        for reader, writer in held:
            writer.write(b"\r\n\r\n")
            assert (await head(reader)).startswith(b"HTTP/1.1 200 ")
        assert BoundedProtocol.heads.held == 0


async def test_answers_that_are_not_read_have_a_limit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedProtocol.unread, "most", LARGE)
    async with served(monkeypatch, _SECONDS_TO_READ=30) as connect:
        for number in (1, 2, 2, 2):
            _, writer = await connect()
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await until(partial(has_connections, number))
            # More than half of the limit waits in the server, however much the system takes.
            for protocol in BoundedProtocol._open:
                protocol.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            writer.write(b"GET /large" + HOST + b"\r\n")
            await until(lambda: BoundedProtocol.unread.held >= LARGE // 2 and len(BoundedProtocol._open) <= 1)
            assert BoundedProtocol.unread.held <= LARGE


def has_connections(number: int) -> bool:
    return len(BoundedProtocol._open) >= number


async def until(happened: Callable[[], bool]) -> None:
    """Wait for something in the server."""
    async with asyncio.timeout(5):
        while not happened():
            await asyncio.sleep(0.001)


async def test_refusals_at_once_wait_for_who_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = whole_answer(503, {"content-length": "20000"}, b"x" * 20_000)
    waited: list[int] = []

    def refuse(method: bytes, path: bytes, headers: object) -> bytes | None:
        waited.extend(each.transport.get_write_buffer_size() for each in BoundedProtocol._open)
        return refusal if path == b"/search" else None

    async with served(monkeypatch, refuse_at_once=refuse) as connect:
        _, writer = await connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write((b"GET /search" + HOST + b"\r\n") * 5_000)
        await gone()
        assert len(waited) > 1
        assert max(waited) < 200_000


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", b"200"),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nHost: localhost\r\n\r\n", b"200"),
        (b"BREW /" + HOST + b"\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400"),
        (b"GET /" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: a\r\n\r\n", b"200"),
        (b"POST /body" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"400"),
        (b"POST /body" + HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
        (b"\x00" * 100, b"400"),
    ],
)
async def test_odd_requests_are_answered_or_refused(
    monkeypatch: pytest.MonkeyPatch, request_: bytes, status: bytes
) -> None:
    async with served(monkeypatch) as connect:
        reader, writer = await connect()
        writer.write(request_)
        assert (await head(reader)).split(b" ", 2)[1] == status


async def test_hundreds_of_upgrades_to_websockets_open_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a\r\n\r\n"
    async with served(monkeypatch) as connect:
        for _ in range(200):
            reader, writer = await connect()
            writer.write(b"GET /" + HOST + upgrade)
            assert (await head(reader)).startswith(b"HTTP/1.1 200 ")
            writer.close()


@pytest.mark.parametrize("copies", [True, False])
def test_many_new_connections_are_accepted_in_a_round_of_the_loop(copies: bool) -> None:
    uvloop = pytest.importorskip("uvloop")
    rounds = 0

    async def accept(count: int) -> None:
        nonlocal rounds
        loop, accepted = asyncio.get_running_loop(), 0

        class Counting(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                nonlocal accepted
                accepted += 1

        with socket.create_server(("127.0.0.1", 0), backlog=512) as listener, ExitStack() as held:
            sockets = with_copies(listener) if copies else [listener]
            servers = [await loop.create_server(Counting, sock=each, backlog=512) for each in sockets]
            for _ in range(count):
                held.enter_context(socket.create_connection(listener.getsockname()))
            while accepted < count:
                rounds += 1
                await asyncio.sleep(0)
            for server in servers:
                server.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(accept(160))
    # Without copies this is a limit of uvloop: the test says when they are not needed any more.
    assert rounds < 40 if copies else rounds >= 100
