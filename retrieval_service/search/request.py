"""What can be asked of a search, and what comes back, free of any transport."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from papers import Paper

LONGEST_QUERY = 20_000
MOST_RESULTS = 100
DEEPEST_OFFSET = 1000
MOST_LIKED = 32
MOST_LISTS = 1024


class Mode(StrEnum):
    """Which halves of the search are asked."""

    HYBRID = "hybrid"
    DENSE = "dense"
    LEXICAL = "lexical"


@dataclass(frozen=True)
class SearchRequest:
    """A search as it was asked.

    Attributes:
        text: what is sought, in words; or an arXiv id or link, which stands for the paper itself.
        like: ids of papers to find papers like, instead of a text.
        k: how many results.
        offset: how many better ones to leave out.
        mode: which halves to ask.
        categories: codes or archives with a star, of which a paper has at least one.
        first: the day papers may not be older than.
        last: the day papers may not be newer than.
        nprobe: inverted lists to look into, in place of the index's own number.
    """

    text: str | None = None
    like: tuple[str, ...] = ()
    k: int = 10
    offset: int = 0
    mode: Mode = Mode.HYBRID
    categories: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None
    nprobe: int | None = None


@dataclass(frozen=True)
class Ranked:
    """A found paper with its score, and the scores of the halves that found it."""

    paper: Paper
    score: float
    dense: float | None
    lexical: float | None


@dataclass
class Timings:
    """Milliseconds of each stage; zero for a stage that was not needed. The halves overlap, so they do not add up."""

    embed_ms: float = 0.0
    vectors_ms: float = 0.0
    lexical_ms: float = 0.0
    fuse_ms: float = 0.0
    fetch_ms: float = 0.0
    total_ms: float = 0.0


@dataclass(frozen=True)
class SearchOutcome:
    """What a search found.

    Attributes:
        results: best first.
        text: the query's words, None when papers were searched by papers.
        like: the papers it was searched by.
        tokens: the query's length in tokens, where the encoder was asked.
        truncated: whether the encoder read only its beginning.
        degraded: why only one half answered although both were asked.
        searched: papers the filters admitted.
        timings: of the stages.
    """

    results: list[Ranked]
    text: str | None
    like: list[Paper]
    tokens: int | None
    truncated: bool
    degraded: str | None
    searched: int
    timings: Timings
