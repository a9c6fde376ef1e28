"""Take descriptors and memory away from a running service and from a builder: the error is clear, and work goes on."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from akin.stack.processes import free_ports
from tests.chaos import builders
from tests.integration.generated import generated_papers
from tests.integration.service import start_service


class Service:
    """A service in a process of its own, over a generated corpus, without Triton."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process, self.url = process, url

    def search(self, **more: Any) -> httpx.Response:
        asked = {"query": "words", "mode": "lexical", "k": 5, **more}
        return httpx.post(f"{self.url}/search", json=asked, timeout=30)

    @contextlib.contextmanager
    def limited(self, limit: int, value: int) -> Iterator[None]:
        before = resource.prlimit(self.process.pid, limit)
        resource.prlimit(self.process.pid, limit, (value, before[1]))
        try:
            yield
        finally:
            resource.prlimit(self.process.pid, limit, before)

    def until_answered(self) -> httpx.Response:
        deadline = time.monotonic() + 60
        while True:
            assert self.process.poll() is None, self.process.communicate()[1]
            with contextlib.suppress(httpx.TransportError):
                if (found := self.search()).status_code == 200:
                    return found
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture(scope="module")
def service(corpus: Any) -> Iterator[Service]:
    port = free_ports(1)[0]
    process = start_service(corpus.data, port)
    running = Service(process, f"http://127.0.0.1:{port}")
    running.until_answered()
    yield running
    process.terminate()
    said = process.communicate()[1]
    assert process.returncode == 0, said


def test_a_service_without_descriptors_serves_those_who_are_there_and_then_others(service: Service) -> None:
    opened = len(os.listdir(f"/proc/{service.process.pid}/fd"))
    port = int(service.url.rpartition(":")[2])
    with httpx.Client(timeout=30) as there, contextlib.ExitStack() as idle:
        assert there.get(f"{service.url}/health/live").status_code == 200
        with service.limited(resource.RLIMIT_NOFILE, opened + 8):
            for _ in range(40):
                idle.enter_context(contextlib.closing(socket.create_connection(("127.0.0.1", port))))
            for _ in range(10):
                found = there.post(f"{service.url}/search", json={"query": "words", "mode": "lexical"})
                assert found.status_code == 200
            idle.close()
    assert service.until_answered().json()["results"] is not None


def test_a_service_without_memory_refuses_and_goes_on(service: Service) -> None:
    status = Path(f"/proc/{service.process.pid}/statm").read_text().split()
    used = int(status[0]) * resource.getpagesize()
    before = service.until_answered().json()["results"]
    codes = []
    with service.limited(resource.RLIMIT_AS, used):
        for _ in range(10):
            with contextlib.suppress(httpx.TransportError):
                # A large body needs memory that cannot be had.
                found = service.search(query="words " * 100, like=["2001.10001"] * 2)
                codes.append(found.status_code)
    assert service.process.poll() is None
    assert {code // 100 for code in codes} <= {2, 4, 5}
    assert service.until_answered().json()["results"] == before


@pytest.mark.chaos
@pytest.mark.parametrize("room", [1, 8, 32, 64])
def test_a_builder_without_memory_leaves_the_live_snapshot(tmp_path: Path, room: int) -> None:
    data = tmp_path / "data"
    data.mkdir()
    papers = generated_papers(600)
    for name, count in (("few", 60), ("many", 600)):
        builders.write_papers(tmp_path / f"{name}.jsonl", papers[:count])
    assert builders.finish(data, ["index", "build", str(tmp_path / "few.jsonl")]) == 0
    arguments = ["index", "build", str(tmp_path / "many.jsonl")]
    status = builders.finish(data, arguments, megabytes=room)
    found = builders.searched(data)
    assert len(found) == (600 if status == 0 else 60)
    assert builders.finish(data, arguments) == 0
    assert len(builders.searched(data)) == 600
    assert builders.leftovers(data) == []
