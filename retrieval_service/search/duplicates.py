"""Folding results that are one paper: its versions, or records that were made of it twice.

Vectors point at pairs that may be the same, at next to no cost; their texts decide. Going down the ranking, a result
that is the same as a better one is folded into it. What a page shows depends neither on its length nor on what follows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from papers import Paper, parse_arxiv_id
from retrieval_service.ports import Rows, Vectors

NEAR = 0.95
"""Cosine from which two papers are looked at. Stored vectors are coded, which costs up to 0.02 of it."""

AHEAD = 20
"""Places behind a result within which those that are folded into it are told with it."""

_SAME_WORDS = 0.8
_SPARE = 2
_COMPARED = 3  # better results that one is compared with: a corpus of form letters must not cost a comparison each
_DECIMALS = 4  # of a cosine: its last digits depend on how many are computed at once
# Products as small as these are made by the calling thread. Of larger ones the algebra library makes a share in threads
# of its own, which wait for each other whenever the cores are busy: milliseconds instead of microseconds.
_TALL, _WIDE = 16, 32
_CHARACTERS = 5_000  # of a text that are compared: more than an abstract has
_WORD = re.compile(r"\w+")
# What tells the parts of a series, and the years of a proceedings, from each other.
_NUMBER = re.compile(r"[^\W\d]*+\d\w*+|[ivx]++")


class Page(NamedTuple):
    """A part of a ranking without the repeated papers.

    Attributes:
        places: places in the ranking of what is shown.
        papers: the papers at these places.
        folded: for each, the ids of those that are folded into it.
    """

    places: list[int]
    papers: list[Paper]
    folded: list[tuple[str, ...]]


def page(
    ranking: Rows,
    first: int,
    end: int,
    *,
    ended: bool = True,
    vectors: Callable[[Sequence[int]], Vectors],
    papers: Callable[[Sequence[int]], list[Paper]],
) -> Page | None:
    """Return the results from `first` to `end` of a ranking in which every paper counts once.

    Args:
        ranking: rows, best first.
        first: how many better ones are left out.
        end: where to end.
        ended: whether the ranking is all there is; otherwise a deeper search could append to it.
        vectors: gives the unit vectors of some rows.
        papers: gives the papers of some rows; asked once, unless more than a few results are folded.

    Returns:
        The page; None where only a deeper ranking can tell what is on it.
    """
    known: dict[int, Paper] = {}
    looked_at = 0
    wanted = end + AHEAD + _SPARE
    while True:
        looked_at = min(len(ranking), wanted)
        window = ranking[:looked_at]
        near = _near(vectors(window.tolist())) if looked_at > 1 else {}
        places = {*near, *(np.unique(np.concatenate([*near.values()])).tolist() if near else ())}
        places.update(range(first, min(looked_at, end + len(near))))
        missing = sorted(place for place in places if place not in known)
        known.update(zip(missing, papers([int(window[place]) for place in missing]), strict=True))
        into = _folded(near, known)
        kept = [place for place in range(looked_at) if place not in into]
        wanted = kept[end - 1] + 1 + AHEAD if len(kept) >= end else max(2 * looked_at, end + AHEAD)
        if wanted <= looked_at or looked_at == len(ranking):
            break
    if wanted > looked_at and not ended:
        return None
    shown = kept[first:end]
    twins: dict[int, list[str]] = {place: [] for place in shown}
    for place, better in into.items():
        if better in twins and place - better <= AHEAD:
            twins[better].append(known[place].id)
    return Page(shown, [known[place] for place in shown], [tuple(twins[place]) for place in shown])


def same_paper(one: Paper, other: Paper) -> bool:
    """Return True if two records are of one paper: ids that differ in the version, or much the same words."""
    ids = [parse_arxiv_id(paper.id) for paper in (one, other)]
    if ids[0] and ids[1] and ids[0].id == ids[1].id:
        return True
    titles = [_words(paper.title) for paper in (one, other)]
    if _numbers(titles[0]) != _numbers(titles[1]):
        return False
    abstracts = [_words(paper.abstract) for paper in (one, other)]
    return _alike(*titles) and _alike(*abstracts)


def _near(vectors: Vectors) -> dict[int, Rows]:
    """Return, for each place that may repeat better ones, their places, the nearest first."""
    cosines = np.triu(_cosines(vectors), 1)
    near: dict[int, Rows] = {}
    for worse in np.flatnonzero((cosines >= NEAR).any(axis=0)).tolist():
        those = np.round(cosines[:worse, worse], _DECIMALS)
        better = np.flatnonzero(those >= NEAR)
        near[worse] = better[np.argsort(-those[better], kind="stable")]
    return near


def _cosines(vectors: Vectors) -> Vectors:
    """Return the cosine of each with each that is at most as good, and zeros, float32 [n, n]."""
    count = len(vectors)
    cosines = np.zeros((count, count), np.float32)
    for top in range(0, count, _TALL):
        better = vectors[top : top + _TALL]
        for left in range(top, count, _WIDE):
            cosines[top : top + _TALL, left : left + _WIDE] = better @ vectors[left : left + _WIDE].T
    return cosines


def _folded(near: Mapping[int, Rows], papers: Mapping[int, Paper]) -> dict[int, int]:
    """Return where each repeated paper is folded into, by places; it is compared with the nearest that are shown."""
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
    """Whether the words that two texts share are most of both (Dice's coefficient); two empty texts are alike."""
    total = one.total() + other.total()
    return total == 0 or 2 * (one & other).total() >= _SAME_WORDS * total
