"""Measure CPU and memory of processes during a load test."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
import psutil

from loadtests.samples import Use

MACHINE = 0
"""The id of the whole machine in the figures; no process has it."""


class Watch:
    """Recorder of what processes, their children and the whole machine use, once a second, until it is stopped.

    The rest of the machine's use is other work, which makes every latency worse.
    """

    def __init__(self, processes: dict[str, int], clock: Callable[[], float]) -> None:
        """Start recording.

        Args:
            processes: Names and ids; the load generator, this process, is added.
            clock: Returns the seconds since the start of the run.
        """
        self.uses: dict[int, Use] = {}
        self._clock = clock
        self._spent: dict[int, tuple[float, float]] = {}
        self._roots = [(name, psutil.Process(pid)) for name, pid in processes.items() if psutil.pid_exists(pid)]
        self._roots.append(("the load generator", psutil.Process()))
        self._greenlet = gevent.spawn(self._read_often)

    def stop(self) -> list[Use]:
        """Stop recording and return the records."""
        self._greenlet.kill()
        return list(self.uses.values())

    def _read_often(self) -> None:
        while True:
            for name, root in self._roots:
                self._read(name, root)
            self._read_machine()
            gevent.sleep(1.0)

    def _read(self, name: str, root: psutil.Process) -> None:
        try:
            children = root.children(recursive=True)
        except psutil.Error:
            return
        self._read_one(name, root)
        for child in children:
            try:
                self._read_one(f"{name}: {child.name()}", child)
            except psutil.Error:
                continue

    def _read_one(self, name: str, process: psutil.Process) -> None:
        try:
            with process.oneshot():
                times = process.cpu_times()
                resident = process.memory_info().rss
        except psutil.Error:
            return
        self._record(Use(name, process.pid), times.user + times.system, resident)

    def _read_machine(self) -> None:
        times = psutil.cpu_times()
        busy = times.user + times.nice + times.system + times.irq + times.softirq
        self._record(Use("the whole machine", MACHINE), busy, psutil.virtual_memory().used)

    def _record(self, new: Use, spent: float, memory: int) -> None:
        """Record bytes of memory, and cores since the previous record, from the CPU seconds `spent` so far."""
        use, now = self.uses.setdefault(new.pid, new), time.monotonic()
        before = self._spent.get(new.pid)
        if before is not None and now > before[1]:
            use.cores.append((self._clock(), (spent - before[0]) / (now - before[1])))
        self._spent[new.pid] = (spent, now)
        use.rss_bytes.append((self._clock(), memory))
