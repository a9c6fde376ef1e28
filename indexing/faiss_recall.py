"""What an index finds of what exact search finds, how long it takes, and the fewest lists that find enough."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from indexing.faiss_recipe import Recipe, VectorsOf, chunks
from retrieval_service.adapters.faiss_index import FaissIndex, one_thread
from retrieval_service.ports import DEPTHS, Rows, Vectors

NEAREST = 10
_TIMED_TWICE = 2
# Looking further is given up when four more steps brought less than this.
_NO_GAIN, _STEPS_WITHOUT = 0.001, 4


@dataclass(frozen=True)
class Queries:
    """What is asked when recall is measured.

    Attributes:
        vectors: float32 [n, dim].
        own: int64 [n], the row each query was taken from, or -1. That row is neither sought nor counted, as if the
            query's paper had been held out of the corpus.
        truth: int64 [n, ≤ 10], the rows that exact search finds.
    """

    vectors: Vectors
    own: Rows
    truth: Rows


@dataclass(frozen=True)
class Point:
    """One way to search, measured.

    Attributes:
        breadth: lists looked into, or the candidates a graph keeps in hand; 0 for an exact index.
        k_factor: candidates refined for each result asked.
        recall_at_10: share found of the ten nearest papers.
        ms: for a query, on one thread.
    """

    breadth: int
    k_factor: float
    recall_at_10: float
    ms: float


def exact_nearest(vectors: Vectors, own: Rows, papers: int, corpus: VectorsOf) -> Queries:
    """Queries with what exact search over the whole corpus finds for them.

    Args:
        vectors: float32 [n, dim].
        own: the row each was taken from, or -1.
        papers: size of the corpus.
        corpus: gives the vectors of some rows.
    """
    count = len(vectors)
    k = min(NEAREST, papers)
    best_scores = np.full((count, k), -np.inf, np.float32)
    best_rows = np.full((count, k), -1, np.int64)
    for rows in chunks(papers):
        scores = vectors @ corpus(rows).T
        mine = np.flatnonzero((own >= rows[0]) & (own <= rows[-1]))
        scores[mine, own[mine] - rows[0]] = -np.inf
        scores = np.concatenate([best_scores, scores], axis=1)
        found = np.concatenate([best_rows, np.broadcast_to(rows, (count, len(rows)))], axis=1)
        keep = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        best_scores, best_rows = np.take_along_axis(scores, keep, 1), np.take_along_axis(found, keep, 1)
    return Queries(vectors, own, np.where(np.isneginf(best_scores), -1, best_rows))


def measure(index: FaissIndex, queries: Queries) -> tuple[float, float]:
    """Recall@10 and the milliseconds a query takes one thread, the better of two rounds."""
    # Searched as deep as the service searches, since the depth decides how many candidates are refined.
    depth = min(DEPTHS[0], len(index))
    with one_thread():
        ms = []
        for _ in range(_TIMED_TWICE):
            started = perf_counter()
            found = [index.search(query, depth).rows[: NEAREST + 1] for query in queries.vectors]
            ms.append((perf_counter() - started) / len(found) * 1000)
    shares = []
    for own, truth, rows in zip(queries.own, queries.truth, found, strict=True):
        sought = set(truth[truth >= 0].tolist())
        if sought:
            shares.append(len(sought.intersection(rows[rows != own][:NEAREST].tolist())) / len(sought))
    return round(float(np.mean(shares)), 4) if shares else 1.0, round(min(ms), 3)


def fewest(index: Any, recipe: Recipe, queries: Queries, target: float) -> list[Point]:
    """The points from the narrowest search to the first that meets the target; where none does, the last is the widest.

    Args:
        index: made by the recipe; not exact.
        recipe: how.
        queries: what is asked.
        target: the recall@10 to meet.
    """
    curve: list[Point] = []
    widest = recipe.nlist or min(2048, int(index.ntotal))
    breadth = 1 if recipe.nlist else min(16, widest)
    while True:
        recall, ms = measure(FaissIndex(index, nprobe=breadth, k_factor=recipe.k_factor), queries)
        curve.append(Point(breadth, recipe.k_factor, recall, ms))
        if recall >= target or breadth >= widest or _levelled(curve, breadth, widest):
            return curve
        breadth = min(widest, breadth + max(1, breadth // 2))


def _levelled(curve: list[Point], breadth: int, widest: int) -> bool:
    if len(curve) <= _STEPS_WITHOUT or breadth * 4 < widest**0.5:
        return False
    return curve[-1].recall_at_10 - curve[-1 - _STEPS_WITHOUT].recall_at_10 < _NO_GAIN
