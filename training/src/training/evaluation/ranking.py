"""Rank passages for queries: exactly by vectors, and by BM25, the lexical system that an encoder has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import bm25s
import numpy as np
import Stemmer
from numpy.typing import NDArray

from training.arrays import Floats

_QUERIES_AT_ONCE = 256


class PassageRanking(NamedTuple):
    """The best passages of each query, the best first.

    Attributes:
        positions: positions of the passages in the corpus, int64 [queries, depth]; -1 where nothing was found.
        scores: scores of these passages, float32 [queries, depth].
    """

    positions: NDArray[np.int64]
    scores: Floats


def nearest(queries: Floats, passages: Floats, depth: int, *, without_self: bool = False) -> PassageRanking:
    """Return the passages with the greatest inner product, of equal ones the earlier first.

    Every query is compared with every passage: an evaluation measures encoders, and an approximate index would add its
    own errors.

    Args:
        queries: [n, dim].
        passages: [m, dim].
        depth: number of passages for each query; at most m are found.
        without_self: query i is passage i, and must not find itself.

    Returns:
        A ranking of width min(depth, m), with `without_self` at most m - 1.
    """
    depth = min(depth, len(passages) - without_self)
    positions = np.empty((len(queries), depth), dtype=np.int64)
    found = np.empty((len(queries), depth), dtype=np.float32)
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        block = slice(start, min(start + _QUERIES_AT_ONCE, len(queries)))
        scores = queries[block] @ passages.T
        rows = np.arange(len(scores))[:, None]
        if without_self:
            scores[rows[:, 0], rows[:, 0] + start] = -np.inf
        best = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
        order = np.lexsort((best, -scores[rows, best]), axis=1)
        positions[block] = best[rows, order]
        found[block] = scores[rows, positions[block]]
    return PassageRanking(positions, found)


class Bm25:
    """BM25 as a system of an evaluation: Lucene's variant and parameters, English stop words and stems, no vectors.

    Attributes:
        k1: saturation of repeated terms; Lucene's default, tuned to no collection.
        b: normalisation by the passage's length; Lucene's default too.
    """

    def __init__(self, k1: float = 1.2, b: float = 0.75) -> None:
        self.k1, self.b = k1, b

    def rank(self, queries: Sequence[str], passages: Sequence[str], depth: int) -> PassageRanking:
        """Return the best passages of each query, at most `depth`; a passage without a term of the query is no hit."""
        depth = min(depth, len(passages))
        index = bm25s.BM25(k1=self.k1, b=self.b, method="lucene")
        index.index(_tokenize(passages), show_progress=False)
        positions, scores = index.retrieve(_tokenize(queries), k=depth, show_progress=False)
        return PassageRanking(np.where(scores > 0, positions, -1).astype(np.int64), scores)


def _tokenize(texts: Sequence[str]) -> bm25s.tokenization.Tokenized:
    return bm25s.tokenize(list(texts), stopwords="en", stemmer=Stemmer.Stemmer("english"), show_progress=False)
