"""Exact search: every query against every passage. Evaluation measures encoders, so no index may blur them."""

from __future__ import annotations

import numpy as np

from training.arrays import Floats
from training.evaluation.metrics import Ranking

_QUERIES_AT_ONCE = 256


def nearest(queries: Floats, passages: Floats, depth: int, *, without_self: bool = False) -> Ranking:
    """The passages with the greatest inner product, the best first; of equals the earlier first.

    Args:
        queries: [n, dim].
        passages: [m, dim].
        depth: how many; at most m are found.
        without_self: query i is passage i, and is not its own neighbour.

    Returns:
        int64 [n, min(depth, m)], with `without_self` at most m - 1 wide.
    """
    depth = min(depth, len(passages) - without_self)
    found = np.empty((len(queries), depth), dtype=np.int64)
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        block = slice(start, min(start + _QUERIES_AT_ONCE, len(queries)))
        scores = queries[block] @ passages.T
        rows = np.arange(len(scores))[:, None]
        if without_self:
            scores[rows[:, 0], rows[:, 0] + start] = -np.inf
        best = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
        order = np.lexsort((best, -scores[rows, best]), axis=1)
        found[block] = best[rows, order]
    return found
