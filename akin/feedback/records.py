"""Records of feedback: the search that a reader saw, and what the reader said of its results.

Nothing in them says who the reader is: no address, no browser, no account, no number that two searches share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

Side = Literal["serving", "candidate"]
"""One of the two rankings of an interleaved search."""


class EncoderRecord(msgspec.Struct, frozen=True):
    """Encoder of a ranking, with the snapshot that was searched."""

    version: int
    digest: str
    snapshot: str


class ShownSearch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Search, with the results that a reader saw.

    Attributes:
        id: Random; names the search in the reader's feedback.
        time: Moment of the search, UTC, ISO 8601 in whole seconds.
        parameters: Parameters of the request by their names in HTTP, without those that have their default.
        words: Words that ranked, without conditions; None if papers were searched by papers.
        like: Ids of the papers that were searched by.
        unlike: Ids of the papers that were searched away from.
        mode: Halves of the search that were used.
        shown: Ids of the results, best first.
        offset: Number of better results that were left out.
        encoder: Encoder of the serving ranking.
        candidate: Encoder of the other ranking, if two were interleaved.
        teams: Side of each result of an interleaved search; None for a result that no side gave alone.
    """

    id: str
    time: str
    parameters: Mapping[str, Any]
    words: str | None
    like: Sequence[str] = ()
    unlike: Sequence[str] = ()
    mode: str
    shown: Sequence[str]
    offset: int = 0
    encoder: EncoderRecord
    candidate: EncoderRecord | None = None
    teams: Sequence[Side | None] | None = None

    def rank_of(self, paper: str) -> int | None:
        """Return the rank of a paper, from 1; None if it was not shown."""
        return self.offset + 1 + list(self.shown).index(paper) if paper in self.shown else None


class Mark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Feedback on one result.

    Attributes:
        paper: Id of the paper.
        rank: Its rank, from 1.
        time: Moment of the last change, UTC, ISO 8601 in whole seconds.
        useful: True or False as the reader said; None if only `opened` is known.
        opened: True if the reader opened the paper.
        comment: Words of the reader.
    """

    paper: str
    rank: int
    time: str
    useful: bool | None = None
    opened: bool = False
    comment: str | None = None


class MarkedSearch(msgspec.Struct, frozen=True):
    """Search with the marks on its results."""

    search: ShownSearch
    marks: list[Mark]
