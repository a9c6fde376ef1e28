"""What was answered, when and how fast, and the figures that sum it up."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class RequestSample(NamedTuple):
    """One request.

    Attributes:
        at: When it was sent (or was due), in seconds since the run began.
        kind: What was asked.
        ms: Until the whole answer was there.
        error: What was wrong with the answer; empty if nothing.
    """

    at: float
    kind: str
    ms: float
    error: str


@dataclass(frozen=True)
class Summary:
    """Requests in figures; latencies in ms, of all that were answered, well or badly.

    Attributes:
        requests: How many.
        per_second: Good answers a second.
        p50_ms: Median.
        p95_ms: 95th percentile.
        p99_ms: 99th percentile.
        max_ms: Slowest.
        errors: How many of them failed.
    """

    requests: int
    per_second: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    errors: int


@dataclass(frozen=True)
class Level:
    """A stretch of the run with a constant number of people.

    Attributes:
        users: How many.
        start: When counting began, in seconds since the run's beginning; those in which people joined are left out.
        end: When it ended.
    """

    users: int
    start: float
    end: float


@dataclass(frozen=True)
class Moment:
    """One stretch of the timeline.

    Attributes:
        at: Its beginning, in seconds since the run's.
        per_second: Requests a second that were sent in it.
        p95_ms: Of those.
        errors: How many of them failed.
    """

    at: float
    per_second: float
    p95_ms: float | None
    errors: int


@dataclass
class Use:
    """What one process used, reading by reading.

    Attributes:
        name: What it is.
        pid: Its process id.
        cores: CPU seconds a second since the reading before, each with its moment (seconds since the run began).
        rss_bytes: Resident memory at each reading; pages that processes share are counted in each of them.
    """

    name: str
    pid: int
    cores: list[tuple[float, float]] = field(default_factory=list)
    rss_bytes: list[tuple[float, int]] = field(default_factory=list)


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of the values do not exceed; None of no values.

    Args:
        ordered: Values in ascending order.
        share: In 0..1.
    """
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summarise(samples: Sequence[RequestSample], seconds: float) -> Summary:
    """Sums up the requests of a stretch of `seconds`."""
    ordered = sorted(sample.ms for sample in samples)
    errors = sum(bool(sample.error) for sample in samples)
    return Summary(
        requests=len(samples),
        per_second=(len(samples) - errors) / seconds if seconds > 0 else 0.0,
        p50_ms=percentile(ordered, 0.5),
        p95_ms=percentile(ordered, 0.95),
        p99_ms=percentile(ordered, 0.99),
        max_ms=ordered[-1] if ordered else None,
        errors=errors,
    )


def within(samples: Iterable[RequestSample], start: float, end: float) -> list[RequestSample]:
    """The requests sent from `start` until before `end`."""
    return [sample for sample in samples if start <= sample.at < end]


def summarise_kinds(samples: Iterable[RequestSample], seconds: float) -> dict[str, Summary]:
    """Sums up each kind of request, the most frequent first."""
    kinds: defaultdict[str, list[RequestSample]] = defaultdict(list)
    for sample in samples:
        kinds[sample.kind].append(sample)
    return {kind: summarise(found, seconds) for kind, found in sorted(kinds.items(), key=lambda item: -len(item[1]))}


def frequent_errors(samples: Iterable[RequestSample], most: int = 20) -> list[dict[str, str | int]]:
    """The most frequent failures: of which kind of request, in which words, how many."""
    counted = Counter((sample.kind, sample.error) for sample in samples if sample.error)
    return [{"kind": kind, "error": error, "count": count} for (kind, error), count in counted.most_common(most)]


def timeline(samples: Sequence[RequestSample], stretch: float = 1.0) -> list[Moment]:
    """The run in stretches of equal length, empty ones included."""
    stretches: defaultdict[int, list[RequestSample]] = defaultdict(list)
    for sample in samples:
        stretches[int(sample.at // stretch)].append(sample)
    moments = []
    for number in range(max(stretches, default=-1) + 1):
        summary = summarise(stretches[number], stretch)
        moments.append(Moment(number * stretch, summary.requests / stretch, summary.p95_ms, summary.errors))
    return moments


def ramp(users: int, levels: int) -> list[int]:
    """Numbers of people, growing evenly to `users`; fewer levels where there are fewer people."""
    return sorted({math.ceil(users * step / levels) for step in range(1, levels + 1)})
