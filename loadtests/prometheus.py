"""Counters and histograms in Prometheus's text format, and what happened between two readings of them."""

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
    """A histogram between two readings.

    Attributes:
        label: What was summarise_histogram.
        count: How often.
        mean_ms: Mean duration; exact.
        p50_ms: Median, as fine as the histogram's buckets are.
        p95_ms: 95th percentile, likewise; a bound from below if it lies over the last bucket.
    """

    label: str
    count: int
    mean_ms: float
    p50_ms: float
    p95_ms: float


def parse(text: str) -> Series:
    """Reads an exposition; lines that are none are passed over."""
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
    """How much a counter grew, all its labels together."""
    return sum(value - _earlier(before, after, key) for key, value in after.items() if key[0] == name)


def summarise_histogram(before: Series, after: Series, name: str, label: str) -> list[HistogramSummary]:
    """What a histogram of seconds saw between two readings, for each value of a label, in the order of the text.

    A counter that shrank belongs to a process that was started anew: then its later value is the difference.

    Args:
        before: The earlier reading.
        after: The later one.
        name: Of the histogram, without `_bucket`, `_sum` or `_count`.
        label: Its one label.
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
    """A quantile from cumulative counts, linear within its bucket."""
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
