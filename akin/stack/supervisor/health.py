"""Telling a part that hangs from one that is busy.

A part that gives a wrong answer several times in a row is broken. One that gives none is hung when, for long enough,
its processes have used no processor time and read nothing from disk either; while they do, it may be busy, and has far
longer.
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
# Less than this part of one core is what a waiting process uses.
BUSY_SHARE = 0.05


class Health(Enum):
    """The outcome of one look at a part."""

    ANSWERS = "answers"
    BROKEN = "broken"
    SILENT = "silent"


@dataclass(frozen=True)
class ProbeResult:
    """One look at a part.

    Attributes:
        health: Its outcome.
        words: What was wrong, for people.
    """

    health: Health
    words: str = ""


@dataclass(frozen=True)
class Work:
    """The work of a group of processes since its start.

    Attributes:
        seconds: Processor time.
        reads: How often it had to wait for a page from disk.
    """

    seconds: float
    reads: int


class FailureDetector:
    """Judges a part by a series of looks at it."""

    def __init__(
        self, tries: int = TRIES, idle_seconds: float = IDLE_SECONDS, busy_seconds: float = BUSY_SECONDS
    ) -> None:
        """Take how many bad looks in a row are needed, and the seconds of silence of an idle and of a busy part."""
        self._tries, self._idle_seconds, self._busy_seconds = tries, idle_seconds, busy_seconds
        self._bad = 0
        self._silent_since = self._idle_since = self._last = 0.0
        self._work = Work(0.0, 0)
        self._health = Health.ANSWERS

    def judge(self, look: ProbeResult, began: float, now: float, work: Callable[[], Work]) -> str | None:
        """Return why the part must be restarted; None while it need not be.

        Args:
            look: The newest look.
            began: When that look began, in seconds of a clock that does not jump.
            now: When it ended.
            work: Returns what the part's processes have done until now; called for a silent part only.
        """
        if look.health is not self._health:
            self._bad = 0
            self._health = look.health
        if look.health is Health.ANSWERS:
            return None
        self._bad += 1
        if look.health is Health.BROKEN:
            return look.words if self._bad >= self._tries else None
        done = work()
        if self._bad == 1:
            self._silent_since = self._idle_since = began
        elif _busy(self._work, done, now - self._last):
            self._idle_since = now
        self._work, self._last = done, now
        silent, idle = now - self._silent_since, now - self._idle_since
        if self._bad >= self._tries and (idle >= self._idle_seconds or silent >= self._busy_seconds):
            return f"{look.words} for {silent:.0f} s"
        return None


def _busy(before: Work, after: Work, seconds: float) -> bool:
    return after.seconds - before.seconds > BUSY_SHARE * seconds or after.reads - before.reads > seconds


def work_of(group: int) -> Work:
    """Return what the processes of a group have done, as far as they still run.

    Args:
        group: The group's id, which is the process id of its leader.
    """
    ticks = reads = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        # Processes end while they are looked at.
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(") ")[2].split()
            if int(fields[2]) == group:
                ticks += int(fields[11]) + int(fields[12])
                reads += int(fields[9])
    return Work(ticks / os.sysconf("SC_CLK_TCK"), reads)
