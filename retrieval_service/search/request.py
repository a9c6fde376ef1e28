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
MOST_IDS = 1000
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
        unlike: ids of papers to find papers unlike; they go with `like`.
        k: how many results.
        offset: how many better ones to leave out.
        mode: which halves to ask.
        operators: whether phrases, exclusions and prefixes are read in the text.
        categories: codes or archives with a star, of which a paper has at least one.
        categories_all: codes or archives of which it has every one.
        exclude_categories: codes or archives of which it has none.
        authors: names, of which one at least wrote it.
        ids: ids of the papers it is among.
        first: the day papers may not be older than.
        last: the day papers may not be newer than.
        collapse: whether papers that are the same but for their version are one result.
        nprobe: inverted lists to look into, in place of the index's own number.
    """

    text: str | None = None
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    k: int = 10
    offset: int = 0
    mode: Mode = Mode.HYBRID
    operators: bool = True
    categories: tuple[str, ...] = ()
    categories_all: tuple[str, ...] = ()
    exclude_categories: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None
    collapse: bool = True
    nprobe: int | None = None


@dataclass(frozen=True)
class Ranked:
    """A found paper.

    Attributes:
        paper: the paper.
        score: higher is better.
        dense: its score in the half that goes by vectors, where that found it.
        lexical: its score in the half that goes by words, where that found it.
        folded: ids of other versions of it that this result stands for.
    """

    paper: Paper
    score: float
    dense: float | None
    lexical: float | None
    folded: tuple[str, ...] = ()


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
        mode: which halves were asked: the lexical one alone where there were no words but in operators.
        text: the query as it was asked, None when papers were searched by papers.
        words: what of it papers are ranked by; the same but for the operators.
        operators: the operators that were read in it.
        like: the papers it was searched by.
        unlike: the papers it was searched against.
        tokens: the query's length in tokens, where the encoder was asked.
        truncated: whether the encoder read only its beginning.
        degraded: why only one half answered although both were asked.
        searched: papers the filters admitted.
        timings: of the stages.
    """

    results: list[Ranked]
    mode: Mode
    text: str | None
    words: str | None
    operators: tuple[str, ...]
    like: list[Paper]
    unlike: list[Paper]
    tokens: int | None
    truncated: bool
    degraded: str | None
    searched: int
    timings: Timings
