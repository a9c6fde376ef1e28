"""How a search within a filter is done: every admitted vector compared, or how many inverted lists looked into.

A filter is hard where the admitted vectors lie far from the query (a question about proteins within astrophysics): the
nearest lists hold few of them. So lists are counted by the admitted vectors in them: a search looks into the nearest
lists until these hold as large a share of the admitted as an unfiltered search's hold of all, times the square root of
how many times fewer they are, because ten of few are a larger share than ten of many. On 100,000 papers this kept
recall@10 at 0.95 or more for filters of 1 % to 50 %, admitted at random, as one topic, or as a topic that is not the
query's, while looking into a fixed multiple of the lists kept 0.4 to 0.9 for the last.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from retrieval_service.ports import RowSet, Vectors

# Nanoseconds on one AVX-512 core, 384 dimensions, 8-bit codes for the exact ways and one-bit codes in the lists: only
# their ratios matter, and they matter little, as either way is right.
_DECODED = 480
_COMPARED = 45
_PASSED_OVER = 1.3
_IN_LIST = 4
_LISTS_SEARCH = 70_000
# A millisecond for what is exact is always well spent.
_CHEAP_ENOUGH = 1e6

_FILTERS_KEPT = 8


def decoding_is_cheaper(admitted: int, total: int) -> bool:
    """Whether to take the few admitted vectors out and compare them, or to pass over all codes with a bitmap."""
    return _DECODED * admitted <= _bitmap_cost(admitted, total)


def exact_is_cheaper(admitted: int, total: int, visited: int) -> bool:
    """Whether comparing all the admitted costs less than looking into lists of `visited` vectors, or very little."""
    exact = min(_DECODED * admitted, _bitmap_cost(admitted, total))
    return exact <= max(_CHEAP_ENOUGH, _LISTS_SEARCH + _IN_LIST * visited)


def _bitmap_cost(admitted: int, total: int) -> float:
    return _PASSED_OVER * total + _COMPARED * admitted


class InvertedLists:
    """Which vectors are in which inverted list, and where the admitted ones are."""

    def __init__(self, ivf: Any) -> None:
        """Reads the lists' row numbers, 2 or 4 bytes of memory a vector; the index must outlive this."""
        self._quantizer = ivf.quantizer
        self.nlist = int(ivf.nlist)
        self._of = np.zeros(int(ivf.ntotal), np.int16 if self.nlist <= np.iinfo(np.int16).max else np.int32)
        self._sizes = np.zeros(self.nlist, np.int64)
        lists = ivf.invlists
        for number in range(self.nlist):
            if size := int(lists.list_size(number)):
                self._of[faiss.rev_swig_ptr(lists.get_ids(number), size)] = number
                self._sizes[number] = size
        # A set of rows is told by identity: the catalogue gives the same one for the same filter.
        self._admitted = lru_cache(_FILTERS_KEPT)(self._count)

    def reach(self, vector: Vectors, within: RowSet, nprobe: int) -> tuple[int, int]:
        """How many of the nearest lists a search within a filter looks into, and how many vectors are in them.

        Args:
            vector: the query, of unit length [dim].
            within: the admitted rows.
            nprobe: the lists that an unfiltered search looks into.
        """
        total = len(self._of)
        share = min(1.0, nprobe / self.nlist * (total / within.count) ** 0.5)
        nearest = self._quantizer.search(vector.reshape(1, -1), self.nlist)[1][0]
        reached = np.cumsum(self._admitted(within)[nearest])
        lists = int(np.searchsorted(reached, share * within.count)) + 1
        lists = min(self.nlist, max(nprobe, lists))
        return lists, int(self._sizes[nearest[:lists]].sum())

    def _count(self, within: RowSet) -> NDArray[np.int64]:
        return np.bincount(self._of[within.mask], minlength=self.nlist)
