"""Team-draft interleaving: one page of results from two rankings, without showing which result is whose.

This is the algorithm of F. Radlinski, M. Kurup and T. Joachims ("How does clickthrough data reflect retrieval
quality?", CIKM 2008): in each round, a coin decides which side takes its best result that is not on the page yet, and
the other side follows. Results with which both rankings begin in the same order are of no side, as a choice among them
says nothing of the difference (O. Chapelle, T. Joachims, F. Radlinski, Y. Yue 2012, "Large-scale validation and
analysis of interleaved search evaluation").
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from random import Random
from typing import TypeVar

from akin.feedback.records import MarkedSearch, Side

_Item = TypeVar("_Item", bound=Hashable)
_OTHER: dict[Side, Side] = {"serving": "candidate", "candidate": "serving"}


def team_draft(
    serving: Sequence[_Item], candidate: Sequence[_Item], count: int, seed: str
) -> list[tuple[_Item, Side | None]]:
    """Return the interleaving of two rankings, each item with its side.

    Args:
        serving: Ranking of one side, without an item twice.
        candidate: Ranking of the other side.
        count: Length of the result, if the rankings have so many items.
        seed: Seed of the coin; the same seed gives the same result.
    """
    page: list[tuple[_Item, Side | None]] = []
    for one, other in zip(serving[:count], candidate, strict=False):
        if one != other:
            break
        page.append((one, None))
    coin = Random(seed)
    shown = {item for item, _ in page}
    left: dict[Side, list[_Item]] = {"serving": list(reversed(serving)), "candidate": list(reversed(candidate))}

    def take(side: Side, team: Side | None) -> None:
        items = left[side]
        while items and items[-1] in shown:
            items.pop()
        if items and len(page) < count:
            shown.add(items[-1])
            page.append((items.pop(), team))

    # A round is begun only if both sides have a result left, so that a short ranking is of no advantage.
    while len(page) < count and all(set(items) - shown for items in left.values()):
        first: Side = "serving" if coin.random() < 0.5 else "candidate"
        for side in (first, _OTHER[first]):
            take(side, side)
    for side in left:
        while len(page) < count and set(left[side]) - shown:
            take(side, None)
    return page


def credits(marked: MarkedSearch, *, useful: bool = True, opened: bool = True) -> dict[Side, int]:
    """Return the number of results of each side that a reader chose.

    A result is chosen if the reader called it useful, or opened it and did not call it otherwise.

    Args:
        marked: An interleaved search with its marks.
        useful: Count what was called useful.
        opened: Count what was opened.
    """
    found: dict[Side, int] = {"serving": 0, "candidate": 0}
    teams = dict(zip(marked.search.shown, marked.search.teams or (), strict=False))
    for mark in marked.marks:
        team = teams.get(mark.paper)
        chosen = (useful and mark.useful is True) or (opened and mark.opened and mark.useful is not False)
        if team is not None and chosen:
            found[team] += 1
    return found
