"""Read memory, descriptors and threads of processes and their children, added up by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

import gevent
import psutil

from loadtests.growth import QUANTITIES, Readings


class Census:
    """Recorder of processes, every few seconds, until it is stopped.

    Processes of one name are added up: a changed encoder or a restarted part has a new process of the same name.
    """

    def __init__(self, roots: Mapping[str, int], clock: Callable[[], float], seconds: float) -> None:
        """Start recording.

        Args:
            roots: Names and ids of the processes; their children are recorded too, each with the first root above it.
            clock: Returns the seconds since the start of the run.
            seconds: The time between two readings.
        """
        self.readings: Readings = {}
        self._roots = dict(roots)
        self._clock = clock
        self._seconds = seconds
        self._greenlet = gevent.spawn(self._read_often)

    def stop(self) -> Readings:
        """Stop recording and return the readings."""
        self._greenlet.kill()
        return self.readings

    def read(self) -> None:
        """Record one reading of everything."""
        now, totals = self._clock(), defaultdict[str, list[float]](lambda: [0.0, 0.0, 0.0])
        seen: set[int] = set()
        for name, pid in self._roots.items():
            for label, process in _family(name, pid):
                if process.pid in seen:
                    continue
                seen.add(process.pid)
                try:
                    with process.oneshot():
                        values = process.memory_info().rss, process.num_fds(), process.num_threads()
                except psutil.Error:
                    continue
                totals[label] = [total + value for total, value in zip(totals[label], values, strict=True)]
        for label, found in totals.items():
            kept = self.readings.setdefault(label, {quantity: [] for quantity in QUANTITIES})
            for quantity, value in zip(QUANTITIES, found, strict=True):
                kept[quantity].append((now, value))

    def _read_often(self) -> None:
        while True:
            self.read()
            gevent.sleep(self._seconds)


def _family(name: str, pid: int) -> list[tuple[str, psutil.Process]]:
    try:
        root = psutil.Process(pid)
        children = root.children(recursive=True)
        return [(name, root), *((f"{name}: {child.name()}", child) for child in children)]
    except psutil.Error:
        return []
