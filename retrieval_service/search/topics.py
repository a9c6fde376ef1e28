"""Divide a list of papers into topics by their vectors."""

from __future__ import annotations

from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from retrieval_service.ports import Rows, Vectors

MOST_TOPICS = 8

_STARTS, _MOST_ROUNDS = 4, 25


def topics_of(vectors: Vectors) -> list[Rows]:
    """Return the places of the papers of each topic, the largest topic first; the same vectors give the same topics.

    This is k-means on the unit sphere (Dhillon and Modha 2001, "Concept Decompositions for Large Sparse Text Data Using
    Clustering") with first centres as k-means++ draws them, the best of a few starts. The number of topics is the root
    of half the number of papers, rounded up (Mardia, Kent and Bibby 1979, "Multivariate Analysis").

    Args:
        vectors: Unit vectors [n, dim] of the papers, n at least 1.
    """
    count = min(MOST_TOPICS, ceil(sqrt(len(vectors) / 2)))
    best, best_fit = np.zeros(len(vectors), np.int64), -np.inf
    for start in range(_STARTS if count > 1 else 0):
        chosen = vectors[_first_centres(vectors, count, np.random.default_rng(start))]
        labels, fit = _settle(vectors, chosen)
        if fit > best_fit + 1e-6:
            best, best_fit = labels, fit
    places = [np.flatnonzero(best == label) for label in range(count)]
    return sorted((each for each in places if len(each)), key=lambda each: (-len(each), int(each[0])))


def _first_centres(vectors: Vectors, count: int, random: np.random.Generator) -> list[int]:
    """Return the places of some papers, each drawn the likelier the farther it is from those before."""
    chosen = [int(random.integers(len(vectors)))]
    while len(chosen) < count:
        distance = np.maximum(1 - (vectors @ vectors[chosen].T).max(axis=1), 0).astype(np.float64) ** 2
        distance[chosen] = 0
        total = distance.sum()
        if total <= 0:
            break
        chosen.append(int(random.choice(len(vectors), p=distance / total)))
    return chosen


def _settle(vectors: Vectors, centres: Vectors) -> tuple[NDArray[np.int64], float]:
    """Return the number of the nearest centre of each vector once they change no more, and the sum of their cosines."""
    labels = np.full(len(vectors), -1, np.int64)
    for _ in range(_MOST_ROUNDS):
        cosines = vectors @ centres.T
        now = np.argmax(cosines, axis=1)
        if np.array_equal(now, labels):
            break
        labels = now
        sums = np.zeros_like(centres)
        np.add.at(sums, labels, vectors)
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(norms > 1e-12, sums / np.maximum(norms, 1e-12), centres)
    return labels, float(cosines.max(axis=1).sum())
