"""Test that requests to parts of the stack never go through a proxy."""

from __future__ import annotations

import ast
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from akin.cli.search import request_search
from akin.registry.switch import components
from akin.stack.record import Stack
from akin.stack.supervisor.health import Health
from akin.stack.supervisor.parts import HttpProbe
from akin.stack.triton import answers, load
from akin.stack_settings import ROOT, Settings

PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")

OUTSIDE = {path for room in ("akin/papers", "akin/cloud") for path in (ROOT / room).rglob("*.py")}


class Part(BaseHTTPRequestHandler):
    """Part of the stack that gives the same answer to every request."""

    def do_GET(self) -> None:
        body = json.dumps({"components": {"snapshot": {"id": "a"}}, "results": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Return the port of a part, with proxies in the environment that do not exist."""
    for name in PROXIES:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with HTTPServer(("127.0.0.1", 0), Part) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_every_request_to_a_part_ignores_the_proxy(port: int, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{port}"
    assert answers(url)
    assert HttpProbe(url)().health is Health.ANSWERS
    assert components(Stack([], [], url, url, "", "", complete=True)) == {"snapshot": {"id": "a"}}
    assert request_search(Settings.read({"AKIN_SERVICE_PORT": str(port)}), {"query": "x"})["results"] == []
    model = tmp_path / "text_encoder"
    (model / "1").mkdir(parents=True)
    (model / "1/manifest.json").write_text('{"digest": "d"}')
    (model / "config.pbtxt").write_text('name: "text_encoder"')
    load(f"127.0.0.1:{port}", tmp_path, [1], tmp_path / "log", key="")


def test_no_client_of_a_part_reads_a_proxy_from_the_environment() -> None:
    """Check all code but `akin.papers`, the fetch of KaTeX and `akin.cloud`, which send requests to other machines."""
    found = []
    for room in ("akin", "gradio_ui", "benchmarks", "loadtests", "retrieval_service"):
        for path in sorted(set((ROOT / room).rglob("*.py")) - OUTSIDE):
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    called = ast.unparse(node.func)
                    ways = ("get", "post", "request", "stream", "Client", "AsyncClient")
                    kept = {word.arg: ast.unparse(word.value) for word in node.keywords}
                    if called in {f"httpx.{way}" for way in ways} and kept.get("trust_env") != "False":
                        found.append(f"{path.relative_to(ROOT)}:{node.lineno} {called}")
                    if called.endswith("insecure_channel") and "enable_http_proxy" not in path.read_text():
                        found.append(f"{path.relative_to(ROOT)}:{node.lineno} {called}")
                    if called.endswith("urlopen") and path.name != "katex_files.py":
                        found.append(f"{path.relative_to(ROOT)}:{node.lineno} {called}")
    assert found == []


def test_the_checks_of_the_containers_ignore_the_proxy() -> None:
    """Ignore the proxy of the machine, which Docker passes to every container."""
    lines = [line for path in (ROOT / "deploy").glob("*.Dockerfile") for line in path.read_text().splitlines()]
    checks = [line for line in lines if "urllib.request" in line]
    assert checks
    assert [line for line in checks if "ProxyHandler({})" not in line] == []
