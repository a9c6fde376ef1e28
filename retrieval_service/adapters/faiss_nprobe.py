"""Choose the `nprobe` of a search in a FAISS index, or an exact comparison with every admitted vector.

A filter is hard if the admitted vectors are far from the query (a question about proteins within astrophysics): the
nearest lists hold few of them. So a filtered search reads the nearest lists until they hold the share s * sqrt(N / n)
of the admitted vectors: s is the share of the lists that an unfiltered search reads, N the number of all vectors, n the
number of admitted vectors. The root is needed because ten results are a larger share of few vectors than of many.

On 100,000 papers this kept recall@10 at 0.95 or more for filters that admit 1 % to 50 % of the papers: at random, as
the topic of the query, or as another topic. With a fixed multiple of `nprobe`, recall@10 for another topic was only
0.4 to 0.9.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from retrieval_service.ports import RowSet, Vectors

# Nanoseconds on one AVX-512 core, 384 dimensions, 8-bit codes for the exact ways and one-bit codes in the lists. Only
# their ratios matter, and they decide about time alone: both ways give right results.
_DECODED = 480
_COMPARED = 45
_PASSED_OVER = 1.3
_IN_LIST = 4
_LISTS_SEARCH = 70_000
# An exact search of up to a millisecond is always preferred.
_CHEAP_ENOUGH = 1e6

_FILTERS_KEPT = 8


class NprobeRule:
    """The `nprobe` of an index: lists to read, or a graph's candidates (`efSearch`).

    Attributes:
        nlist: Number of inverted lists; None for an index without lists.
    """

    def __init__(self, ivf: Any, nprobe: int | None) -> None:
        """Take the inverted lists of an index (None if it has none) and the `nprobe` of its manifest."""
        self.nlist = int(ivf.nlist) if ivf is not None else None
        self._ivf = ivf
        self._default = nprobe or 1
        self._lists: InvertedLists | None = None

    def nprobe(self, requested: int | None = None) -> int:
        """Return the `nprobe` of an unfiltered search: the requested one or the index's own, and at most all lists."""
        nprobe = requested or self._default
        return nprobe if self.nlist is None else min(self.nlist, nprobe)

    def within(self, vector: Vectors, within: RowSet, requested: int | None = None) -> int | None:
        """Return the `nprobe` of a search within a filter; None if every admitted vector is to be compared."""
        if self.nlist is None:
            return None
        nprobe, visited = self.nprobe(requested), 0
        if requested is None:
            nprobe, visited = self.choose_nprobe(vector, within)
        return None if exact_is_cheaper(within.count, len(within.mask), visited) else nprobe

    def choose_nprobe(self, vector: Vectors, within: RowSet) -> tuple[int, int]:
        """Return the number of nearest lists that hold enough admitted vectors, and the number of vectors in them."""
        if self._lists is None:
            # Two threads may do this at the same time, with the same result.
            self._lists = InvertedLists(self._ivf)
        return self._lists.choose_nprobe(vector, within, self.nprobe())


def decoding_is_cheaper(admitted: int, total: int) -> bool:
    """Return True if decoding and comparing the admitted vectors costs less than searching all codes with a bitmap."""
    return _DECODED * admitted <= _bitmap_cost(admitted, total)


def exact_is_cheaper(admitted: int, total: int, visited: int) -> bool:
    """Return True if comparing all admitted vectors costs little, or less than searching lists of `visited` vectors."""
    exact = min(_DECODED * admitted, _bitmap_cost(admitted, total))
    return exact <= max(_CHEAP_ENOUGH, _LISTS_SEARCH + _IN_LIST * visited)


def _bitmap_cost(admitted: int, total: int) -> float:
    return _PASSED_OVER * total + _COMPARED * admitted


class InvertedLists:
    """The list of each vector, and the number of admitted vectors in each list."""

    def __init__(self, ivf: Any) -> None:
        """Read the lists' row numbers, 2 or 4 bytes of memory a vector; the index must outlive this object."""
        self._quantizer = ivf.quantizer
        self._nlist = int(ivf.nlist)
        self._list_of = np.zeros(int(ivf.ntotal), np.int16 if self._nlist <= np.iinfo(np.int16).max else np.int32)
        self._sizes = np.zeros(self._nlist, np.int64)
        lists = ivf.invlists
        for number in range(self._nlist):
            if size := int(lists.list_size(number)):
                self._list_of[faiss.rev_swig_ptr(lists.get_ids(number), size)] = number
                self._sizes[number] = size
        # Row sets are compared by identity: the catalogue returns the same object for the same filter.
        self._admitted = lru_cache(_FILTERS_KEPT)(self._count)

    def choose_nprobe(self, vector: Vectors, within: RowSet, nprobe: int) -> tuple[int, int]:
        """Return the number of nearest lists that a filtered search reads, and the number of vectors in them.

        Args:
            vector: The query, of unit length [dim].
            within: The admitted rows.
            nprobe: The number of lists that an unfiltered search reads.
        """
        total = len(self._list_of)
        share = min(1.0, nprobe / self._nlist * (total / within.count) ** 0.5)
        nearest = self._quantizer.search(vector.reshape(1, -1), self._nlist)[1][0]
        reached = np.cumsum(self._admitted(within)[nearest])
        lists = int(np.searchsorted(reached, share * within.count)) + 1
        lists = min(self._nlist, max(nprobe, lists))
        return lists, int(self._sizes[nearest[:lists]].sum())

    def _count(self, within: RowSet) -> NDArray[np.int64]:
        return np.bincount(self._list_of[within.mask], minlength=self._nlist)
