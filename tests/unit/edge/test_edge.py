"""Test headers, limits of bodies and origins."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from akin.edge import (
    BodyTooLong,
    SecurityHeaders,
    SlowBody,
    TooManyBodies,
    api_headers,
    limited_body,
    page_headers,
    parse_origins,
    refuse,
)
from akin.edge.bodies import _Arriving


def directives(headers: dict[str, str]) -> dict[str, list[str]]:
    parts = [part.split() for part in headers["Content-Security-Policy"].split(";")]
    return {part[0]: part[1:] for part in parts}


@pytest.mark.parametrize("headers", [page_headers(), api_headers("'sha256-x'")], ids=["page", "api"])
def test_policies_contain_no_foreign_origin(headers: dict[str, str]) -> None:
    policy = directives(headers)
    assert policy["object-src"] == ["'none'"]
    assert policy["connect-src"] == policy["frame-ancestors"] == ["'self'"]
    for sources in policy.values():
        assert not [source for source in sources if "." in source or "*" in source or source in {"http:", "https:"}]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] in {"no-referrer", "same-origin"}
    assert {"Permissions-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy"} <= set(headers)


def test_only_the_page_permits_inline_scripts() -> None:
    assert "unsafe" not in api_headers("'sha256-x'")["Content-Security-Policy"]
    unsafe = {name: [s for s in sources if "unsafe" in s] for name, sources in directives(page_headers()).items()}
    assert {name: sources for name, sources in unsafe.items() if sources} == {
        "script-src": ["'unsafe-inline'", "'unsafe-eval'"],
        "style-src": ["'unsafe-inline'"],
    }


async def test_every_answer_has_the_headers_once() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await refuse(send, 500, "no", [("X-Content-Type-Options", "other")])

    transport = httpx.ASGITransport(SecurityHeaders(app, page_headers()))
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        answer = await client.get("/")
    assert answer.status_code == 500
    for name, value in page_headers().items():
        assert answer.headers.get_list(name) == [value]


def receive_of(*chunks: bytes | None) -> Receive:
    """Receive the chunks; None is a closed connection, the end is a client that sends nothing more."""
    left = list(chunks)

    async def receive() -> Message:
        if not left:
            await asyncio.sleep(60)
        chunk = left.pop(0)
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": chunk != b""}

    return receive


async def body(receive: Receive, length: bytes | None = None) -> bytes:
    headers = [] if length is None else [(b"content-length", length)]
    return await limited_body({"headers": headers}, receive, most=10, seconds=0.05)


async def test_a_body_up_to_the_limit() -> None:
    assert await body(receive_of(b"01234", b"56789", b""), b"10") == b"0123456789"


async def test_a_longer_body_is_refused_before_it_is_read() -> None:
    for length in (b"11", b"9" * 400):
        with pytest.raises(BodyTooLong):
            await body(receive_of(), length)


async def test_a_longer_body_in_chunks_is_refused_in_the_middle() -> None:
    with pytest.raises(BodyTooLong):
        await body(receive_of(b"0123456789", b"x"))


async def test_bodies_that_arrive_together_have_a_limit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Arriving, "most", 25)
    slow = [asyncio.ensure_future(limited_body({"headers": []}, receive_of(b"0123456789"), 10, 30)) for _ in range(2)]
    await asyncio.sleep(0.01)
    with pytest.raises(TooManyBodies):
        await body(receive_of(b"0123456", b""))
    assert await body(receive_of(b"01234", b"")) == b"01234"
    for each in slow:
        each.cancel()
    await asyncio.wait(slow)
    assert await body(receive_of(b"0123456789", b"")) == b"0123456789"
    assert _Arriving.held == 0


@pytest.mark.parametrize(
    ("stated", "refused"),
    [(b"10", False), (b"11", True), (b"9" * 40, True), (b"0" * 18 + b"5", True), (b"0" * 17 + b"5", False)],
)
async def test_a_stated_length_is_refused_before_anything_is_read(stated: bytes, refused: bool) -> None:
    read: list[bytes] = []

    async def receive() -> Message:
        read.append(stated)
        return {"type": "http.request", "body": b"0123456789"}  # without more_body, it is the whole

    scope = {"headers": [(b"content-length", stated)]}
    if refused:
        with pytest.raises(BodyTooLong):
            await limited_body(scope, receive, 10, 1)
    else:
        assert await limited_body(scope, receive, 10, 1) == b"0123456789"
    assert len(read) == (not refused)


async def test_a_stated_length_that_is_no_number_is_not_believed() -> None:
    for stated in (b"-1", b"", b"9 9", "٩٩".encode()):
        scope = {"headers": [(b"content-length", stated)]}
        assert await limited_body(scope, receive_of(b"01", b""), 10, 1) == b"01"


def test_bodies_may_have_256_mib_together() -> None:
    assert _Arriving.most == 256 * 1024 * 1024


async def test_a_body_that_does_not_arrive() -> None:
    for receive in (receive_of(b"01"), receive_of(b"01", None)):
        with pytest.raises(SlowBody):
            await body(receive)


def test_origins() -> None:
    assert parse_origins("") == ()
    assert parse_origins("https://a.example, http://localhost:3000,") == ("https://a.example", "http://localhost:3000")
    for wrong in ("https://a.example/", "a.example", "https://*.example", "https://a.example:port"):
        with pytest.raises(ValueError, match="is not an origin"):
            parse_origins(wrong)
    for anyone in ("*", "null", "https://a.example,NULL"):
        with pytest.raises(ValueError, match="would let any site read"):
            parse_origins(anyone)


def test_the_edge_imports_only_the_standard_library() -> None:
    # Settings use these parsers, and are read where no server is installed.
    told = subprocess.run(
        [sys.executable, "-c", "import sys, akin.edge; print('starlette' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout == "False\n"
