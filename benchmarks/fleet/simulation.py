"""Simulate loads: one machine as it was measured, and a fleet with a balancer and an autoscaler."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import simpy

from benchmarks.fleet.machine import Machine, Request
from benchmarks.fleet.queues import Steps
from benchmarks.fleet.times import MachineTimes, Trial
from loadtests.samples import percentile
from loadtests.schedule import SETTLING, arrivals, most_waiting


@dataclass(frozen=True)
class Outcome:
    """Figures of a simulated load.

    Attributes:
        rate: Arrivals a second.
        per_second: Good answers a second.
        p50_ms: The median latency.
        p95_ms: The 95th percentile.
        p99_ms: The 99th percentile.
        refused: The share of the requests that were refused.
        utilisation: The share of the cores' time that was used.
    """

    rate: float
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    refused: float
    utilisation: float


def simulate_trial(times: MachineTimes, rate: float, seconds: float, seed: str = "") -> Trial:
    """Return what a load test of one machine would have measured, with the load generator on the same cores."""
    env = simpy.Environment()
    machine = Machine(env, times, random.Random(f"{seed} searches"), generator=True)
    sent: list[Request] = []
    state = {"overloaded": False}

    def load() -> Steps:
        for due in arrivals(rate, SETTLING + seconds, seed=seed):
            yield env.timeout(due - env.now)
            if machine.in_flight >= most_waiting(rate):
                state["overloaded"] = True
                return
            sent.append(Request(due))
            env.process(machine.answer(sent[-1]))

    env.process(load())
    env.run()
    overloaded = state["overloaded"]
    counted = [each for each in sent if overloaded or each.due >= SETTLING]
    length = env.now if overloaded else seconds
    refused = sum(each.refused for each in counted)
    ordered = sorted(each.ms for each in counted)
    return Trial(
        rate, seconds, (len(counted) - refused) / length, percentile(ordered, 0.5), percentile(ordered, 0.95), refused,
        overloaded,
    )  # fmt: skip


@dataclass
class Autoscaler:
    """Rule by which machines come and go.

    Attributes:
        target: The share of the cores that shall be used.
        least: The fewest machines.
        most: The most machines.
        every: Seconds between two decisions.
        start: Seconds until a new machine answers: it starts, fetches the snapshot and opens it.
        calm: Seconds for which fewer machines must have been enough before one goes.
    """

    target: float = 0.6
    least: int = 2
    most: int = 1000
    every: float = 15.0
    start: float = 120.0
    calm: float = 300.0


@dataclass
class Moment:
    """State of a fleet at a moment.

    Attributes:
        at: Seconds since the beginning.
        machines: Machines that answer.
        rate: Arrivals a second since the previous moment.
        p99_ms: The 99th percentile of the latency of what arrived since then and was not refused; None for nothing.
        refused: The share of it that was refused.
    """

    at: float
    machines: int
    rate: float
    p99_ms: float | None
    refused: float


@dataclass
class Fleet:
    """Machines behind a balancer that sends each request to the one of two random machines with fewer requests."""

    env: simpy.Environment
    times: MachineTimes
    cores: int
    dice: random.Random
    machines: list[Machine] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def add(self, count: int = 1) -> None:
        """Add machines that answer at once."""
        for _ in range(count):
            own = random.Random(self.dice.random())
            self.machines.append(Machine(self.env, self.times, own, cores=self.cores))

    def route(self) -> Machine:
        """Return the machine for the next request."""
        one, other = self.dice.choice(self.machines), self.dice.choice(self.machines)
        return one if one.in_flight <= other.in_flight else other

    def load(self, rate: Callable[[float], float], seconds: float) -> Steps:
        """Send requests at random at a rate that may change with time."""
        for due in varying_arrivals(rate, seconds, self.dice):
            yield self.env.timeout(due - self.env.now)
            self.requests.append(Request(due))
            self.env.process(self.route().answer(self.requests[-1]))

    def busy(self) -> float:
        """Return the core seconds that all present machines have used."""
        return sum(machine.cores.used() for machine in self.machines)


def varying_arrivals(rate: Callable[[float], float], seconds: float, dice: random.Random) -> Iterator[float]:
    """Yield arrivals at random whose rate changes: those of the highest rate, thinned."""
    highest = max(rate(seconds * step / 1000) for step in range(1001))
    due = dice.expovariate(highest)
    while due < seconds:
        if dice.random() * highest < rate(due):
            yield due
        due += dice.expovariate(highest)


def simulate_fleet(
    times: MachineTimes, machines: int, rate: float, seconds: float = 20.0, *, cores: int = 0, seed: int = 0
) -> Outcome:
    """Return the figures of a fleet under a constant load; clients are elsewhere.

    Raises:
        ValueError: There is no machine, or no load.
    """
    if machines < 1 or rate <= 0 or seconds <= 0:
        raise ValueError("a fleet has a machine at least, and a load above 0")
    env = simpy.Environment()
    fleet = Fleet(env, times, cores or times.cores, random.Random(seed))
    fleet.add(machines)
    env.process(fleet.load(lambda _: rate, SETTLING + seconds))
    env.run(SETTLING)
    before = fleet.busy()
    env.run(SETTLING + seconds)
    used = (fleet.busy() - before) / (seconds * machines * fleet.cores)
    env.run()
    return _outcome([each for each in fleet.requests if each.due >= SETTLING], rate, seconds, used)


def simulate_autoscaler(
    times: MachineTimes,
    rate: Callable[[float], float],
    seconds: float,
    scaler: Autoscaler,
    *,
    cores: int = 0,
    seed: int = 0,
) -> list[Moment]:
    """Return what happens to a fleet whose load changes and whose autoscaler follows it."""
    env = simpy.Environment()
    fleet = Fleet(env, times, cores or times.cores, random.Random(seed))
    fleet.add(max(scaler.least, math.ceil(rate(0) * times.core_ms / 1000 / (fleet.cores * scaler.target))))
    seen: list[tuple[float, int, int]] = []

    def start() -> Steps:
        yield env.timeout(scaler.start)
        fleet.add()

    def scale() -> Steps:
        coming: list[float] = []  # when the machines that were asked for are there
        busy, calm_since = 0.0, 0.0
        while env.now < seconds:
            yield env.timeout(scaler.every)
            coming = [at for at in coming if at > env.now]
            spent = fleet.busy()
            used = max(0.0, spent - busy) / (scaler.every * len(fleet.machines) * fleet.cores)
            wanted = math.ceil(len(fleet.machines) * used / scaler.target - 1e-9)
            wanted = min(scaler.most, max(scaler.least, wanted))
            more = wanted - len(fleet.machines) - len(coming)
            for _ in range(more):
                coming.append(env.now + scaler.start)
                env.process(start())
            if wanted >= len(fleet.machines):
                calm_since = env.now
            elif env.now - calm_since >= scaler.calm and not coming:
                # It gets no new requests, and answers those that it has.
                fleet.machines.pop()
                calm_since = env.now
            busy = fleet.busy()
            seen.append((env.now, len(fleet.machines), len(fleet.requests)))

    env.process(fleet.load(rate, seconds))
    env.process(scale())
    env.run()
    since = [0, *(count for _, _, count in seen)]
    return [
        _moment(at, machines, fleet.requests[first:last], scaler.every)
        for (at, machines, last), first in zip(seen, since, strict=False)
    ]


def _moment(at: float, machines: int, arrived: Sequence[Request], length: float) -> Moment:
    ordered = sorted(each.ms for each in arrived if not each.refused)
    refused = sum(each.refused for each in arrived) / len(arrived) if arrived else 0.0
    return Moment(at, machines, len(arrived) / length, percentile(ordered, 0.99), refused)


def _outcome(requests: Sequence[Request], rate: float, seconds: float, used: float) -> Outcome:
    good = sorted(each.ms for each in requests if not each.refused)
    p50, p95, p99 = (percentile(good, share) or math.inf for share in (0.5, 0.95, 0.99))
    refused = 1 - len(good) / len(requests) if requests else 0.0
    return Outcome(rate, len(good) / seconds, p50, p95, p99, refused, used)
