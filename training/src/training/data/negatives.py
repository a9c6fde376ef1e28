"""Hard negatives of pairs: passages of the whole training corpus that are similar to an anchor, but no right answer.

A passage that scores nearly as much as the pair's own positive is often right as well (Moreira et al., 2024), and so is
a near-duplicate of its paper. Neither becomes a negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.arrays import Floats


def choose_negatives(
    candidates: NDArray[np.int64],
    scores: Floats,
    positive_scores: Floats,
    allowed: Sequence[NDArray[np.bool_]],
    *,
    count: int,
    skip: int = 0,
    relative_margin: float = 0.0,
    sampling: Literal["top", "random"] = "top",
    rng: np.random.Generator,
) -> list[list[int]]:
    """Return the negatives of each pair, fewer than `count` if not enough candidates remain.

    Args:
        candidates: passages most similar to each anchor, the most similar first. [pairs, candidates]
        scores: their similarities. [pairs, candidates]
        positive_scores: similarity of each anchor and its own positive. [pairs]
        allowed: for each pair, False for candidates that are near-duplicates of its papers. [candidates]
        count: negatives for each pair.
        skip: most similar candidates to leave out.
        relative_margin: a negative scores at most (1 - margin) times the positive's score.
        sampling: `top` takes the most similar of those that remain, `random` any.
        rng: generator of the random choices.
    """
    found = []
    limits = positive_scores - relative_margin * np.abs(positive_scores)
    for row, scored, limit, usable in zip(candidates, scores, limits, allowed, strict=True):
        kept = np.flatnonzero(usable)[skip:]
        kept = kept[scored[kept] <= limit]
        chosen = kept[:count] if sampling == "top" else np.sort(rng.permutation(kept)[:count])
        found.append(row[chosen].tolist())
    return found
