"""Parts of a simulated machine: cores that threads share, and an encoder that works in batches."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator
from typing import Any

import simpy

Steps = Generator[simpy.Event, Any, None]
"""Process of the simulation."""


class SharedCores:
    """Cores that all running threads share equally, as an operating system does it with short slices.

    With at most as many threads as cores, each has a core; with more, each runs at the same part of its speed.
    """

    def __init__(self, env: simpy.Environment, cores: float, cold: float = 0.0) -> None:
        """Take the number of cores, and the part by which work takes longer if it begins while all of them rest."""
        self._env = env
        self._cores = cores
        self._cold = cold
        self._running: list[tuple[float, int, simpy.Event]] = []
        self._served = 0.0  # seconds of work that each thread has got since the beginning
        self._at = env.now
        self._number = 0
        self._change = 0
        self._used = 0.0

    def work(self, seconds: float) -> simpy.Event:
        """Return the event at which so much work of one thread is done."""
        self._advance()
        resting = max(0.0, 1 - len(self._running) / self._cores)
        seconds *= 1 + self._cold * resting
        event = self._env.event()
        self._number += 1
        heapq.heappush(self._running, (self._served + max(0.0, seconds), self._number, event))
        self._plan()
        return event

    def used(self) -> float:
        """Return the core seconds that were used so far."""
        self._advance()
        return self._used

    def _speed(self) -> float:
        return min(1.0, self._cores / len(self._running)) if self._running else 0.0

    def _advance(self) -> None:
        passed = self._env.now - self._at
        self._served += passed * self._speed()
        self._used += passed * min(self._cores, len(self._running))
        self._at = self._env.now

    def _plan(self) -> None:
        """Wake when the thread with the least work left is done, if nothing changes until then."""
        self._change += 1
        if self._running:
            left = max(0.0, self._running[0][0] - self._served) / self._speed()
            timeout = self._env.timeout(left, self._change)
            assert timeout.callbacks is not None
            timeout.callbacks.append(self._finish)

    def _finish(self, timeout: simpy.Event) -> None:
        if timeout.value != self._change:
            return
        self._advance()
        # The first one is done now, whatever the rounding says.
        self._served = max(self._served, self._running[0][0])
        while self._running and self._running[0][0] <= self._served + 1e-12:
            heapq.heappop(self._running)[2].succeed()
        self._plan()


class Thread:
    """Thread, or pool of threads, whose work is done in the order of arrival on shared cores."""

    def __init__(self, env: simpy.Environment, cores: SharedCores, threads: int = 1, handoff: float = 0.0) -> None:
        """Take the cores, the number of threads, and the seconds in which each work waits for its thread to wake."""
        self._env = env
        self._threads = simpy.Resource(env, threads)
        self._cores = cores
        self._handoff = handoff

    def work(self, seconds: float) -> Steps:
        """Wait for a thread and do some work on it."""
        with self._threads.request() as turn:
            yield turn
            if self._handoff:
                yield self._env.timeout(self._handoff)
            yield self._cores.work(seconds)


class Batches:
    """Encoder that takes all waiting texts at once, up to a number, while the next ones gather."""

    def __init__(
        self, env: simpy.Environment, cores: SharedCores, seconds: Callable[[float], float], most: int
    ) -> None:
        """Take the work of a batch by the lengths of its texts, the mean being 1, and the most texts of one."""
        self._env = env
        self._cores = cores
        self._seconds = seconds
        self._most = most
        self._waiting: list[tuple[float, simpy.Event]] = []
        self._runs = False
        self.batches = self.texts = 0

    def encode(self, length: float = 1.0) -> simpy.Event:
        """Return the event at which a text of a length is encoded."""
        done = self._env.event()
        self._waiting.append((length, done))
        if not self._runs:
            self._runs = True
            self._env.process(self._run())
        return done

    def _run(self) -> Steps:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            self.batches, self.texts = self.batches + 1, self.texts + len(batch)
            yield self._cores.work(self._seconds(sum(length for length, _ in batch)))
            for _, done in batch:
                done.succeed()
        self._runs = False
