"""Batches of texts that are alike: every other passage of a batch is a hard negative, at the price of an easy one.

The idea of topic-aware sampling (Hofstätter et al., 2021), with balanced bisection instead of k-means, so that every
block has the same size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.arrays import Floats

_ROUNDS = 6


def blocks(vectors: Floats, size: int, seed: int = 0) -> list[NDArray[np.int64]]:
    """Cuts vectors into blocks of neighbours.

    Args:
        vectors: of length one, float32 [count, dim].
        size: of a block.
        seed: of the first centres.

    Returns:
        Positions, `size` in each block; fewer than `size` vectors are left out.
    """
    rng = np.random.default_rng(seed)
    found: list[NDArray[np.int64]] = []
    left = [np.arange(len(vectors))]
    while left:
        members = left.pop()
        count = len(members) // size
        if count < 2:
            if count:
                found.append(members[:size])
            continue
        order = _bisect(vectors[members], (count // 2) * size, rng)
        left += [members[order[: (count // 2) * size]], members[order[(count // 2) * size :]]]
    return found


def _bisect(vectors: Floats, cut: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions ordered so that those before the cut are alike and those after it are."""
    one, other = vectors[rng.choice(len(vectors), 2, replace=False)]
    order = np.arange(len(vectors))
    for _ in range(_ROUNDS):
        order = np.argsort(vectors @ (other - one), kind="stable")
        one, other = vectors[order[:cut]].mean(axis=0), vectors[order[cut:]].mean(axis=0)
    return order
