"""Distinguish a part that hangs from a busy one.

A part that answers wrongly several times in a row is broken. A part that does not answer hangs if its processes have
also used no processor time and read nothing from disk for some time. While they work it may be busy, and gets more
time.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

IDLE_SECONDS = 10.0
BUSY_SECONDS = 120.0
TRIES = 3
# A waiting process uses less than this share of one core.
BUSY_SHARE = 0.05


class Health(Enum):
    """Outcome of one probe."""

    ANSWERS = "answers"
    BROKEN = "broken"
    SILENT = "silent"


@dataclass(frozen=True)
class ProbeResult:
    """Result of one probe of a part.

    Attributes:
        health: Its outcome.
        fault: The fault, as text.
    """

    health: Health
    fault: str = ""


@dataclass(frozen=True)
class Work:
    """Work of a group of processes since its start.

    Attributes:
        seconds: Its processor time.
        reads: The number of times it waited for a page from disk.
    """

    seconds: float
    reads: int


class FailureDetector:
    """Detector of the failure of one process, by a series of probes."""

    def __init__(
        self, tries: int = TRIES, idle_seconds: float = IDLE_SECONDS, busy_seconds: float = BUSY_SECONDS
    ) -> None:
        """Take the number of bad probes in a row, and the seconds of silence of an idle and of a busy part."""
        self._tries, self._idle_seconds, self._busy_seconds = tries, idle_seconds, busy_seconds
        self._bad = 0
        self._silent_since = self._idle_since = self._last = 0.0
        self._work = Work(0.0, 0)
        self._health = Health.ANSWERS

    def judge(self, result: ProbeResult, began: float, now: float, work: Callable[[], Work]) -> str | None:
        """Return the reason to restart the part; None if there is none.

        Args:
            result: The newest probe.
            began: The start of that probe, in seconds of a monotonic clock.
            now: Its end.
            work: Returns the work of the part's processes until now; only called for a silent part.
        """
        if result.health is not self._health:
            self._bad = 0
            self._health = result.health
        if result.health is Health.ANSWERS:
            return None
        self._bad += 1
        if result.health is Health.BROKEN:
            return result.fault if self._bad >= self._tries else None
        done = work()
        if self._bad == 1:
            self._silent_since = self._idle_since = began
        elif _busy(self._work, done, now - self._last):
            self._idle_since = now
        self._work, self._last = done, now
        silent, idle = now - self._silent_since, now - self._idle_since
        if self._bad >= self._tries and (idle >= self._idle_seconds or silent >= self._busy_seconds):
            return f"{result.fault} for {silent:.0f} s"
        return None


def _busy(before: Work, after: Work, seconds: float) -> bool:
    return after.seconds - before.seconds > BUSY_SHARE * seconds or after.reads - before.reads > seconds


def work_of(group: int) -> Work:
    """Return the work of the processes of a group, without those that have ended.

    psutil does not report page faults, so `/proc` is read here.

    Args:
        group: The group's id, which is the process id of its leader.
    """
    ticks = reads = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        # A process may end meanwhile.
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(") ")[2].split()
            if int(fields[2]) == group:
                ticks += int(fields[11]) + int(fields[12])
                reads += int(fields[9])
    return Work(ticks / os.sysconf("SC_CLK_TCK"), reads)
