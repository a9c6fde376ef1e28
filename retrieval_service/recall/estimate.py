"""Estimate a recall and its interval from queries, of which each has several sought papers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

LEVEL = 0.95
_Z = NormalDist().inv_cdf(0.5 + LEVEL / 2)


@dataclass(frozen=True)
class Estimate:
    """Recall, and an interval that has the true one at `LEVEL`."""

    value: float
    lower: float
    upper: float
    queries: int


class RecallWindow:
    """The newest compared queries."""

    def __init__(self, queries: int) -> None:
        """Take the number of queries that count."""
        self._pairs: deque[tuple[int, int]] = deque(maxlen=queries)

    def add(self, found: int, sought: int) -> None:
        """Add a query: how many of the sought papers were found."""
        if sought:
            self._pairs.append((found, sought))

    def clear(self) -> None:
        """Forget all queries."""
        self._pairs.clear()

    def estimate(self) -> Estimate | None:
        """Return the estimate; None without a query."""
        if not self._pairs:
            return None
        sought = sum(pair[1] for pair in self._pairs)
        share = sum(pair[0] for pair in self._pairs) / sought
        lower, upper = wilson(share, sought / design_effect(list(self._pairs), share))
        return Estimate(share, lower, upper, len(self._pairs))


def wilson(share: float, trials: float) -> tuple[float, float]:
    """Return the Wilson interval of a share of so many independent trials (E. B. Wilson 1927, formula 5)."""
    square = _Z * _Z
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    half = _Z * sqrt(share * (1 - share) / trials + square / (4 * trials * trials)) / (1 + square / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def design_effect(pairs: list[tuple[int, int]], share: float) -> float:
    """Return by how much fewer independent trials there are than sought papers, at least 1.

    The papers of one query are found or missed together: a hard query misses several. The variance of the queries'
    totals is compared with that of independent papers (L. Kish 1965, section 5.4).
    """
    trials = sum(sought for _, sought in pairs)
    if len(pairs) < 2 or not 0 < share < 1:
        return 1.0
    residuals = sum((found - share * sought) ** 2 for found, sought in pairs) * len(pairs) / (len(pairs) - 1)
    return max(1.0, residuals / (trials * share * (1 - share)))
