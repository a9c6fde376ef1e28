"""Read vectors of the collection; needs NumPy only, as the processes under measurement import it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SHARD = 10_000


def vectors_path(folder: Path, shard: int) -> Path:
    """Return the file of one shard's vectors."""
    return folder / "vectors" / f"{shard:05}.f16.npy"


def vector_blocks(folder: Path, count: int) -> Iterator[NDArray[np.float32]]:
    """Yield the first `count` vectors, float32 [at most 10,000, dim] at a time."""
    for at in range(0, count, SHARD):
        yield np.load(vectors_path(folder, at // SHARD))[: count - at].astype(np.float32)


def rows(folder: Path, wanted: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the vectors of some rows, float32 [n, dim]; each shard is opened once."""
    found: NDArray[np.float32] | None = None
    for shard in np.unique(wanted // SHARD):
        here = wanted // SHARD == shard
        stored = np.load(vectors_path(folder, int(shard)), mmap_mode="r")
        if found is None:
            found = np.empty((len(wanted), stored.shape[1]), np.float32)
        found[here] = stored[wanted[here] - shard * SHARD]
    if found is None:
        raise ValueError("no rows are given")
    return found


def queries(folder: Path) -> NDArray[np.float32]:
    """Return the vectors of the queries, float32 [n, dim]."""
    halves: NDArray[np.float16] = np.load(folder / "vectors" / "queries.f16.npy")
    return halves.astype(np.float32)
