"""A server with short limits, over a socket, and what clients read from it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from akin.edge import BodyTooLong, SlowBody, limited_body, refuse, serving
from akin.edge.serving import BoundedProtocol, RefuseAtOnce, server_config

HOST = b" HTTP/1.1\r\nHost: localhost\r\n"
GET = b"GET /" + HOST + b"\r\n"
LARGE = 8_000_000
Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer at once, with megabytes, as a stream, or after the body, by the path."""
    if scope["path"] == "/large":
        await refuse(send, 200, "x" * LARGE)
    elif scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(LARGE // 100_000):
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    elif scope["method"] == "POST" and scope["path"] == "/body":
        try:
            await refuse(send, 200, str(len(await limited_body(scope, receive, 100_000, 0.2))))
        except BodyTooLong:
            await refuse(send, 413, "", [("connection", "close")])
        except SlowBody:
            await refuse(send, 408, "", [("connection", "close")])
    else:
        await refuse(send, 200, f"{scope['http_version']} {scope['method']}")


@asynccontextmanager
async def served(
    monkeypatch: pytest.MonkeyPatch,
    keep_alive: float = 5,
    refuse_at_once: RefuseAtOnce | None = None,
    **limits: float,
) -> AsyncIterator[Connect]:
    """Run a server with other limits, and yield a function that connects to it."""
    for name, value in (
        {"_SECONDS_OF_HEAD": 0.2, "_SECONDS_TO_READ": 0.2, "_SECONDS_TO_READ_REFUSAL": 0.05} | limits
    ).items():
        monkeypatch.setattr(serving, name, value)
    writers: list[asyncio.StreamWriter] = []
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        config = server_config(
            app, lifespan="off", log_config=None, timeout_keep_alive=keep_alive, refuse_at_once=refuse_at_once
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve([listener]))
        while not server.started:
            await asyncio.sleep(0.001)

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection(*listener.getsockname(), limit=2**16)
            writers.append(writer)
            return reader, writer

        try:
            yield connect
            # Whatever the hostile ones did, a new client is answered.
            reader, writer = await connect()
            writer.write(GET)
            assert (await head(reader)).startswith(b"HTTP/1.1 200 ")
        finally:
            for writer in writers:
                writer.transport.abort()
            server.should_exit = True
            await task
    assert not BoundedProtocol._open
    assert not BoundedProtocol._waiting


async def head(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(5):
        return await reader.readuntil(b"\r\n\r\n")


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Return what arrives until the server closes the connection."""
    async with asyncio.timeout(5):
        try:
            return await reader.read(-1)
        except ConnectionResetError:
            return b""
