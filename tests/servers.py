"""Start servers for tests, and wait for their first answer or for what they do later."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

SECONDS = 200
"""Far more than any start takes, also on a slow and busy machine."""


def await_answer(
    url: str,
    *processes: subprocess.Popen[Any],
    client: httpx.Client | None = None,
    until: Callable[[httpx.Response], bool] = lambda answer: answer.status_code == 200,
) -> httpx.Response:
    """Return the first wanted answer of a server that was just started; fail when one of its processes has ended."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            if until(answer := (client or httpx).get(url, timeout=10)):
                return answer
        except httpx.TransportError:
            pass
        assert all(process.poll() is None for process in processes), url
        assert time.monotonic() < deadline, url
        time.sleep(0.05)


def within(seconds: float, what: str, happened: Callable[[], bool]) -> None:
    """Wait until something has happened; fail if it has not after some seconds."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


@contextmanager
def started_page(port: int, service: str, **environment: str) -> Iterator[subprocess.Popen[Any]]:
    """Run the page over the service at an address, in a process of its own; stop it at the end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AKIN_")}
    own = {"AKIN_UI_PORT": str(port), "AKIN_SERVICE_URL": service, **environment}
    command = [sys.executable, "-m", "gradio_ui"]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=root, env={**kept, **own}, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()
