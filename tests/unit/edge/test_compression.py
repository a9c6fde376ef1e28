"""Test which answers are compressed."""

from __future__ import annotations

import gzip

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from akin.edge.compression import Compression


async def answered(size: int, accepts: str | None, kind: str = "application/json", status: int = 200) -> httpx.Response:
    """Return the answer with the bytes as they were sent."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", kind.encode()), (b"content-length", str(size).encode())],
            }
        )
        await send({"type": "http.response.body", "body": b"a" * size})

    headers = {} if accepts is None else {"accept-encoding": accepts}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(Compression(app)), base_url="http://api") as client:
        client.headers.pop("accept-encoding")
        async with client.stream("GET", "/", headers=headers) as answer:
            answer.extensions["sent"] = b"".join([part async for part in answer.aiter_raw()])
            return answer


@pytest.mark.parametrize(
    "accepts", ["gzip", "br, gzip;q=0.5", "deflate,gzip;q=1.0", "gzip, identity;q=0", "x-gzip", "GZip", "*"]
)
async def test_a_large_answer_is_compressed_for_clients_that_accept_it(accepts: str) -> None:
    answer = await answered(4096, accepts)
    sent = answer.extensions["sent"]
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) == len(sent) < 200
    assert gzip.decompress(sent) == b"a" * 4096
    assert answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "accepts",
    [
        None,
        "identity",
        "br",
        "gzip;q=0",
        "gzip; q=0.0, br",
        "identity, GZIP ;q=0.000",
        "gzip;q=x",
        "gzip;q=0.5, identity",
    ],
)
async def test_others_get_it_as_it_is_and_caches_learn_that_it_varies(accepts: str | None) -> None:
    answer = await answered(4096, accepts)
    assert "content-encoding" not in answer.headers
    assert answer.extensions["sent"] == b"a" * 4096
    assert answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("size", "kind", "status"),
    [(4095, "application/json", 200), (9000, "text/event-stream", 200), (0, "application/json", 304)],
)
async def test_small_answers_and_streams_stay_as_they_are(size: int, kind: str, status: int) -> None:
    answer = await answered(size, "gzip", kind, status)
    assert "content-encoding" not in answer.headers
    assert len(answer.extensions["sent"]) == size
