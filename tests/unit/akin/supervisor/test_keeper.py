"""Test the keeper of a part with small real processes in place of Triton, the service and the page."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from akin.errors import EncoderError, StackError
from akin.stack.processes import Child, group_of, start, stop, wait_until
from akin.stack.record import PartState
from akin.stack.supervisor.health import FailureDetector, Health, ProbeResult
from akin.stack.supervisor.keeper import Keeper, ProbeIntervals, Stopping
from akin.stack.supervisor.parts import StackPart, Started
from akin.stack.supervisor.restart_policy import RestartPolicy

SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
FAMILY = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]); time.sleep(60)"


class Stage:
    """Part that is one small program, with its keeper."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "part.log"
        self.code = SLEEPER
        self.answers = ProbeResult(Health.ANSWERS)
        self.refusal: Exception | None = None
        self.born: list[Child] = []
        self.cleared = 0
        self.said: list[str] = []
        self.states: list[PartState] = []
        self.keepers: list[Keeper] = []

    def keep(self, *, most: int = 50, quiet: float = 30.0, **options: object) -> Keeper:
        part = StackPart("the part", self.start, lambda: self.answers, self.clear)
        keeper = Keeper(
            part,
            lambda: self.states.append(self.keepers[-1].state),
            self.said.append,
            policy=RestartPolicy(first=0.001, longest=0.001, most=most, quiet=quiet),
            detector=lambda: FailureDetector(tries=2, idle_seconds=0.0),
            intervals=ProbeIntervals(well=0.0, doubtful=0.0),
            **options,  # type: ignore[arg-type]
        )
        self.keepers.append(keeper)
        keeper.start()
        return keeper

    def start(self, started: Started) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.log.unlink(missing_ok=True)
        child = start("the part", [sys.executable, "-c", self.code], os.environ, self.log)
        self.born.append(child)
        try:
            started(child)
            wait_until(lambda: "up" in self.log.read_text(), child, 20)
        except BaseException:
            stop([child])
            raise

    def clear(self) -> None:
        self.cleared += 1

    def until(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not reached():
            assert time.monotonic() < deadline, self.said
            time.sleep(0.01)

    def runs(self, number: int) -> bool:
        """Return True if the process with this number is ready."""
        return len(self.born) == number and self.keepers[-1].state.state == "running"

    def end(self) -> None:
        for keeper in self.keepers:
            keeper.leave()
        self.until(lambda: not any(keeper.busy for keeper in self.keepers))
        stop(self.born, seconds=0.1)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.end()


def test_a_killed_part_is_restarted_and_that_is_recorded(stage: Stage) -> None:
    keeper = stage.keep()
    stage.until(lambda: stage.runs(1))
    os.kill(stage.born[0].pid, signal.SIGKILL)
    stage.until(lambda: stage.runs(2))
    assert keeper.child == stage.born[1]
    assert keeper.state.restarts == 1
    assert keeper.state.reason == "was ended by SIGKILL"
    assert [state.state for state in stage.states if state.failures or state.state == "starting"]
    assert "the part: was ended by SIGKILL; it is started again in 0.001 s" in stage.said


@pytest.mark.parametrize("error", [OSError(errno.ENOSYS, "no such call"), PermissionError(), AttributeError()])
def test_a_killed_part_is_restarted_without_pidfd(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(_: int) -> int:
        raise error

    monkeypatch.setattr(os, "pidfd_open", refuse)
    stage.keep()
    stage.until(lambda: stage.runs(1))
    os.kill(stage.born[0].pid, signal.SIGKILL)
    stage.until(lambda: stage.runs(2))
    assert "the part: was ended by SIGKILL; it is started again in 0.001 s" in stage.said


def test_a_part_that_ends_by_itself_is_reported_with_its_exit_code(stage: Stage) -> None:
    stage.code = "print('up', flush=True); import time; time.sleep(0.2); raise SystemExit(3)"
    keeper = stage.keep(most=2)
    stage.until(lambda: keeper.state.state == "given up")
    assert keeper.state.reason.startswith("ended with exit code 3 (failure 2 in a row). Its log, ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGRTMIN + 3])
def test_every_signal_is_reported(stage: Stage, number: int) -> None:
    keeper = stage.keep()
    stage.until(lambda: stage.runs(1))
    os.kill(stage.born[0].pid, number)
    stage.until(lambda: stage.runs(2))
    assert keeper.state.reason == ("was ended by SIGTERM" if number == signal.SIGTERM else "was ended by signal 37")


def test_the_group_of_a_killed_part_is_killed_before_the_restart(stage: Stage) -> None:
    stage.code = FAMILY
    stage.keep()
    stage.until(lambda: stage.runs(1))
    os.kill(stage.born[0].pid, signal.SIGKILL)
    stage.until(lambda: stage.runs(2))
    assert group_of(stage.born[0]) == []
    assert stage.cleared == 2


@pytest.mark.parametrize("code", [SLEEPER, DEAF])
def test_a_part_that_hangs_is_killed_and_restarted(stage: Stage, code: str) -> None:
    stage.code = code
    keeper = stage.keep()
    stage.until(lambda: stage.runs(1))
    os.kill(stage.born[0].pid, signal.SIGSTOP)
    stage.answers = ProbeResult(Health.SILENT, "did not answer")
    stage.until(lambda: len(stage.born) == 2)
    stage.answers = ProbeResult(Health.ANSWERS)
    stage.until(lambda: stage.runs(len(stage.born)))
    assert not stage.born[0].alive
    assert keeper.state.reason.startswith("did not answer for ")


def test_a_broken_part_is_restarted(stage: Stage) -> None:
    keeper = stage.keep()
    stage.until(lambda: stage.runs(1))
    stage.answers = ProbeResult(Health.BROKEN, "answers 500")
    stage.until(lambda: len(stage.born) == 2)
    stage.answers = ProbeResult(Health.ANSWERS)
    stage.until(lambda: stage.runs(len(stage.born)))
    assert keeper.state.reason == "answers 500: killed"


def test_a_part_that_cannot_start_is_given_up_with_a_reason_and_tried_again_on_request(stage: Stage) -> None:
    stage.refusal = EncoderError("Triton refuses encoder version 1")
    keeper = stage.keep(most=3)
    stage.until(lambda: keeper.state.state == "given up")
    assert (keeper.state.failures, keeper.state.error) == (3, "EncoderError")
    assert keeper.state.reason == "Triton refuses encoder version 1 (failure 3 in a row)."
    assert stage.said[-1].endswith("Try again with: akin up")
    stage.refusal = None
    keeper.try_again()
    stage.until(lambda: stage.runs(1))
    assert keeper.state.failures == 0


def test_another_try_counts_failures_from_zero(stage: Stage) -> None:
    stage.refusal = StackError("no")
    keeper = stage.keep(most=2)
    stage.until(lambda: keeper.state.state == "given up")
    keeper.try_again()
    stage.until(lambda: keeper.state.restarts == 3)
    stage.until(lambda: keeper.state.state == "given up")
    assert keeper.state.failures == 2


def test_a_running_part_is_taken_over_and_not_started(stage: Stage) -> None:
    stage.start(lambda _: None)
    keeper = stage.keep(adopted=stage.born[0], earlier=PartState("the part", "running", 123.0, restarts=4))
    stage.until(lambda: keeper.state.state == "running")
    assert (keeper.state.since, keeper.state.restarts) == (123.0, 4)
    assert len(stage.born) == 1
    os.kill(stage.born[0].pid, signal.SIGKILL)
    stage.until(lambda: stage.runs(2))
    assert keeper.state.restarts == 5


def test_a_part_waits_for_the_one_before_it(stage: Stage) -> None:
    before = threading.Event()
    keeper = stage.keep(before=before)
    time.sleep(0.05)
    assert (keeper.state.state, stage.born) == ("waiting", [])
    before.set()
    stage.until(lambda: stage.runs(1))


def test_nothing_is_started_once_the_stack_is_being_stopped(stage: Stage) -> None:
    stage.refusal = StackError("no")
    keeper = stage.keep(most=2)
    stage.until(lambda: keeper.state.state == "given up")
    stage.refusal = None
    keeper.leave()
    keeper.try_again()
    stage.until(lambda: not keeper.busy)
    assert stage.born == []


def test_a_part_that_is_just_starting_is_stopped_with_the_stack(stage: Stage) -> None:
    stage.code = "import time; time.sleep(60)"
    keeper = stage.keep()
    stage.until(lambda: len(stage.born) == 1)
    keeper.leave()
    stop(stage.born)
    stage.until(lambda: not keeper.busy)
    assert len(stage.born) == 1
    assert not stage.born[0].alive


def test_a_process_that_starts_while_the_stack_stops_is_stopped(stage: Stage) -> None:
    keeper = stage.keep()
    stage.until(lambda: stage.runs(1))
    keeper.leave()
    with pytest.raises(Stopping):
        stage.start(keeper._on_start)
    assert not stage.born[1].alive
