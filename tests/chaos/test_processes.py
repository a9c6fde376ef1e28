"""Kill and stop the processes of the real stack: requests are answered in their time, and all comes back by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.akin.test_supervision import Watched, watched

__all__ = ["watched"]

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

# A quiet machine needs a fifth of these: the figures are in docs/reliability.md.
ANSWER_SECONDS = 10.0
SECONDS = 240.0
# A probe of the encoder may wait 5 s and begins 2 s after the last one; a part is restarted after 10 s of silence.
SECONDS_OF_PAUSE = 8.0


def pid_of(stack: Watched, part: str) -> int:
    return stack.stub() if part == "the stub" else stack.pid(part)


def back(stack: Watched, part: str, restarts: int) -> None:
    """Wait until a part runs after a number of restarts."""
    began = time.monotonic()
    while stack.restarts(part) < restarts or not stack.runs(part):
        assert time.monotonic() - began < SECONDS, stack.akin("status").stdout
        time.sleep(0.1)


def search(stack: Watched) -> httpx.Response | None:
    """Search once by HTTP; None if the service does not answer."""
    with contextlib.suppress(httpx.TransportError):
        asked = {"query": "graph neural networks", "k": 1}
        return httpx.post(f"{stack.settings.service_url}/search", json=asked, timeout=ANSWER_SECONDS)
    return None


def ready(stack: Watched) -> dict[str, Any]:
    return dict(httpx.get(f"{stack.settings.service_url}/health/ready", timeout=ANSWER_SECONDS).json())


def until(stack: Watched, dense: bool, seconds: float) -> float:
    """Wait until searches are answered with vectors, or without; return the seconds that it took."""
    began = time.monotonic()
    while (found := search(stack)) is None or found.status_code != 200 or bool(found.json().get("degraded")) is dense:
        assert time.monotonic() - began < seconds, found.text if found else "no answer"
        time.sleep(0.1)
    return time.monotonic() - began


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process for the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("part", ["Triton", "the stub"])
def test_while_the_encoder_hangs_every_search_is_answered_in_its_time(watched: Watched, part: str) -> None:
    until(watched, True, SECONDS)
    kept = watched.restarts("Triton")
    slowest, answers = 0.0, []
    with stopped(pid_of(watched, part)):
        began = time.monotonic()
        # It is stopped until the supervisor has restarted it.
        while watched.restarts("Triton") == kept:
            assert time.monotonic() - began < SECONDS
            asked = time.monotonic()
            found = search(watched)
            slowest = max(slowest, time.monotonic() - asked)
            assert found is not None, "the service did not answer"
            answers.append((found.status_code, found.json().get("degraded"), found.json().get("results")))
    noticed = time.monotonic() - began
    assert {status for status, *_ in answers} <= {200, 503}
    # Words alone still find papers.
    alone = [degraded for status, degraded, results in answers if status == 200 and degraded and results]
    assert alone
    # The time of a query ended the wait, not a connection that was given up much later. For its own Python process,
    # Triton itself answers before.
    assert part == "the stub" or any("did not answer within" in degraded for degraded in alone), alone
    back = until(watched, True, SECONDS)
    print(f"{part}: slowest answer {slowest:.1f} s, restarted after {noticed:.1f} s, dense after {back:.1f} s more")
    assert ready(watched)["status"] == "ok"
    assert slowest < ANSWER_SECONDS


def test_an_encoder_that_goes_on_soon_is_not_restarted(watched: Watched) -> None:
    """Stop Triton itself: its own Python process it gives up after about a second, and ends or is restarted."""
    until(watched, True, SECONDS)
    kept = watched.restarts("Triton")
    with stopped(watched.pid("Triton")):
        began = time.monotonic()
        degraded = until(watched, False, SECONDS)
        # For so long that the supervisor gets no answer at least once; one silence is no reason for a restart.
        time.sleep(max(0.0, began + SECONDS_OF_PAUSE - time.monotonic()))
    back = until(watched, True, SECONDS)
    print(f"Triton: degraded after {degraded:.1f} s, dense {back:.1f} s after it went on")
    assert watched.restarts("Triton") == kept


@pytest.mark.parametrize("part", ["the service", "the page"])
def test_a_stopped_server_is_restarted(watched: Watched, part: str) -> None:
    kept, began = watched.restarts(part), time.monotonic()
    with stopped(pid_of(watched, part)):
        back(watched, part, kept + 1)
    print(f"{part}: back after {time.monotonic() - began:.1f} s")
    until(watched, True, SECONDS)


def test_a_triton_that_ends_again_and_again_leaves_searches_and_comes_back(watched: Watched) -> None:
    until(watched, True, SECONDS)
    answers = []
    for _ in range(4):
        kept = watched.restarts("Triton")
        os.kill(watched.pid("Triton"), signal.SIGKILL)
        began = time.monotonic()
        while watched.restarts("Triton") == kept or not watched.runs("Triton"):
            assert time.monotonic() - began < SECONDS
            found = search(watched)
            answers.append(found.status_code if found is not None else None)
            time.sleep(0.05)
    assert set(answers) == {200}
    back = until(watched, True, SECONDS)
    print(f"flapping: {len(answers)} answers meanwhile, dense {back:.1f} s after the last start")


def test_every_part_killed_at_once_comes_back(watched: Watched) -> None:
    before = {part: watched.restarts(part) for part in ("Triton", "the service", "the page")}
    for part in before:
        os.kill(watched.pid(part), signal.SIGKILL)
    began = time.monotonic()
    for part, count in before.items():
        back(watched, part, count + 1)
    until(watched, True, SECONDS)
    print(f"all three: dense after {time.monotonic() - began:.1f} s")
