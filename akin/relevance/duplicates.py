"""Groups of near-duplicates, by MinHash and locality-sensitive hashing (Broder, 1997; Indyk and Motwani, 1998).

Memory holds `bands` numbers of eight bytes for each paper, whatever its length, so that millions of papers fit. Two
papers that agree in a band count as near-duplicates without a further comparison: with 8 bands of 4 rows, two
papers that share 54 % of their shingles agree with probability 1/2, two that share a sixth with probability 1/160. A
group that is slightly too large costs nothing; a near-duplicate in another part of the split would make a search look
better than it is.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from akin.papers import Paper

_WORD = re.compile(r"\w+")
_MIX = np.uint64(0x9E3779B97F4A7C15)

Signatures = NDArray[np.uint64]


class MinHash:
    """Hash functions that make signatures; the same seed gives the same functions."""

    def __init__(self, *, shingle: int = 4, bands: int = 6, rows: int = 4, seed: int = 0) -> None:
        """Take the words in a shingle, the bands of a signature and the hashes in a band."""
        self.shingle, self.bands, self.rows = shingle, bands, rows
        rng = np.random.default_rng(seed)
        count = bands * rows
        self._factors = rng.integers(1, 2**63, count, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        self._offsets = rng.integers(0, 2**63, count, dtype=np.uint64)

    def signature(self, paper: Paper) -> Signatures:
        """Return the numbers by which papers with mostly the same text are found: uint64 [bands + 1].

        The last number belongs to the title, so that a paper with a rewritten abstract is still found.
        """
        words = _WORD.findall((paper.abstract or paper.title).casefold())
        width = min(self.shingle, max(len(words), 1))
        shingles = {" ".join(words[i : i + width]) for i in range(len(words) - width + 1)} or {paper.id}
        hashes = np.fromiter((zlib.crc32(text.encode()) for text in shingles), np.uint64, len(shingles)) * _MIX
        mixed = hashes[:, None] * self._factors + self._offsets
        lowest = (mixed ^ (mixed >> np.uint64(29))).min(axis=0).reshape(self.bands, self.rows)
        band = np.zeros(self.bands + 1, dtype=np.uint64)
        for column in range(self.rows):
            band[:-1] = (band[:-1] ^ lowest[:, column]) * _MIX
        title = " ".join(_WORD.findall(paper.title.casefold())) or paper.id
        band[-1] = zlib.crc32(title.encode()) | (zlib.adler32(title.encode()) << 32)
        return band


def group_duplicates(signatures: Iterable[Signatures]) -> NDArray[np.int32]:
    """Return the group of each paper. Papers that agree in any number are in one group, and so on transitively.

    Returns:
        int32 [papers], numbers from 0.
    """
    rows = list(signatures)
    if not rows:
        return np.empty(0, dtype=np.int32)
    table = np.stack(rows)
    parent = list(range(len(table)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for column in range(table.shape[1]):
        order = np.argsort(table[:, column], kind="stable")
        same = np.flatnonzero(table[order[1:], column] == table[order[:-1], column])
        for left, right in zip(order[same].tolist(), order[same + 1].tolist(), strict=True):
            parent[root(right)] = root(left)
    found: NDArray[np.int32] = np.unique([root(row) for row in parent], return_inverse=True)[1].astype(np.int32)
    return found
