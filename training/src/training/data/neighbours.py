"""Blocks of similar texts. In a batch of them every other passage is a hard negative, without additional texts.

The idea is topic-aware sampling (Hofstätter et al., 2021); balanced bisection instead of k-means makes all blocks the
same size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.arrays import Floats

_ROUNDS = 6


def make_blocks(vectors: Floats, size: int, seed: int = 0) -> list[NDArray[np.int64]]:
    """Divide vectors into blocks of neighbours.

    Args:
        vectors: unit vectors, float32 [count, dim].
        size: vectors in a block.
        seed: seed of the first centres.

    Returns:
        Positions, `size` in each block. Fewer than `size` vectors are left out.
    """
    rng = np.random.default_rng(seed)
    blocks: list[NDArray[np.int64]] = []
    remaining = [np.arange(len(vectors))]
    while remaining:
        members = remaining.pop()
        count = len(members) // size
        if count < 2:
            if count:
                blocks.append(members[:size])
            continue
        cut = (count // 2) * size
        order = _bisect(vectors[members], cut, rng)
        remaining += [members[order[:cut]], members[order[cut:]]]
    return blocks


def _bisect(vectors: Floats, cut: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return positions in an order whose first `cut` vectors are similar, and whose other vectors are."""
    one, other = vectors[rng.choice(len(vectors), 2, replace=False)]
    order = np.arange(len(vectors))
    for _ in range(_ROUNDS):
        order = np.argsort(vectors @ (other - one), kind="stable")
        one, other = vectors[order[:cut]].mean(axis=0), vectors[order[cut:]].mean(axis=0)
    return order
