"""Searching by papers instead of words: towards those that are liked, away from those that are not.

J. J. Rocchio, "Relevance feedback in information retrieval", 1971, without a query to start from. The disliked weigh a
fifth of the liked, as in Manning, Raghavan and Schütze 2008 (0.15 to 0.75): that something is wanted says more about
where to look than that something is not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from papers import Paper, passage_text
from retrieval_service.ports import Vectors

UNLIKE_WEIGHT = 0.2


def feedback_vector(liked: Vectors, unliked: Vectors) -> Vectors:
    """The unit vector to search by.

    Args:
        liked: unit vectors [n, dim] of papers to find papers like.
        unliked: unit vectors [m, dim] of papers to find papers unlike; m may be 0.
    """
    towards = liked.mean(axis=0)
    if len(unliked):
        towards = towards - UNLIKE_WEIGHT * unliked.mean(axis=0)
    unit: Vectors = towards / max(float(np.linalg.norm(towards)), 1e-12)
    return unit


def feedback_text(liked: Sequence[Paper], unliked: Sequence[Paper]) -> tuple[str, tuple[str, float]]:
    """The text to search by, and the one that takes from its words' weights with how much."""
    text, against = (" ".join(map(passage_text, papers)) for papers in (liked, unliked))
    # Words are counted over all papers of a side: the weight makes of both counts the means that Rocchio compares.
    return text, (against, UNLIKE_WEIGHT * len(liked) / max(len(unliked), 1))
