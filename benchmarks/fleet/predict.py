"""Predict machines, latency and money for loads that nobody has measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.fleet.simulation import Outcome, simulate_fleet
from benchmarks.fleet.times import MachineTimes

LOADS = (1_000, 10_000, 100_000)
HOURS = 730.0
_CELL = 12
"""Machines that are simulated at most: a larger fleet is taken for many such cells, each with its share of the load."""
_SECONDS = 10.0


@dataclass(frozen=True)
class Goal:
    """Goal of a fleet.

    Attributes:
        p99_ms: The highest p99.
        utilisation: The highest share of the cores that may be used: what is left is for the next minutes.
        spare: Machines more than needed, so that as many may fail.
        cores: The cores of a machine.
        price: The price of a machine an hour.
    """

    p99_ms: float = 100.0
    utilisation: float = 0.6
    spare: int = 1
    cores: int = 4
    price: float = 0.20


@dataclass(frozen=True)
class Prediction:
    """Fleet for a load.

    Attributes:
        rate: Searches a second.
        machines: Machines, the spare ones included.
        outcome: Figures with all machines.
        failed: Figures after as many machines as are spare have failed.
        month: Money a month.
        million: Money for a million searches, if the load is always this.
        bound: What decides the number: `p99` or `cores`.
    """

    rate: float
    machines: int
    outcome: Outcome
    failed: Outcome
    month: float
    million: float
    bound: str


def predict(times: MachineTimes, rate: float, goal: Goal) -> Prediction:
    """Return the smallest fleet that keeps the goal at a load, with its spare machines failed too.

    Raises:
        SystemExit: No fleet keeps it: one search alone takes too long.
    """
    by_cores = max(1, math.ceil(rate * times.core_ms / 1000 / (goal.cores * goal.utilisation)))
    needed = by_cores
    while not _keeps(found := simulate_cell(times, rate, needed, goal.cores), goal):
        needed += max(1, needed // 50)
        if needed > 4 * by_cores + 4:
            raise SystemExit(
                f"no fleet answers {rate:,.0f} searches a second with a p99 of {goal.p99_ms:g} ms: with "
                f"{needed:,} machines it is {found.p99_ms:.0f} ms. Allow more: --p99."
            )
    machines = needed + goal.spare
    outcome = simulate_cell(times, rate, machines, goal.cores)
    month = machines * goal.price * HOURS
    million = month / (rate * HOURS * 3600) * 1e6
    return Prediction(rate, machines, outcome, found, month, million, "cores" if needed == by_cores else "p99")


def simulate_cell(times: MachineTimes, rate: float, machines: int, cores: int, seed: int = 0) -> Outcome:
    """Return the figures of a fleet; of a large one, those of a part with its share of the load."""
    part = min(machines, _CELL)
    return simulate_fleet(times, part, rate * part / machines, _SECONDS, cores=cores, seed=seed)


def _keeps(found: Outcome, goal: Goal) -> bool:
    return found.p99_ms <= goal.p99_ms and not found.refused


def prediction_table(found: Sequence[Prediction], goal: Goal) -> str:
    """Return a Markdown table."""
    lines = [
        "| searches/s | machines | p50 ms | p95 ms | p99 ms | cores used | p99 ms without the spare | decided by "
        "| money a month | for a million |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: |",
    ]
    for each in found:
        all_, failed = each.outcome, each.failed
        lines.append(
            f"| {each.rate:,.0f} | {each.machines:,} | {all_.p50_ms:.0f} | {all_.p95_ms:.0f} | {all_.p99_ms:.0f} "
            f"| {all_.utilisation:.0%} | {failed.p99_ms:.0f} | {each.bound} | {each.month:,.0f} | {each.million:.2f} |"
        )
    return "\n".join(lines)
