"""Folding results that are one paper: its versions, or records that were made of it twice.

Vectors point at pairs that may be the same, at next to no cost; their texts decide. Going down the ranking, a result
that is the same as a better one is folded into it, so that what a page shows does not depend on what follows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from papers import Paper, parse_arxiv_id
from retrieval_service.ports import Rows, Vectors

NEAR = 0.95
"""Cosine from which two papers are looked at. Stored vectors are coded, which costs up to 0.02 of it."""

_SAME_WORDS = 0.8
_SPARE = 10
_COMPARED = 3  # better results that one is compared with: a corpus of form letters must not cost a comparison each
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
    vectors: Callable[[Sequence[int]], Vectors],
    papers: Callable[[Sequence[int]], list[Paper]],
) -> Page:
    """The results from `first` to `end` of a ranking in which every paper counts once.

    Args:
        ranking: rows, best first.
        first: how many better ones are left out.
        end: where to end.
        vectors: gives the unit vectors of some rows.
        papers: gives the papers of some rows; asked once, unless more is folded than there are results on a page.
    """
    known: dict[int, Paper] = {}
    looked_at = end
    while True:
        looked_at = min(len(ranking), looked_at + max(_SPARE, end - first))
        window = ranking[:looked_at]
        pairs = _near(vectors(window.tolist())) if looked_at > 1 else []
        spare = len({later for _, later in pairs})
        places = {place for pair in pairs for place in pair} | set(range(first, min(looked_at, end + spare)))
        missing = sorted(place for place in places if place not in known)
        known.update(zip(missing, papers([int(window[place]) for place in missing]), strict=True))
        into = _folded(pairs, known)
        kept = [place for place in range(looked_at) if place not in into]
        if len(kept) >= end or looked_at == len(ranking):
            break
    shown = kept[first:end]
    twins = {place: tuple(known[other].id for other, kept_at in into.items() if kept_at == place) for place in shown}
    return Page(shown, [known[place] for place in shown], [twins[place] for place in shown])


def same_paper(one: Paper, other: Paper) -> bool:
    """Whether two records are of one paper: ids that differ in the version, or near-identical title and abstract."""
    ids = [parse_arxiv_id(paper.id) for paper in (one, other)]
    if ids[0] and ids[1] and ids[0].id == ids[1].id:
        return True
    titles = [_words(paper.title) for paper in (one, other)]
    if _numbers(titles[0]) != _numbers(titles[1]):
        return False
    abstracts = [_words(paper.abstract) for paper in (one, other)]
    return _alike(*titles) and _alike(*abstracts)


def _near(vectors: Vectors) -> list[tuple[int, int]]:
    """Pairs that may be one paper, by places, in the order of the better one; a few for each worse one."""
    cosines = np.triu(vectors @ vectors.T, 1)
    pairs = []
    for worse in np.flatnonzero((cosines >= NEAR).any(axis=0)).tolist():
        nearest = np.argsort(-cosines[:, worse], kind="stable")[:_COMPARED]
        pairs += [(int(better), worse) for better in nearest if cosines[better, worse] >= NEAR]
    return sorted(pairs)


def _folded(pairs: list[tuple[int, int]], papers: dict[int, Paper]) -> dict[int, int]:
    """Where each repeated paper is folded into, by places; pairs come in the order of the better one."""
    into: dict[int, int] = {}
    for better, worse in pairs:
        if better not in into and worse not in into and same_paper(papers[better], papers[worse]):
            into[worse] = better
    return into


def _words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(text[:_CHARACTERS].lower()))


def _numbers(words: Counter[str]) -> set[str]:
    return {word for word in words if _NUMBER.fullmatch(word)}


def _alike(one: Counter[str], other: Counter[str]) -> bool:
    """Whether the words that two texts share are most of both (Dice's coefficient); two empty texts are alike."""
    total = one.total() + other.total()
    return total == 0 or 2 * (one & other).total() >= _SAME_WORDS * total
