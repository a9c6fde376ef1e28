"""Compare the simulation of one machine with what was measured on it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.fleet.simulation import simulate_trial
from benchmarks.fleet.times import MachineTimes, Trial, combine

TOLERANCE = 0.15
_SEEDS = 5


@dataclass(frozen=True)
class Comparison:
    """Figure of one load, measured and simulated."""

    load: str
    figure: str
    measured: float
    simulated: float

    @property
    def ratio(self) -> float:
        """Return what was simulated, as a share of what was measured."""
        return self.simulated / self.measured

    @property
    def agrees(self) -> bool:
        """Return True if they differ by 15 % at most."""
        return abs(self.ratio - 1) <= TOLERANCE


def simulate_mean(times: MachineTimes, rate: float, seconds: float) -> Trial:
    """Return the mean of several simulated trials of one load."""
    return combine([simulate_trial(times, rate, seconds, str(seed)) for seed in range(_SEEDS)], statistics.mean)


def compare(times: MachineTimes) -> list[Comparison]:
    """Return each measured load beside its simulation: median and p95, and the answers a second of a saturated machine.

    Raises:
        SystemExit: No loads were measured.
    """
    if not times.trials:
        raise SystemExit("the file has no measured loads to compare with: measure again.")
    found = []
    for trial in times.trials:
        simulated = simulate_mean(times, trial.rate, trial.seconds)
        load = f"{trial.rate:.1f} a second"
        if trial.overloaded or trial.per_second < 0.85 * trial.rate:
            found.append(Comparison(load, "answers/s", trial.per_second, simulated.per_second))
        elif trial.p50_ms and trial.p95_ms and simulated.p50_ms and simulated.p95_ms:
            found.append(Comparison(load, "p50 ms", trial.p50_ms, simulated.p50_ms))
            found.append(Comparison(load, "p95 ms", trial.p95_ms, simulated.p95_ms))
    return found


def comparison_table(found: Sequence[Comparison]) -> str:
    """Return a Markdown table."""
    lines = ["| load | figure | measured | simulated | ratio |", "| --- | --- | ---: | ---: | ---: |"]
    for each in found:
        mark = "" if each.agrees else " (differs)"
        lines.append(
            f"| {each.load} | {each.figure} | {each.measured:.1f} | {each.simulated:.1f} | {each.ratio:.2f}{mark} |"
        )
    return "\n".join(lines)
