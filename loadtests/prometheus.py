"""Read counters and histograms in Prometheus's text format, and compare two readings."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')

Series = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass(frozen=True)
class HistogramSummary:
    """Durations between two readings of a histogram.

    Attributes:
        label: The value of the histogram's label.
        count: The number of durations.
        mean_ms: The mean; exact.
        p50_ms: The median, as precise as the histogram's buckets.
        p95_ms: The 95th percentile, likewise; a lower bound if it is above the last bucket.
    """

    label: str
    count: int
    mean_ms: float
    p50_ms: float
    p95_ms: float


def parse(text: str) -> Series:
    """Return the series of a text in the exposition format; other lines are skipped."""
    found = {}
    for line in text.splitlines():
        matched = None if line.startswith("#") else _LINE.match(line.strip())
        if matched is None:
            continue
        try:
            value = float(matched[3])
        except ValueError:
            continue
        found[matched[1], tuple(sorted(_LABEL.findall(matched[2] or "")))] = value
    return found


def increase(before: Series, after: Series, name: str) -> float:
    """Return the growth of a counter, summed over its labels."""
    return sum(value - _earlier(before, after, key) for key, value in after.items() if key[0] == name)


def summarise_histogram(before: Series, after: Series, name: str, label: str) -> list[HistogramSummary]:
    """Return the durations between two readings of a histogram, for each value of its label, in the order of the text.

    If a counter shrank, its process was restarted: then the later value is the difference.

    Args:
        before: The earlier reading.
        after: The later reading.
        name: The name of the histogram, without `_bucket`, `_sum` or `_count`.
        label: The name of its only label.
    """
    grown: dict[str, list[tuple[float, float]]] = {}
    totals: dict[str, float] = {}
    for key, value in after.items():
        labels = dict(key[1])
        if label not in labels:
            continue
        difference = value - _earlier(before, after, key)
        if key[0] == f"{name}_bucket":
            grown.setdefault(labels[label], []).append((float(labels["le"]), difference))
        elif key[0] == f"{name}_sum":
            totals[labels[label]] = difference
    return list(_summed(grown, totals))


def _summed(grown: dict[str, list[tuple[float, float]]], totals: dict[str, float]) -> Iterator[HistogramSummary]:
    for value, buckets in grown.items():
        buckets.sort()
        count = buckets[-1][1]
        if count > 0:
            yield HistogramSummary(
                value,
                round(count),
                1000 * totals.get(value, 0.0) / count,
                1000 * _quantile(buckets, 0.5),
                1000 * _quantile(buckets, 0.95),
            )


def _quantile(buckets: list[tuple[float, float]], share: float) -> float:
    """Return a quantile from cumulative counts, by linear interpolation within its bucket."""
    wanted = share * buckets[-1][1]
    lower, below = 0.0, 0.0
    for upper, count in buckets:
        if count >= wanted:
            if math.isinf(upper) or count == below:
                return lower
            return lower + (upper - lower) * (wanted - below) / (count - below)
        lower, below = upper, count
    return lower


def _earlier(before: Series, after: Series, key: tuple[str, tuple[tuple[str, str], ...]]) -> float:
    earlier = before.get(key, 0.0)
    return earlier if earlier <= after[key] else 0.0
