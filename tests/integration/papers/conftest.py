"""HTTP server on a real socket that sends scripted answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from akin.papers.remote.http import RetryPolicy

POLICY = RetryPolicy(pause=0.0, timeout=5.0, attempts=3, first_wait=0.01)
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Server that sends the scripted answers one after another, and then the usual one."""

    def __init__(self) -> None:
        self.script: list[Answer | None] = []
        self.usual: Answer = lambda request: send(request, 404)
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.at_once = self.most_at_once = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.asked.append(self.path)
                server.headers.append(dict(self.headers.items()))
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
                try:
                    ((server.script.pop(0) if server.script else None) or server.usual)(self)
                finally:
                    server.at_once -= 1

            def log_message(self, *_: Any) -> None:
                pass

        self.running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.running.server_port}"
        threading.Thread(target=self.running.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.running.shutdown()
        self.running.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


def send(request: BaseHTTPRequestHandler, status: int, body: bytes = b"", *, cut: int = 0, **headers: str) -> None:
    """Send an answer without the last `cut` bytes that its Content-Length announces."""
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body[: len(body) - cut])
    if cut:
        request.wfile.flush()
        request.close_connection = True
