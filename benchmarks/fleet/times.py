"""Measured times of one machine, from which the simulation is fed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]


class SearchTimes(msgspec.Struct, frozen=True):
    """Core milliseconds of one measured search, beside what is the same for all.

    Attributes:
        words: The lexical half.
        vectors: The search of vectors.
        ranking: Fusion and the papers of the page.
        length: The time of its text in the encoder, as a multiple of the mean.
    """

    words: NotNegative
    vectors: NotNegative
    ranking: NotNegative
    length: NotNegative = 1.0

    @property
    def own_ms(self) -> float:
        """Return the core time of its stages in the service."""
        return self.words + self.vectors + self.ranking


class Trial(msgspec.Struct, frozen=True):
    """Measured load: arrivals a second at random, and what came of it.

    Attributes:
        rate: Arrivals a second.
        seconds: Its length.
        per_second: Good answers a second.
        p50_ms: The median latency.
        p95_ms: The 95th percentile.
        errors: Requests that failed.
        overloaded: True if it was ended as too many requests waited.
    """

    rate: Positive
    seconds: Positive
    per_second: NotNegative
    p50_ms: float | None
    p95_ms: float | None
    errors: int
    overloaded: bool


def combine(trials: Sequence[Trial], middle: Callable[[list[float]], float]) -> Trial:
    """Return one trial for several of one load: the mean or the median of each figure."""

    def of(name: str) -> float:
        return middle([getattr(each, name) or 0.0 for each in trials])

    return Trial(
        trials[0].rate, trials[0].seconds, of("per_second"), of("p50_ms"), of("p95_ms"), round(of("errors")),
        any(each.overloaded for each in trials),
    )  # fmt: skip


class MachineTimes(msgspec.Struct, frozen=True):
    """Times of one machine. Those of cores are of busy ones: `cold` says how much longer work takes on resting ones.

    Attributes:
        cores: Its cores.
        papers: Papers of the corpus.
        searches: Core times of single searches, drawn from again.
        python_ms: Core time of the service's Python for each search, beside ranking.
        batch_ms: Core time of a batch of the encoder, whatever its size.
        text_ms: Core time of each text in it.
        delay_ms: Time of a single search in which no core works for it: changes of threads and processes.
        generator_ms: Core time of the load generator for each request, where it runs on the same cores.
        alone_ms: Median latency of single searches.
        locked_ms: Core time of each half, at most, in which Python's lock is held; what is beyond runs beside others.
        handoff_ms: Time in which no core works when Python's lock goes from one thread to another.
        cold: The part by which work takes longer that begins while all cores rest.
        trials: Measured loads, for comparison.
        origin: What was measured, and how.
    """

    cores: Annotated[int, msgspec.Meta(ge=1)]
    papers: Annotated[int, msgspec.Meta(ge=1)]
    searches: Annotated[list[SearchTimes], msgspec.Meta(min_length=1)]
    python_ms: NotNegative
    batch_ms: NotNegative
    text_ms: NotNegative
    delay_ms: NotNegative
    generator_ms: NotNegative
    alone_ms: Positive
    locked_ms: NotNegative = 0.0
    handoff_ms: NotNegative = 0.0
    cold: NotNegative = 0.0
    trials: list[Trial] = []
    origin: str = ""

    @property
    def core_ms(self) -> float:
        """Return the core time of a mean search in a batch of one, without the load generator."""
        own = sum(each.own_ms for each in self.searches) / len(self.searches)
        return own + self.python_ms + self.batch_ms + self.text_ms


def read_times(path: Path) -> MachineTimes:
    """Return the times in a file.

    Raises:
        SystemExit: It cannot be read, or is none.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=MachineTimes)
    except OSError as error:
        raise SystemExit(
            f'{path} cannot be read ({error.strerror}): make it with `make bench NAME=fleet ARGS="compare PAPERS"`.'
        ) from error
    except msgspec.DecodeError as error:
        raise SystemExit(f"{path} has no times of a machine ({error}): measure again.") from error


def write_times(times: MachineTimes, path: Path) -> None:
    """Write times to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(times), indent=1) + b"\n")
