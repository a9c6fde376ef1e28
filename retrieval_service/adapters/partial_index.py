"""The vector index of a partial snapshot: it holds the vectors of some rows only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from retrieval_service.ports import Elsewhere, Hits, Rows, RowSet, VectorIndex, Vectors

_FILTERS_KEPT = 8


class PartialIndex:
    """An index of the rows that have a vector, used with the rows of the snapshot; thread-safe.

    Attributes:
        covered: The rows that have a vector.
    """

    def __init__(self, inner: VectorIndex, rows: Rows, papers: int) -> None:
        """Take an index.

        Args:
            inner: The index; its vector i is that of the row `rows[i]`.
            rows: The rows that have a vector, ascending.
            papers: Number of papers of the snapshot.
        """
        mask = np.zeros(papers, np.bool_)
        mask[rows] = True
        self.covered = RowSet(mask, len(rows))
        self._inner = inner
        self._rows = rows
        # The index compares row sets by identity to use again what it counted for one.
        self._within = lru_cache(_FILTERS_KEPT)(self._inner_set)

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self._inner.dim

    @property
    def status(self) -> str | None:
        """Reason why vectors are searched in main memory although the settings want them elsewhere; None otherwise."""
        return self._inner.status

    @property
    def elsewhere(self) -> Elsewhere:
        """Engine or device that the settings may want instead of main memory."""
        return self._inner.elsewhere

    @property
    def place(self) -> str:
        """Words for where and how vectors are searched."""
        return self._inner.place

    def __len__(self) -> int:
        """Return the number of vectors."""
        return len(self._rows)

    def search(self, vector: Vectors, k: int, *, within: RowSet | None = None, nprobe: int | None = None) -> Hits:
        """Return the k admitted rows with a vector of greatest cosine with a unit vector [dim]."""
        inner = None if within is None else self._within(within)
        hits = self._inner.search(vector, k, within=inner, nprobe=nprobe)
        return hits._replace(rows=self._rows[hits.rows])

    def vectors(self, rows: Sequence[int]) -> Vectors:
        """Return the stored vectors of some rows, float32 [n, dim]; zeros for a row without a vector."""
        wanted = np.asarray(rows, np.int64)
        found = np.zeros((len(wanted), self.dim), np.float32)
        there = self.covered.mask[wanted]
        if there.any():
            places = np.searchsorted(self._rows, wanted[there])
            found[there] = self._inner.vectors(places.tolist())
        return found

    def close(self) -> None:
        """Release memory and threads; no search may follow."""
        self._inner.close()

    def _inner_set(self, within: RowSet) -> RowSet:
        mask = within.mask[self._rows]
        return RowSet(mask, int(np.count_nonzero(mask)))
