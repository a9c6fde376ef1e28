"""Simulated machine: the service with its threads, the encoder, and the cores that they share."""

from __future__ import annotations

import random
from dataclasses import dataclass

import simpy

from benchmarks.fleet.queues import Batches, SharedCores, Steps, Thread
from benchmarks.fleet.times import MachineTimes

WORKS = 5
"""Pieces of work of a search that need Python's lock: before and after, both halves, and ranking."""

_MOST_TEXTS = 64
_SEARCHES_PER_THREAD = 16
_QUEUE = 128
_SECONDS = 10.0


@dataclass
class Request:
    """Request of the simulation; times are in seconds of the simulated clock.

    Attributes:
        due: When it arrives.
        done: When it was answered or refused; None while it is not.
        refused: True if it was refused or given up.
    """

    due: float
    done: float | None = None
    refused: bool = False

    @property
    def ms(self) -> float:
        """Return its latency in ms."""
        assert self.done is not None
        return 1000 * (self.done - self.due)


class Machine:
    """Machine that answers hybrid searches, with the limits that the service has by default.

    Attributes:
        cores: Its cores.
        encoder: Its encoder.
        in_flight: Requests that it has and has not answered.
    """

    def __init__(
        self,
        env: simpy.Environment,
        times: MachineTimes,
        dice: random.Random,
        *,
        cores: int = 0,
        generator: bool = False,
    ) -> None:
        """Take the times and the seed of everything random.

        Args:
            env: The simulation.
            times: The measured times.
            dice: Draws the searches.
            cores: Its cores; those of the measured machine if 0.
            generator: True if the load generator works on these cores too, as in the measurement.
        """
        cores = cores or times.cores
        self._env = env
        self._times = times
        self._dice = dice
        self.cores = SharedCores(env, cores, times.cold)
        # Python runs one thread at a time; the indexes release its lock while they search.
        self._python = Thread(env, self.cores, handoff=times.handoff_ms / 1000)
        self._searchers = Thread(env, self.cores, cores)
        self._generator = Thread(env, self.cores) if generator else None
        self.encoder = Batches(env, self.cores, self._batch_seconds, _MOST_TEXTS)
        self._slots = simpy.Resource(env, _SEARCHES_PER_THREAD * cores)
        self._admitted = 0
        self.in_flight = 0

    def answer(self, request: Request) -> Steps:
        """Answer a request."""
        self.in_flight += 1
        yield from self._generate()
        if self._admitted >= self._slots.capacity + _QUEUE:
            # Before the request is read, which costs next to nothing.
            request.refused = True
        else:
            self._admitted += 1
            yield self._env.timeout(self._times.delay_ms / 1000)
            yield from self._python.work(self._times.python_ms / 2000)
            with self._slots.request() as turn:
                yield turn | self._env.timeout(max(0.0, request.due + _SECONDS - self._env.now))
                if turn.triggered:
                    yield from self._search()
                else:
                    request.refused = True
            yield from self._python.work(self._times.python_ms / 2000)
            self._admitted -= 1
        yield from self._generate()
        request.done = self._env.now
        self.in_flight -= 1

    def _search(self) -> Steps:
        drawn = self._dice.choice(self._times.searches)
        words = self._env.process(self._half(drawn.words))
        yield self.encoder.encode(drawn.length)
        yield from self._half(drawn.vectors)
        yield words
        yield from self._python.work(drawn.ranking / 1000)

    def _half(self, ms: float) -> Steps:
        locked = min(ms, self._times.locked_ms)
        if locked:
            yield from self._python.work(locked / 1000)
        if ms > locked:
            yield from self._searchers.work((ms - locked) / 1000)

    def _generate(self) -> Steps:
        if self._generator is not None:
            yield from self._generator.work(self._times.generator_ms / 2000)

    def _batch_seconds(self, texts: float) -> float:
        return (self._times.batch_ms + self._times.text_ms * texts) / 1000
