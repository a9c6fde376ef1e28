"""Search by papers instead of words: towards liked papers, away from disliked ones.

This is the relevance feedback of J. J. Rocchio ("Relevance feedback in information retrieval", 1971) without a query to
start from. The disliked papers weigh a fifth of the liked, in the range of Manning, Raghavan and Schütze 2008 (0.15 to
0.75), as a liked paper describes the wanted results better than a disliked one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from akin.papers import Paper, passage_text
from retrieval_service.ports import Vectors

UNLIKE_WEIGHT = 0.2
MOST_READ = 32
"""Papers of a side of which the words are used: their words hardly change beyond, and take milliseconds a paper."""


def feedback_vector(liked: Vectors, unliked: Vectors) -> Vectors:
    """Return the unit vector to search by.

    Args:
        liked: Unit vectors [n, dim] of the papers to search towards.
        unliked: Unit vectors [m, dim] of the papers to search away from; m may be 0.
    """
    towards = liked.mean(axis=0)
    if len(unliked):
        towards = towards - UNLIKE_WEIGHT * unliked.mean(axis=0)
    unit: Vectors = towards / max(float(np.linalg.norm(towards)), 1e-12)
    return unit


def feedback_text(liked: Sequence[Paper], unliked: Sequence[Paper]) -> tuple[str, tuple[str, float]]:
    """Return the text to search by, and the text to search away from with the weight of its words."""
    liked, unliked = _read(liked), _read(unliked)
    text, against = (" ".join(map(passage_text, papers)) for papers in (liked, unliked))
    # Words are counted over all papers of a side; the weight turns both counts into Rocchio's means.
    return text, (against, UNLIKE_WEIGHT * len(liked) / max(len(unliked), 1))


def _read(papers: Sequence[Paper]) -> Sequence[Paper]:
    """Return at most `MOST_READ` of some papers, at even distances in their order."""
    if len(papers) <= MOST_READ:
        return papers
    return [papers[place * len(papers) // MOST_READ] for place in range(MOST_READ)]
