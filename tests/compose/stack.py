"""Start a stack of docker-compose.yml for a test, and always remove it at the end."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from akin.stack.processes import free_ports
from akin.stack_settings import ROOT
from tests.servers import within

COMPOSE = shlex.split(os.environ.get("COMPOSE", ""))
PROJECT = "akin-compose-test"
FIRST_START_SECONDS = 1200

MARKS = [
    pytest.mark.compose,
    pytest.mark.timeout(FIRST_START_SECONDS + 600),
    pytest.mark.skipif(not COMPOSE, reason="runs containers: make compose-test"),
]


class Stack:
    """A stack under test: a project, volumes and ports of its own.

    Attributes:
        project: Its name.
        files: Options of compose that come before the command.
        more: Settings beside those of every stack.
    """

    def __init__(self, project: str = PROJECT, files: Sequence[str] = (), **more: str) -> None:
        self.project, self.files = project, files
        self.service_port, self.ui_port = free_ports(2)
        self.service, self.page = (f"http://127.0.0.1:{port}" for port in (self.service_port, self.ui_port))
        kept = {
            name: value for name, value in os.environ.items() if name == "AKIN_WHEELS" or not name.startswith("AKIN_")
        }
        self.environment = {
            **kept,
            "AKIN_SERVICE_PORT": str(self.service_port),
            "AKIN_UI_PORT": str(self.ui_port),
            # Without systemd podman has no timer for health checks, and would not start a container that has one.
            "DISABLE_HC_SYSTEMD": "true",
            **more,
        }

    def compose(self, *arguments: str, seconds: float = 120, **more: str) -> subprocess.CompletedProcess[str]:
        command = [*COMPOSE, "-p", self.project, *self.files, *arguments]
        return subprocess.run(
            command, cwd=ROOT, env={**self.environment, **more}, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=seconds, check=False,
        )  # fmt: skip

    def done(self, *arguments: str, seconds: float = 120) -> str:
        found = self.compose(*arguments, seconds=seconds)
        assert found.returncode == 0, found.stdout
        return found.stdout

    def run(self, service: str, *command: str, seconds: float = 120, **environment: str) -> tuple[int, str]:
        """Run one more container of a service, with other settings; return its exit code and its output."""
        settings = [f"-e{name}={value}" for name, value in environment.items()]
        found = self.compose("run", "--rm", "--no-deps", "-T", *settings, service, *command, seconds=seconds)
        return found.returncode, found.stdout

    def first_process(self, service: str) -> str:
        """Return the start of a container's first process, in clock ticks since boot; empty while there is none."""
        script = "print(open('/proc/1/stat').read().rpartition(')')[2].split()[19])"
        found = self.compose("exec", "-T", service, "python", "-c", script)
        return found.stdout.strip() if found.returncode == 0 else ""

    def search(self, query: str = "graph neural networks") -> dict[str, Any]:
        answer: dict[str, Any] = httpx.post(f"{self.service}/search", json={"query": query}, timeout=10).json()
        return answer

    def health(self) -> str:
        try:
            return str(httpx.get(f"{self.service}/health", timeout=2).json()["status"])
        except httpx.HTTPError:
            return "away"

    def page_answers(self) -> bool:
        try:
            return httpx.get(self.page, timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


@contextmanager
def running(stack: Stack) -> Iterator[None]:
    """Build a stack's images, start it, and take it down with its volumes; check that nothing of it is left."""
    stack.compose("down", "-v")  # what an earlier run left that was killed
    built = stack.compose("build", seconds=FIRST_START_SECONDS)
    assert built.returncode == 0, built.stdout[-4000:]
    try:
        started = time.monotonic()
        stack.done("up", "-d", seconds=300)
        within(FIRST_START_SECONDS, "the first answer", lambda: stack.health() == "ok")
        print(f"from `up` to the first full answer: {time.monotonic() - started:.0f} s")
        yield
    except BaseException:
        print(stack.compose("logs").stdout[-8000:])
        raise
    finally:
        down = stack.compose("down", "-v")
        left = stack.compose("ps", "-q").stdout.split()
    assert down.returncode == 0, down.stdout
    assert left == []
    assert not stack.page_answers()
