"""Find the nearest of some papers, with FAISS on all cores, and place other papers among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from retrieval_service.ports import Rows, Vectors

Places = NDArray[np.float32]
"""x and y of papers, float32 [n, 2]."""

BATCH = 4096
"""Papers that are searched for at once: a step of the progress."""
PLACED_AMONG = 5
"""Nearest papers whose mean is the place of another paper."""
_EXACT_BELOW = 20_000
_LISTS_READ = 16
_TRAINED_ON = 32  # vectors a list; lists need not be even, as many are read
_LEAST_WEIGHT = 1e-3

OnStep = Callable[[int, int], None]
"""Called with the number of papers that are done, and of all."""


class Neighbourhood:
    """Vectors of some papers, in which the nearest are found; approximately if there are many."""

    def __init__(self, vectors: Vectors, seed: int) -> None:
        """Take vectors of unit length [n, dim]; they are copied."""
        count, dim = vectors.shape
        self._count = count
        self._index: Any = faiss.IndexFlatIP(dim)
        if count >= _EXACT_BELOW:
            lists = int(4 * count**0.5)
            coarse, self._index = self._index, faiss.IndexIVFFlat(self._index, dim, lists, faiss.METRIC_INNER_PRODUCT)
            self._coarse = coarse  # FAISS keeps a bare pointer to it
            self._index.cp.niter, self._index.cp.seed = 5, seed
            self._index.cp.min_points_per_centroid, self._index.cp.max_points_per_centroid = 1, _TRAINED_ON
            self._index.nprobe = _LISTS_READ
            self._index.train(vectors)
        self._index.add(vectors)

    def of_all(self, vectors: Vectors, k: int, on_step: OnStep) -> tuple[Rows, Vectors]:
        """Return the k nearest others of each paper, and their distances, [n, k] both.

        Args:
            vectors: The vectors of the papers, in their order.
            k: Number of neighbours, fewer than there are papers.
            on_step: Called after each batch.
        """
        rows, distances = np.empty((self._count, k), np.int64), np.empty((self._count, k), np.float32)
        for first in range(0, self._count, BATCH):
            some = slice(first, min(first + BATCH, self._count))
            scores, found = self._index.search(vectors[some], k + 1)
            own = found == np.arange(some.start, some.stop)[:, None]
            # Among equal vectors a paper may not be in its own neighbourhood; then the last one is left out.
            own[~own.any(axis=1), -1] = True
            rows[some] = found[~own].reshape(-1, k)
            distances[some] = np.sqrt(np.maximum(2 - 2 * scores[~own].reshape(-1, k), 0))
            on_step(some.stop, self._count)
        # A list that holds fewer papers than are wanted leaves gaps, which a paper's first neighbour fills.
        rows = np.where(rows < 0, rows[:, :1], rows)
        return np.where(rows < 0, (np.arange(self._count)[:, None] + 1) % self._count, rows), distances

    def place(self, vectors: Vectors, places: Places) -> Places:
        """Return the places of other papers: the mean of those of their nearest papers, the nearer counting more.

        Args:
            vectors: The vectors of the other papers [m, dim].
            places: The places of the papers of this neighbourhood.
        """
        scores, found = self._index.search(vectors, min(PLACED_AMONG, self._count))
        return mean_place(scores, np.where(found < 0, found[:, :1], found), places)


def mean_place(scores: Vectors, rows: Rows, places: Places) -> Places:
    """Return for each line of rows [m, k] the mean of their places; each counts by its score above the worst one's."""
    weights = np.maximum(scores - scores.min(axis=1, keepdims=True), 0) + _LEAST_WEIGHT
    weights /= weights.sum(axis=1, keepdims=True)
    placed: Places = np.einsum("mk,mkd->md", weights, places[rows]).astype(np.float32)
    return placed
