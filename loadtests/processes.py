"""CPU and memory of processes while a load test runs."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
import psutil

from loadtests.samples import Use


class Watch:
    """Reads what processes and their children use, once a second, until it is stopped."""

    def __init__(self, processes: dict[str, int], clock: Callable[[], float]) -> None:
        """Begins.

        Args:
            processes: Names and ids. The load generator, this process, is added.
            clock: Seconds since the run began.
        """
        self.uses: dict[int, Use] = {}
        self._clock = clock
        self._spent: dict[int, tuple[float, float]] = {}
        self._roots = [(name, psutil.Process(pid)) for name, pid in processes.items() if psutil.pid_exists(pid)]
        self._roots.append(("the load generator", psutil.Process()))
        self._greenlet = gevent.spawn(self._read_often)

    def stop(self) -> list[Use]:
        """Ends, and returns what was read."""
        self._greenlet.kill()
        return list(self.uses.values())

    def _read_often(self) -> None:
        while True:
            for name, root in self._roots:
                self._read(name, root)
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
        use = self.uses.setdefault(process.pid, Use(name, process.pid))
        spent, now = times.user + times.system, time.monotonic()
        before = self._spent.get(process.pid)
        if before is not None and now > before[1]:
            use.cores.append((self._clock(), (spent - before[0]) / (now - before[1])))
        self._spent[process.pid] = (spent, now)
        use.rss_bytes.append((self._clock(), resident))
