"""Test requests that the server's protocol refuses, before there is a task for them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from akin.edge.serving import whole_answer
from tests.unit.edge.served import GET, HOST, ended, head, served

POST = b"POST /full" + HOST + b"Content-Length: 4\r\n"
REFUSED = whole_answer(503, {"content-length": "2"}, b"no")


def refuse_full(method: bytes, path: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes | None:
    return REFUSED if method == b"POST" and path == b"/full" else None


async def test_a_refusal_at_once_keeps_the_connection_and_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(monkeypatch, refuse_at_once=refuse_full) as connect:
        reader, writer = await connect()
        writer.write(POST + b"\r\nbody" + GET + (POST + b"\r\nbody") * 2 + GET)
        async with asyncio.timeout(5):
            assert await reader.readexactly(len(REFUSED)) == REFUSED
            assert (await head(reader)).startswith(b"HTTP/1.1 200 ")
            assert await reader.readexactly(7) == b"1.1 GET"
            for _ in range(2):
                # The request waited for the one before it, and so was passed on.
                if (answer := await head(reader)).startswith(b"HTTP/1.1 503 "):
                    assert await reader.readexactly(2) == b"no"
                else:
                    assert answer.startswith(b"HTTP/1.1 200 ")
                    assert await reader.readexactly(8) == b"1.1 POST"
            assert (await head(reader)).startswith(b"HTTP/1.1 200 ")


async def test_the_body_of_a_request_refused_at_once_is_not_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(monkeypatch, refuse_at_once=refuse_full) as connect:
        reader, writer = await connect()
        writer.write(b"POST /full" + HOST + b"Content-Length: %d\r\n\r\n" % len(GET))
        async with asyncio.timeout(5):
            assert await reader.readexactly(len(REFUSED)) == REFUSED
        writer.write(GET)
        writer.write(b"HEAD /" + HOST + b"\r\n")
        assert (await head(reader)).startswith(b"HTTP/1.1 200 ")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await reader.readexactly(1)  # an answer to GET has a body


async def test_a_body_that_never_ends_after_a_refusal_does_not_keep_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with served(monkeypatch, refuse_at_once=refuse_full) as connect:
        reader, writer = await connect()
        writer.write(POST + b"\r\nb")
        assert await ended(reader) == REFUSED


@pytest.mark.parametrize("line", [b"Connection: close\r\n", b""])
async def test_a_connection_that_ends_is_answered_by_the_application(
    monkeypatch: pytest.MonkeyPatch, line: bytes
) -> None:
    async with served(monkeypatch, refuse_at_once=refuse_full) as connect:
        reader, writer = await connect()
        writer.write((POST if line else POST.replace(b"HTTP/1.1", b"HTTP/1.0")) + line + b"\r\nbody")
        assert (await ended(reader)).startswith(b"HTTP/1.1 200 ")
