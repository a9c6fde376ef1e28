"""Test the detection of hung and busy parts with an artificial clock."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from akin.stack.processes import start, stop, wait_until
from akin.stack.supervisor.health import FailureDetector, Health, ProbeResult, Work, work_of

WELL, BROKEN, SILENT = (
    ProbeResult(Health.ANSWERS),
    ProbeResult(Health.BROKEN, "answers 500"),
    ProbeResult(Health.SILENT, "did not answer"),
)


class Watcher:
    """Probes a part every four seconds; each probe takes three seconds."""

    def __init__(self, detector: FailureDetector) -> None:
        self.detector, self.now, self.seconds, self.reads = detector, 100.0, 0.0, 0

    def sees(self, look: ProbeResult, *, seconds: float = 0.0, reads: int = 0) -> str | None:
        """Judge a probe during which the part used that much processor time and that many disk reads."""
        began, self.now = self.now, self.now + 4
        self.seconds, self.reads = self.seconds + seconds, self.reads + reads
        return self.detector.judge(look, began, began + 3, lambda: Work(self.seconds, self.reads))


def test_a_part_that_answers_is_left_alone() -> None:
    watcher = Watcher(FailureDetector())
    assert {watcher.sees(WELL) for _ in range(100)} == {None}


def test_wrong_answers_count_only_in_a_row() -> None:
    watcher = Watcher(FailureDetector(tries=3))
    seen = [watcher.sees(look) for look in (BROKEN, BROKEN, WELL, BROKEN, BROKEN, BROKEN)]
    assert seen == [None, None, None, None, None, "answers 500"]


def test_silence_without_work_is_a_hang() -> None:
    watcher = Watcher(FailureDetector(tries=3, idle_seconds=12))
    assert [watcher.sees(SILENT) for _ in range(4)] == [None, None, None, "did not answer for 15 s"]


def test_a_busy_part_may_be_silent_for_a_long_but_limited_time() -> None:
    watcher = Watcher(FailureDetector(idle_seconds=12, busy_seconds=120))
    seen = [watcher.sees(SILENT, seconds=2.0) for _ in range(31)]
    assert seen[:29] == [None] * 29
    assert seen[-1] is not None


def test_a_part_that_waits_for_its_disk_is_busy() -> None:
    watcher = Watcher(FailureDetector(idle_seconds=12))
    assert [watcher.sees(SILENT, reads=500) for _ in range(10)] == [None] * 10


def test_a_part_that_falls_idle_while_silent_is_hung_from_then_on() -> None:
    watcher = Watcher(FailureDetector(idle_seconds=12))
    assert [watcher.sees(SILENT, seconds=2.0) for _ in range(5)] == [None] * 5
    assert [watcher.sees(SILENT) is None for _ in range(3)] == [True, True, False]


def test_an_answer_ends_a_silence() -> None:
    watcher = Watcher(FailureDetector(tries=3, idle_seconds=12))
    assert [watcher.sees(look) for look in (SILENT, SILENT, SILENT, WELL, SILENT, SILENT, SILENT)] == [None] * 7


SPINNER = """
import time
while time.process_time() < 0.3:
    pass
print("done", flush=True)
time.sleep(60)
"""


def test_the_work_of_a_whole_group_is_counted(tmp_path: Path) -> None:
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {SPINNER!r}]); time.sleep(60)"
    child = start("parent", [sys.executable, "-c", code], os.environ, tmp_path / "log")
    try:
        wait_until(lambda: "done" in (tmp_path / "log").read_text(), child, 20)
        assert work_of(child.pid).seconds >= 0.2  # counted in whole ticks of the clock
        assert work_of(2**30) == Work(0.0, 0)
    finally:
        stop([child])
