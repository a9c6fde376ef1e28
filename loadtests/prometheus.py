"""Read counters and histograms in Prometheus's text format, and compare two readings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

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
    """Return the series of a text in the exposition format.

    Raises:
        ValueError: The text has another format.
    """
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}


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
