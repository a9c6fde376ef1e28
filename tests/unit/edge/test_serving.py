"""Test the limits on the head of a request, over a socket."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from akin.edge import refuse, serving
from akin.edge.serving import LONGEST_ADDRESS, LONGEST_HEADERS, server_config

HOST = b" HTTP/1.1\r\nHost: localhost\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what was understood of a request."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    seen = {"path": scope["path"], "query": len(scope["query_string"]), "end": scope["query_string"][-6:].decode()}
    await refuse(send, 200, {**seen, "body": body.decode(), "headers": len(scope["headers"])})


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Run a server, and yield a connection to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(server_config(echo, lifespan="off", log_config=None))
        task = asyncio.create_task(server._serve([listener]))
        while not server.started:
            await asyncio.sleep(0.001)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()
            server.should_exit = True
            await task


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], Any]:
    """Return status, headers and body of the next answer."""
    async with asyncio.timeout(5):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        return int(head[0].split()[1]), headers, json.loads(await reader.readexactly(int(headers["content-length"])))


async def asked(request: bytes) -> tuple[int, dict[str, str], Any]:
    async with connected() as (reader, writer):
        writer.write(request)
        return await answer(reader)


@pytest.mark.parametrize("letter", ["α", "意", "𝔸", "a"])
async def test_the_longest_query_arrives_in_any_script(letter: str) -> None:
    text = quote(letter * 20_000)
    status, _, seen = await asked(b"GET /search?q=" + text.encode() + b"&k=3" + HOST + b"\r\n")
    assert status == 200
    assert seen == {"path": "/search", "query": len(text) + 6, "end": (text + "&k=3")[-6:], "body": "", "headers": 1}


@pytest.mark.parametrize("target", [b"/a%20b?q=1#part", b"http://localhost/a%20b?q=1"])
async def test_path_and_query_are_divided(target: bytes) -> None:
    _, _, seen = await asked(b"GET " + target + HOST + b"\r\n")
    assert (seen["path"], seen["end"]) == ("/a b", "q=1")


@pytest.mark.parametrize(
    "start",
    [b"GET /search?q=" + b"a" * LONGEST_ADDRESS, b"GET /search?q=" + b"%CE%B1" * 200_000, b"GET /" + b"p" * 70_000],
)
@pytest.mark.parametrize("complete", [True, False])
async def test_a_longer_address_is_refused_in_the_form_of_all_errors(start: bytes, complete: bool) -> None:
    if not complete:
        start += b"a" * LONGEST_HEADERS * 5
    status, headers, body = await asked(start + (HOST + b"\r\n" if complete else b""))
    assert (status, body["error"]["code"]) == (414, "address_too_long")
    assert str(body["error"]["detail"]["limit"]) in body["error"]["message"]
    assert headers["content-type"] == "application/json"
    assert headers["connection"] == "close"
    assert "content-security-policy" in headers


@pytest.mark.parametrize(
    "fields",
    [
        b"X: " + b"v" * (LONGEST_HEADERS + 1) + b"\r\n\r\n",
        b"X-Y: value\r\n" * 9_000 + b"\r\n",
        b"X: " + b"v" * (LONGEST_ADDRESS + LONGEST_HEADERS),
    ],
    ids=["one long", "many", "without an end"],
)
async def test_longer_headers_are_refused(fields: bytes) -> None:
    status, _, body = await asked(b"GET /" + HOST + fields)
    assert (status, body["error"]["code"]) == (431, "headers_too_large")


@pytest.mark.parametrize("request_", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
async def test_invalid_http_is_refused_in_the_form_of_all_errors(request_: bytes) -> None:
    status, headers, body = await asked(request_)
    assert (status, body["error"]["code"]) == (400, "invalid_http")
    assert headers["x-content-type-options"] == "nosniff"


async def test_the_connection_stays_open_and_takes_the_next_request() -> None:
    async with connected() as (reader, writer):
        for _ in range(3):
            writer.write(b"GET /?q=" + b"a" * 200_000 + HOST + b"\r\n")
            assert (await answer(reader))[0] == 200
        writer.write((b"GET /one" + HOST + b"\r\n") * 2)
        assert [(await answer(reader))[2]["path"] for _ in range(2)] == ["/one", "/one"]


async def test_a_large_body_is_no_head() -> None:
    body = b"x" * 500_000
    status, _, seen = await asked(b"POST /" + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert (status, len(seen["body"])) == (200, len(body))


async def test_fields_behind_the_body_are_bounded_and_no_headers() -> None:
    chunked = b"POST /" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
    status, _, seen = await asked(chunked + b"X-Forwarded-Host: evil.example\r\n\r\n")
    assert (status, seen["body"], seen["headers"]) == (200, "abc", 2)
    status, _, body = await asked(chunked + b"X: " + b"v" * 2 * (LONGEST_ADDRESS + LONGEST_HEADERS))
    assert (status, body["error"]["code"]) == (431, "headers_too_large")


async def test_a_head_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_SECONDS_OF_HEAD", 0.05)
    status, _, body = await asked(b"GET / HTTP/1.1\r\nX: ")
    assert (status, body["error"]["code"]) == (408, "head_timeout")


async def test_a_refused_client_cannot_keep_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_SECONDS_TO_READ_REFUSAL", 0.05)
    async with connected() as (reader, writer), asyncio.timeout(5):
        writer.write(b"nonsense\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        while not writer.transport.is_closing():
            writer.write(b"more\r\n")
            await asyncio.sleep(0.01)
