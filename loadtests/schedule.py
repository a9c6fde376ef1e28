"""Arrivals at a constant rate, and the search for the highest rate that is still fast. Nothing here waits or sends."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from loadtests.samples import Summary


@dataclass(frozen=True)
class Trial:
    """Some seconds at one rate.

    Attributes:
        rate: Arrivals a second.
        seconds: How long arrivals were counted.
        summary: Their figures; latency counts from the moment an arrival was due, not from when it could be sent.
        lag_p95_ms: How late the load generator itself was, at the 95th percentile: part of the latencies.
        overloaded: Whether so many were waiting that the trial was cut short.
        fast: Whether p95 kept the limit, without an error.
        sustained: Whether this is a trial of the full duration.
    """

    rate: float
    seconds: float
    summary: Summary
    lag_p95_ms: float | None
    overloaded: bool
    fast: bool
    sustained: bool


def arrivals(rate: float, seconds: float) -> Iterator[float]:
    """When arrivals are due, in seconds from the beginning: equally spaced, independent of any answer."""
    for number in range(math.ceil(rate * seconds)):
        yield number / rate


def most_waiting(rate: float) -> int:
    """How many may wait for an answer before a trial is cut short: two seconds' arrivals, far over any limit of use."""
    return int(min(1_000, max(50, 2 * rate)))


def is_fast(summary: Summary, overloaded: bool, limit_ms: float) -> bool:
    """Whether a trial passed: something was answered, nothing failed, and p95 keeps the limit."""
    return not overloaded and not summary.errors and summary.p95_ms is not None and summary.p95_ms <= limit_ms


class RateSearch:
    """Doubles the rate until a trial fails, then halves the gap (on a logarithmic scale) until it is small.

    Ask `next()` for a rate, try it, and `tell` how it went.
    """

    def __init__(self, first: float = 10.0, *, least: float = 0.5, most: float = 5_000.0, gap: float = 1.06) -> None:
        """Begins.

        Args:
            first: The rate tried first, a second.
            least: Below it nothing is tried.
            most: Above it nothing is tried.
            gap: The search ends when the lowest failing rate is at most this many times the highest passing one.
        """
        self._first, self._least, self._most, self._gap = first, least, most, gap
        self._passed: float | None = None
        self._failed: float | None = None

    @property
    def highest(self) -> float | None:
        """The highest rate that passed."""
        return self._passed

    def next(self) -> float | None:
        """The rate to try now; None when the search is over."""
        if self._failed is None:
            wanted = self._first if self._passed is None else self._passed * 2
            return min(wanted, self._most) if self._passed is None or self._passed < self._most else None
        if self._passed is None:
            return self._failed / 2 if self._failed / 2 >= self._least else None
        if self._failed / self._passed <= self._gap:
            return None
        return math.sqrt(self._failed * self._passed)

    def tell(self, rate: float, passed: bool) -> None:
        """Says how a trial went.

        A pass above a failure, or a failure below a pass, means that the machine was busy with something else; the
        failure counts, so that what is found can be kept.
        """
        if passed:
            if self._failed is None or rate < self._failed:
                self._passed = max(rate, self._passed or 0.0)
            return
        self._failed = min(rate, self._failed or math.inf)
        if self._passed is not None and self._passed >= self._failed:
            self._passed = None
