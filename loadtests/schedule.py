"""Plan arrivals at a constant rate, and the search for the highest fast rate; nothing here waits or sends."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from loadtests.samples import Summary

SETTLING = 2.0
"""Seconds at the start of a trial that do not count."""


@dataclass(frozen=True)
class Trial:
    """Measurement of one rate for some seconds.

    Attributes:
        rate: Arrivals a second.
        seconds: The duration of the measurement.
        summary: The figures; latency counts from the time when a request was due, not from when it was sent.
        lag_p95_ms: The 95th percentile of the load generator's delay, which is part of the latencies.
        overloaded: True if the trial was ended early because too many requests were waiting.
        fast: True if p95 was within the limit and nothing failed.
        sustained: True if this is a trial of the full duration.
    """

    rate: float
    seconds: float
    summary: Summary
    lag_p95_ms: float | None
    overloaded: bool
    fast: bool
    sustained: bool


def arrivals(rate: float, seconds: float, spacing: str = "poisson", seed: str = "") -> Iterator[float]:
    """Yield the times when requests are due, in seconds from the start; answers do not change them.

    Args:
        rate: Arrivals a second, on average.
        seconds: The length of time.
        spacing: `poisson`, as of many users who know nothing of each other: exponential pauses, so that some requests
            come close together and wait for each other; or `equal`, which understates how long they wait.
        seed: The seed of the pauses.
    """
    if spacing == "equal":
        for number in range(math.ceil(rate * seconds)):
            yield number / rate
        return
    pauses = random.Random(seed)
    due = pauses.expovariate(rate)
    while due < seconds:
        yield due
        due += pauses.expovariate(rate)


def most_waiting(rate: float) -> int:
    """Return how many requests may wait before a trial is ended early: the arrivals of two seconds, within bounds."""
    return int(min(1_000, max(50, 2 * rate)))


def is_fast(summary: Summary, overloaded: bool, limit_ms: float) -> bool:
    """Return True if a trial passed: something was answered, nothing failed, and p95 is within the limit."""
    return not overloaded and not summary.errors and summary.p95_ms is not None and summary.p95_ms <= limit_ms


class RateSearch:
    """Search by doubling the rate until a trial fails, then by bisection on a logarithmic scale.

    Get a rate from `next`, try it, and give the result to `tell`.
    """

    def __init__(self, first: float = 10.0, *, least: float = 0.5, most: float = 5_000.0, gap: float = 1.06) -> None:
        """Set the bounds of the search.

        Args:
            first: The first rate, a second.
            least: The lowest rate to try.
            most: The highest rate to try.
            gap: The search ends when the lowest failed rate is at most this many times the highest passed one.
        """
        self._first, self._least, self._most, self._gap = first, least, most, gap
        self._passed: float | None = None
        self._failed: float | None = None

    @property
    def highest(self) -> float | None:
        """The highest rate that passed."""
        return self._passed

    def next(self) -> float | None:
        """Return the next rate to try; None when the search is over."""
        if self._failed is None:
            wanted = self._first if self._passed is None else self._passed * 2
            return min(wanted, self._most) if self._passed is None or self._passed < self._most else None
        if self._passed is None:
            return self._failed / 2 if self._failed / 2 >= self._least else None
        if self._failed / self._passed <= self._gap:
            return None
        return math.sqrt(self._failed * self._passed)

    def tell(self, rate: float, passed: bool) -> None:
        """Record the result of a trial.

        A pass above a failure, or a failure below a pass, means that other work disturbed a trial. Then the failure
        counts, so that the rate that is found can be sustained.
        """
        if passed:
            if self._failed is None or rate < self._failed:
                self._passed = max(rate, self._passed or 0.0)
            return
        self._failed = min(rate, self._failed or math.inf)
        if self._passed is not None and self._passed >= self._failed:
            self._passed = None
