"""Kill one part of the real stack after the other: each is restarted within a limit, and searches are answered."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from akin.stack.leftovers import find_marked
from akin.stack.record import find_running_stack
from akin.stack.shared_memory import region_prefix
from akin.stack.status import stack_as_json
from tests.conftest import STARTS_SOON, RunningStack
from tests.servers import within

pytestmark = pytest.mark.integration

SECONDS = 60.0
"""Limit of a restart: on two cores that also run other tests, the slowest takes six seconds."""


class Watched(RunningStack):
    """A running stack whose parts are killed."""

    def status(self) -> dict[str, Any]:
        return stack_as_json(find_running_stack(self.settings), whole=True)

    def pid(self, name: str) -> int:
        return int(next(each["pid"] for each in self.status()["processes"] if each["name"] == name))

    def stub(self) -> int:
        """Return the id of Triton's Python process."""
        return next(child.pid for child in find_marked(self.settings.run) if child.name.startswith("triton_python_b"))

    def record(self) -> dict[str, Any]:
        return dict(json.loads((self.settings.run / "stack.json").read_text()))

    def back(self, part: str, restarts: int) -> float:
        """Wait until a part runs after a number of restarts; return the seconds that it took."""
        began = time.monotonic()
        while True:
            state = next(each for each in self.record()["parts"] if each["name"] == part)
            if state["restarts"] == restarts and state["state"] == "running":
                return time.monotonic() - began
            assert time.monotonic() - began < 2 * SECONDS, self.akin("status").stdout
            time.sleep(0.1)

    def runs(self, part: str) -> bool:
        return any(each["name"] == part and each["state"] == "running" for each in self.record()["parts"])

    def restarts(self, part: str) -> int:
        return int(next(each["restarts"] for each in self.record()["parts"] if each["name"] == part))

    def dense(self) -> bool:
        """Return True if a search is answered with the encoder."""
        done = self.akin("search", "graph neural networks", "-k", "1", "--json")
        return done.returncode == 0 and not json.loads(done.stdout).get("degraded")

    def regions(self) -> list[str]:
        prefix = region_prefix(self.settings.run, self.settings.triton_grpc_port)
        return [path.name for path in Path("/dev/shm").glob(f"{prefix}*")]


@pytest.fixture(scope="module")
def watched(encoder_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with Watched.over(tmp_path_factory.mktemp("watched"), encoder_repository, **STARTS_SOON) as running:
        yield running
    assert [child.name for child in find_marked(running.settings.run)] == []
    assert running.regions() == []
    assert not running.settings.run.is_dir() or list(running.settings.run.iterdir()) == []


@pytest.mark.parametrize(
    ("part", "signum"),
    [
        ("the service", signal.SIGKILL),
        ("the page", signal.SIGKILL),
        ("Triton", signal.SIGKILL),
        ("the stub", signal.SIGKILL),
        ("Triton", signal.SIGSTOP),
    ],
)
def test_a_part_that_ends_or_hangs_is_restarted_and_searches_are_answered(
    watched: Watched, part: str, signum: signal.Signals
) -> None:
    kept = "Triton" if part == "the stub" else part
    before = watched.restarts(kept)
    os.kill(watched.stub() if part == "the stub" else watched.pid(part), signum)
    # Only the silence shows a hang.
    assert watched.back(kept, before + 1) < SECONDS + (20 if signum == signal.SIGSTOP else 0)
    within(SECONDS, "dense search answers", watched.dense)
    assert len(watched.regions()) == 1
    said = watched.akin("status").stdout
    assert f"{kept:<12} running" in said
    assert "restarted " in said


def test_a_busy_triton_is_left_alone(watched: Watched) -> None:
    before = watched.restarts("Triton")
    # Without them, every paper is embedded again.
    shutil.rmtree(watched.settings.data / "embeddings")
    done = watched.akin("index", "build", "sample", "--json")
    assert done.returncode == 0, done.stderr
    assert watched.restarts("Triton") == before


def test_parts_continue_without_a_supervisor_and_up_starts_one(watched: Watched) -> None:
    found = watched.status()
    before = {each["name"]: each["pid"] for each in found["processes"]}
    os.kill(found["supervisor"]["pid"], signal.SIGKILL)
    assert watched.dense()
    assert "nothing restarts a part" in watched.akin("status").stdout
    assert watched.akin("up").returncode == 0
    assert {each["name"]: each["pid"] for each in watched.status()["processes"]} == before
    restarts = watched.restarts("the service")
    os.kill(before["the service"], signal.SIGKILL)
    assert watched.back("the service", restarts + 1) < SECONDS


def test_down_leaves_nothing_of_a_killed_supervisor_a_killed_triton_and_its_stopped_python_process(
    watched: Watched,
) -> None:
    os.kill(watched.stub(), signal.SIGSTOP)
    os.kill(watched.status()["supervisor"]["pid"], signal.SIGKILL)
    os.kill(watched.pid("Triton"), signal.SIGKILL)
    assert watched.stub()
    assert watched.regions()
    assert watched.akin("down").returncode == 0
    assert find_marked(watched.settings.run) == []
    assert watched.regions() == []
