"""Blocks of similar texts. In a batch of them every other passage is a hard negative, without additional texts.

The idea is topic-aware sampling (Hofstätter et al., 2021); balanced bisection instead of k-means makes all blocks the
same size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.arrays import Floats

_ROUNDS = 6
_UNFILLED = 32
"""Blocks that wait for pairs at once: a pair that matches one of each stays out."""


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


def separate_matches(
    order: NDArray[np.int64], size: int, anchors: Floats, positives: Floats, relative_margin: float
) -> list[list[int]]:
    """Divide pairs into blocks in which no passage may be a right answer to the anchor of another pair.

    A passage that scores more than (1 - margin) times the anchor's own positive would be a false negative. Such pairs
    go into different blocks; most other pairs stay together with those that stand beside them in the order.

    Args:
        order: pairs in an order in which similar pairs stand together.
        size: pairs in a block.
        anchors: unit vectors of the anchors, float32 [pairs, dim].
        positives: unit vectors of the positives, float32 [pairs, dim].
        relative_margin: margin between the score of a pair's own positive and those of the others in its block.

    Returns:
        Full blocks. Pairs that fit into no full block are left out.
    """
    own = (anchors * positives).sum(axis=1)
    limits = own - relative_margin * np.abs(own)
    full: list[list[int]] = []
    unfilled: list[list[int]] = []
    for pair in order.tolist():
        for block in unfilled:
            is_answer = anchors[block] @ positives[pair] > limits[block]
            if not is_answer.any() and not (positives[block] @ anchors[pair] > limits[pair]).any():
                break
        else:
            block = []
            unfilled.append(block)
        block.append(pair)
        if len(block) == size:
            full.append(block)
            unfilled.remove(block)
        if len(unfilled) > _UNFILLED:
            unfilled.remove(min(unfilled, key=len))
    return full
