"""Judge a soak and an overload from what was measured; nothing here waits or sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from loadtests.growth import Growth
from loadtests.samples import RequestSample, Summary, summarise, within

LEAST_GOODPUT = 0.8
"""Share of the peak that has to be answered under overload."""
SECONDS_TO_RECOVER = 5.0
_STEADY_SECONDS = 5  # without a fault, until the service counts as recovered


@dataclass(frozen=True)
class SwapDone:
    """Change that was made: when it began, how long the commands took, and what went wrong."""

    at: float
    name: str
    seconds: float
    error: str


@dataclass
class SoakRun:
    """Measurements; they are recorded at once, so that an interruption loses nothing."""

    samples: list[RequestSample] = field(default_factory=list)
    swaps: list[SwapDone] = field(default_factory=list)
    interrupted: bool = False


@dataclass(frozen=True)
class OverloadFigures:
    """Figures of an overload.

    Attributes:
        rate: The highest rate that was sustained, a second.
        peak: The most good answers a second at any rate that was tried before.
        calm: The figures at half of that rate, before.
        overload: The figures of the overload.
        recovered: Seconds from the end of the overload until success and p95 were as before; None if they never were.
    """

    rate: float
    peak: float
    calm: Summary
    overload: Summary
    recovered: float | None

    @property
    def goodput(self) -> float:
        """Return the share of the peak that was answered."""
        return self.overload.per_second / self.peak


def soak_verdict(run: SoakRun, grown: Sequence[Growth], restarts: dict[str, int]) -> list[str]:
    """Return what is wrong after a soak, in words; nothing if it holds."""
    reasons = _growing(grown)
    failed = sum(bool(sample.error) for sample in run.samples)
    if failed:
        reasons.append(f"{failed:,} of {len(run.samples):,} requests failed")
    if not run.samples:
        reasons.append("no request was sent")
    reasons += [f"the change of {each.name} at {each.at:.0f} s: {each.error}" for each in run.swaps if each.error]
    if not run.swaps:
        reasons.append("nothing was changed")
    if not grown:
        reasons.append("the run was too short to judge growth")
    reasons += [f"{name} was restarted {times} times" for name, times in restarts.items() if times]
    return reasons


def overload_verdict(figures: OverloadFigures, grown: Sequence[Growth]) -> list[str]:
    """Return what is wrong after an overload, in words; nothing if it holds."""
    reasons = _growing(grown)
    if figures.goodput < LEAST_GOODPUT:
        reasons.append(f"goodput is {figures.goodput:.0%} of the peak, and {LEAST_GOODPUT:.0%} is promised")
    if figures.recovered is None or figures.recovered > SECONDS_TO_RECOVER:
        took = "did not recover" if figures.recovered is None else f"recovered after {figures.recovered:.0f} s"
        reasons.append(f"the service {took}, and {SECONDS_TO_RECOVER:g} s are promised")
    return reasons


def seconds_to_recover(samples: Sequence[RequestSample], start: float, end: float, limit_ms: float) -> float | None:
    """Return the seconds after which some seconds follow in which all succeeds with a p95 within a limit; None if none.

    Args:
        samples: The requests since the overload ended.
        start: The end of the overload.
        end: The end of the measurement.
        limit_ms: The limit of p95.
    """
    good = []
    for second in range(int(end - start)):
        found = summarise(within(samples, start + second, start + second + 1), 1)
        good.append(not found.errors and (found.p95_ms is None or found.p95_ms <= limit_ms))
    for second in range(len(good) - _STEADY_SECONDS + 1):
        if all(good[second : second + _STEADY_SECONDS]):
            return float(second)
    return None


def _growing(grown: Sequence[Growth]) -> list[str]:
    return [
        f"{each.quantity} of {each.process} grew by {each.grown:,.0f}, and {each.allowed:,.0f} is tolerated"
        for each in grown
        if not each.is_within
    ]
