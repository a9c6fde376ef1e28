"""Records of requests and processes, and the figures that summarise them."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class RequestSample(NamedTuple):
    """One request.

    Attributes:
        at: The time when it was sent (or due), in seconds since the start of the run.
        kind: The kind of request.
        ms: The time until the whole answer was received.
        error: The reason why it failed; empty if it did not.
    """

    at: float
    kind: str
    ms: float
    error: str


@dataclass(frozen=True)
class Summary:
    """Figures of some requests; latencies include failed requests.

    Attributes:
        requests: The number of requests.
        per_second: Successful answers a second.
        p50_ms: The median latency.
        p95_ms: The 95th percentile.
        p99_ms: The 99th percentile.
        max_ms: The highest latency.
        errors: The number of failed requests.
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
    """Stretch of the run with a constant number of users.

    Attributes:
        users: The number of users.
        start: The start of the measurement, after all users have started, in seconds since the start of the run.
        end: Its end.
    """

    users: int
    start: float
    end: float


@dataclass(frozen=True)
class Moment:
    """One stretch of the timeline.

    Attributes:
        at: Its start, in seconds since the start of the run.
        per_second: Requests a second that were sent in it.
        p95_ms: The 95th percentile of their latency.
        errors: The number of failed requests among them.
    """

    at: float
    per_second: float
    p95_ms: float | None
    errors: int


@dataclass
class Use:
    """CPU and memory of one process, reading by reading.

    Attributes:
        name: The name of the process.
        pid: Its process id.
        cores: CPU seconds a second since the previous reading, with the time in seconds since the start of the run.
        rss_bytes: Resident memory at each reading; pages that processes share are counted in each.
    """

    name: str
    pid: int
    cores: list[tuple[float, float]] = field(default_factory=list)
    rss_bytes: list[tuple[float, int]] = field(default_factory=list)


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the smallest value that is not exceeded by at least this share of the values; None for no values.

    Args:
        ordered: The values in ascending order.
        share: The share, from 0 to 1.
    """
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summarise(samples: Sequence[RequestSample], seconds: float) -> Summary:
    """Return the figures of the requests of a stretch of `seconds`."""
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
    """Return the requests sent from `start` until before `end`."""
    return [sample for sample in samples if start <= sample.at < end]


def summarise_kinds(samples: Iterable[RequestSample], seconds: float) -> dict[str, Summary]:
    """Return the figures of each kind of request, the most frequent first."""
    kinds: defaultdict[str, list[RequestSample]] = defaultdict(list)
    for sample in samples:
        kinds[sample.kind].append(sample)
    return {kind: summarise(found, seconds) for kind, found in sorted(kinds.items(), key=lambda item: -len(item[1]))}


def frequent_errors(samples: Iterable[RequestSample], most: int = 20) -> list[dict[str, str | int]]:
    """Return the most frequent errors: the kind of request, the error, and how often it occurred."""
    counted = Counter((sample.kind, sample.error) for sample in samples if sample.error)
    return [{"kind": kind, "error": error, "count": count} for (kind, error), count in counted.most_common(most)]


def timeline(samples: Sequence[RequestSample], stretch: float = 1.0) -> list[Moment]:
    """Return the figures of the run in stretches of equal length, empty ones included."""
    stretches: defaultdict[int, list[RequestSample]] = defaultdict(list)
    for sample in samples:
        stretches[int(sample.at // stretch)].append(sample)
    moments = []
    for number in range(max(stretches, default=-1) + 1):
        summary = summarise(stretches[number], stretch)
        moments.append(Moment(number * stretch, summary.requests / stretch, summary.p95_ms, summary.errors))
    return moments


def ramp(users: int, levels: int) -> list[int]:
    """Return numbers of users that grow evenly to `users`; fewer levels if there are fewer users."""
    return sorted({math.ceil(users * step / levels) for step in range(1, levels + 1)})
