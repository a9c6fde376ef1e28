"""Fold results that are one paper: versions of it, or two records of it.

Vectors cheaply find pairs that may be one paper; the texts decide. From the best result to the worst, a result that is
the same paper as a better one is folded into the better one. So the first results of a page do not change with its
length.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from akin.papers import Paper, parse_arxiv_id
from retrieval_service.ports import Rows, Vectors

NEAR = 0.95
"""Least cosine of two papers whose texts are compared. Coding changes a stored vector's cosines by up to 0.02."""

AHEAD = 20
"""Greatest distance, in places of the ranking, between a result and a duplicate that it lists."""

_SAME_WORDS = 0.8
_SPARE = 2
_COMPARED = 3  # most better results to compare a result with: limits the work for many near-identical papers
_DECIMALS = 4  # of a cosine: its last digits depend on the size of the product it was computed in
# The calling thread computes products of at most this size. The algebra library splits larger ones among threads of its
# own, which wait for each other when the cores are busy: milliseconds instead of microseconds.
_TALL, _WIDE = 16, 32
_CHARACTERS = 5_000  # of a text that are compared: an abstract is shorter
_WORD = re.compile(r"\w+")
# Words that distinguish the parts of a series, and the years of proceedings.
_NUMBER = re.compile(r"[^\W\d]*+\d\w*+|[ivx]++")


class ResultPage(NamedTuple):
    """A part of a ranking without repeated papers.

    Attributes:
        places: Places in the ranking of the results.
        papers: The papers at these places.
        folded: For each, the ids of the papers that are folded into it.
        more: True if there are results behind the page.
    """

    places: list[int]
    papers: list[Paper]
    folded: list[tuple[str, ...]]
    more: bool = False


def make_page(
    ranking: Rows,
    first: int,
    end: int,
    *,
    ended: bool = True,
    vectors: Callable[[Sequence[int]], Vectors],
    papers: Callable[[Sequence[int]], list[Paper]],
) -> ResultPage | None:
    """Return the results from `first` to `end` of a ranking in which every paper counts once.

    Args:
        ranking: Rows, best first.
        first: Number of better results that are left out.
        end: Number of results up to the end of the page.
        ended: True if the ranking is complete; otherwise a deeper search could append to it.
        vectors: Returns the unit vectors of some rows.
        papers: Returns the papers of some rows; called once, unless more than a few results are folded.

    Returns:
        The page; None if it depends on a deeper ranking.
    """
    known: dict[int, Paper] = {}
    examined = 0
    wanted = end + AHEAD + _SPARE
    while True:
        examined = min(len(ranking), wanted)
        window = ranking[:examined]
        near = _near(vectors(window.tolist())) if examined > 1 else {}
        places = {*near, *(np.unique(np.concatenate([*near.values()])).tolist() if near else ())}
        places.update(range(first, min(examined, end + len(near))))
        missing = sorted(place for place in places if place not in known)
        known.update(zip(missing, papers([int(window[place]) for place in missing]), strict=True))
        into = _fold(near, known)
        kept = [place for place in range(examined) if place not in into]
        wanted = kept[end - 1] + 1 + AHEAD if len(kept) >= end else max(2 * examined, end + AHEAD)
        if wanted <= examined or examined == len(ranking):
            break
    if wanted > examined and not ended:
        return None
    shown = kept[first:end]
    twins: dict[int, list[str]] = {place: [] for place in shown}
    for place, better in into.items():
        if better in twins and place - better <= AHEAD:
            twins[better].append(known[place].id)
    more = len(kept) > end or examined < len(ranking) or not ended
    return ResultPage(shown, [known[place] for place in shown], [tuple(twins[place]) for place in shown], more)


def same_paper(one: Paper, other: Paper) -> bool:
    """Return True if two records are of one paper: their ids differ only in the version, or most words are the same."""
    ids = [parse_arxiv_id(paper.id) for paper in (one, other)]
    if ids[0] and ids[1] and ids[0].id == ids[1].id:
        return True
    # The notice of withdrawal often replaces the abstract, so that different papers have the same text.
    if one.withdrawn or other.withdrawn:
        return False
    titles = [_words(paper.title) for paper in (one, other)]
    if _numbers(titles[0]) != _numbers(titles[1]):
        return False
    abstracts = [_words(paper.abstract) for paper in (one, other)]
    return _alike(*titles) and _alike(*abstracts)


def _near(vectors: Vectors) -> dict[int, Rows]:
    """Return, for each place that may repeat better ones, the places of those, the nearest first."""
    cosines = np.triu(_cosines(vectors), 1)
    near: dict[int, Rows] = {}
    for worse in np.flatnonzero((cosines >= NEAR).any(axis=0)).tolist():
        column = np.round(cosines[:worse, worse], _DECIMALS)
        better = np.flatnonzero(column >= NEAR)
        near[worse] = better[np.argsort(-column[better], kind="stable")]
    return near


def _cosines(vectors: Vectors) -> Vectors:
    """Return the cosines of all pairs in the upper triangle, float32 [n, n]; the lower triangle is incomplete."""
    count = len(vectors)
    cosines = np.zeros((count, count), np.float32)
    for top in range(0, count, _TALL):
        better = vectors[top : top + _TALL]
        for left in range(top, count, _WIDE):
            cosines[top : top + _TALL, left : left + _WIDE] = better @ vectors[left : left + _WIDE].T
    return cosines


def _fold(near: Mapping[int, Rows], papers: Mapping[int, Paper]) -> dict[int, int]:
    """Return the place of each duplicate with the place of the result that it is folded into."""
    into: dict[int, int] = {}
    for worse, places in near.items():
        shown = islice((better for better in map(int, places) if better not in into), _COMPARED)
        same = next((better for better in shown if same_paper(papers[better], papers[worse])), None)
        if same is not None:
            into[worse] = same
    return into


def _words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(text[:_CHARACTERS].lower()))


def _numbers(words: Counter[str]) -> set[str]:
    return {word for word in words if _NUMBER.fullmatch(word)}


def _alike(one: Counter[str], other: Counter[str]) -> bool:
    """Return True if two texts share most of their words (Dice's coefficient), or if both are empty."""
    total = one.total() + other.total()
    return total == 0 or 2 * (one & other).total() >= _SAME_WORDS * total
