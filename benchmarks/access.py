"""Measure what keys and limits of rate add to a request: `python -m benchmarks.access`."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from akin.keys import KeyFile, KeyRing
from retrieval_service.routes.access import Access
from retrieval_service.routes.rate_limit import RateLimit

_REQUESTS, _TIMES = 20_000, 7


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def _receive() -> Message:
    raise AssertionError("no body is read")


async def _send(message: Message) -> None:
    pass


async def _microseconds(app: ASGIApp, headers: list[tuple[bytes, bytes]]) -> float:
    """Return the median of the mean time of a request."""
    query = b"q=graph+neural+networks&k=10"
    times = []
    for _ in range(_TIMES):
        started = time.perf_counter()
        for _ in range(_REQUESTS):
            scope = {"type": "http", "path": "/search", "query_string": query, "headers": headers, "client": ("::1", 1)}
            await app(scope, _receive, _send)
        times.append((time.perf_counter() - started) / _REQUESTS * 1e6)
    return median(times)


async def _measure(file: KeyFile) -> None:
    for number in range(200):
        _, text = file.create(f"client-{number}", ["search"])
    ring = KeyRing(file)
    headers = [(b"host", b"a"), (b"accept", b"*/*"), (b"authorization", f"Bearer {text}".encode())]
    base = await _microseconds(_nothing, headers)
    many = float(10**9)
    apps: dict[str, ASGIApp] = {
        "keys": Access(_nothing, ring),
        "limit of rate": RateLimit(_nothing, many, 10**9),
        "both": Access(RateLimit(_nothing, many, 10**9), ring),
    }
    for name, app in apps.items():
        print(f"{name}: {await _microseconds(app, headers) - base:.1f} µs a request")


def main() -> None:
    """Print the time that each adds, with 200 keys."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(KeyFile(Path(folder) / "keys.json")))


if __name__ == "__main__":
    main()
