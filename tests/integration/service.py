"""Serve a data directory, in this process or in one of its own, and send requests to an application directly."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from retrieval_service.app import create_app
from retrieval_service.settings import Settings
from tests.integration.generated import OneEncoder


def client_of(data: Path, encoder: Any, **settings: Any) -> TestClient:
    """Return a client of the service over a data directory."""
    app = create_app(Settings(data=data, **settings), OneEncoder(encoder))
    return TestClient(app, raise_server_exceptions=False)


def start_service(data: Path, port: int, **environment: str) -> subprocess.Popen[str]:
    """Start the service without Triton; a warning ends it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AKIN_")}
    own = {"AKIN_DATA": str(data), "AKIN_SERVICE_PORT": str(port), "AKIN_SERVICE_METRICS_PORT": "0"}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "retrieval_service"],
        cwd=Path(__file__).parents[2],
        env={**kept, **own, "AKIN_TRITON_URL": "grpc://127.0.0.1:1", **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


async def asgi(
    app: Any,
    method: str,
    path: str,
    leaves: asyncio.Event,
    *,
    query: str = "",
    messages: Sequence[dict[str, Any]] = (),
) -> list[Any]:
    """Return the answer to a client that sends some messages, and disconnects at an event."""
    left, sent = list(messages), []

    async def receive() -> dict[str, Any]:
        if left:
            return left.pop(0)
        await leaves.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
        "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "headers": [(b"accept", b"application/json"), (b"content-type", b"application/json"), (b"host", b"localhost")],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "scheme": "http", "root_path": "",
    }  # fmt: skip
    await app(scope, receive, send)
    return sent
