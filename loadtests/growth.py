"""Decide whether a process grew during a long run: a robust slope through its readings, against a tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

QUANTITIES = ("memory", "descriptors", "threads")
Readings = dict[str, dict[str, list[tuple[float, float]]]]
"""For each name of processes, and each of `QUANTITIES`: times and values."""
_MOST_POINTS = 400  # their pairs take a tenth of a second
WARM_UP_SHARE = 0.25
"""Share of a run that is left out: caches, memory arenas and thread pools are filled in it."""
MEMORY_SHARE, MEMORY_BYTES = 0.05, 16_000_000
"""Growth of memory that is tolerated over the rest of a run: this share of the median, and at least these bytes."""
COUNT_SHARE, COUNT = 0.05, 6
"""The same for descriptors and threads."""


@dataclass(frozen=True)
class Growth:
    """Growth of one quantity of one process after the warm-up.

    Attributes:
        process: The name of the process; those with one name are added up.
        quantity: `memory`, `descriptors` or `threads`.
        median: The median reading, in bytes or as a count.
        most: The highest reading.
        grown: The growth over the time after the warm-up, by the slope.
        allowed: The growth that is tolerated.
    """

    process: str
    quantity: str
    median: float
    most: float
    grown: float
    allowed: float

    @property
    def is_within(self) -> bool:
        """Return True if the growth is tolerated."""
        return self.grown <= self.allowed


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the median of the slopes of all pairs of points (Theil and Sen); 0 for fewer than two moments.

    Up to 29 % of the points may be anything, such as readings during a swap, before it says something else.
    """
    step = max(1, -(-len(points) // _MOST_POINTS))
    kept = points[::step]
    slopes = [
        (value - before) / (at - earlier)
        for number, (at, value) in enumerate(kept)
        for earlier, before in kept[:number]
        if at > earlier
    ]
    return median(slopes) if slopes else 0.0


def growth(process: str, quantity: str, readings: Sequence[tuple[float, float]]) -> Growth | None:
    """Return how one quantity of a process grew; None if it has too few readings to say.

    Args:
        process: The name of the process.
        quantity: `memory`, `descriptors` or `threads`.
        readings: Times in seconds, and values.
    """
    if len(readings) < 8:
        return None
    first, last = readings[0][0], readings[-1][0]
    counted = [each for each in readings if each[0] >= first + WARM_UP_SHARE * (last - first)]
    values = [value for _, value in counted]
    middle = median(values)
    share, least = (MEMORY_SHARE, MEMORY_BYTES) if quantity == "memory" else (COUNT_SHARE, COUNT)
    grown = slope(counted) * (counted[-1][0] - counted[0][0])
    return Growth(process, quantity, middle, max(values), grown, max(share * middle, least))


def growths(readings: Readings) -> list[Growth]:
    """Return how each process grew; short-lived ones, which have fewer than half of the readings, are left out."""
    longest = max((len(kept["memory"]) for kept in readings.values()), default=0)
    found = [
        growth(name, quantity, kept[quantity])
        for name, kept in readings.items()
        if len(kept["memory"]) >= longest / 2
        for quantity in QUANTITIES
    ]
    return [each for each in found if each is not None]
