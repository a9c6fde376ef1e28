"""Lay papers out on a plane with t-SNE, so that near vectors are near (openTSNE, the extra `map`).

The attraction is uniform among a paper's nearest neighbours, which gives nearly the picture of weights by perplexity at
a fifth of the work (Böhm, Berens and Kobak 2022, "Attraction-repulsion spectrum in neighbor embeddings"). The first two
principal components are where it starts, so that the layout of the whole has a meaning and repeats.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from akin.indexing.corpus_map.neighbours import Neighbourhood, OnStep, Places
from retrieval_service.errors import SnapshotError
from retrieval_service.ports import Vectors

METHOD, METHOD_OF_FEW = "t-SNE of 15 nearest neighbours", "two principal components"
NEIGHBOURS = 15
NEEDS_EXTRA = "The layout of a map needs openTSNE: install akin with its extra `map`."
_EARLY, _LATE = 250, 500
_STEP = 25
_START = 1e-4  # spread of the start, as is usual for t-SNE
FEW = 50  # papers; below, nearly all are neighbours of each other
_SMALL = 5_000  # papers; below, interpolation costs more than it saves


def require_layout() -> None:
    """Raise a `SnapshotError` if openTSNE is not installed."""
    if find_spec("openTSNE") is None:
        raise SnapshotError(NEEDS_EXTRA)


def lay_out(
    vectors: Vectors, near: Neighbourhood, seed: int, threads: int, on_near: OnStep, on_layout: OnStep
) -> Places:
    """Return the places of papers, in no unit.

    Args:
        vectors: Their vectors of unit length [n, dim].
        near: The same vectors, in which neighbours are found.
        seed: Seed of the layout.
        threads: Threads that compute.
        on_near: Called while neighbours are searched.
        on_layout: Called with the number of steps of the layout that are done, and of all.
    """
    count = len(vectors)
    if not count:
        return np.empty((0, 2), np.float32)
    if count < FEW:
        return _principal(vectors, seed).astype(np.float32)
    if count < _SMALL:
        threads = 1  # waiting for each other takes longer than the work
    # Imported here: it takes seconds, and a serving image has none of it.
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import Uniform
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    rows, distances = near.of_all(vectors, min(NEIGHBOURS, count - 1), on_near)
    affinities = Uniform(knn_index=PrecomputedNeighbors(rows, distances), symmetrize="mean", n_jobs=threads)
    places = TSNEEmbedding(
        _principal(vectors, seed),
        affinities,
        negative_gradient_method="bh" if count < _SMALL else "fft",
        n_jobs=threads,
        random_state=seed,
    )
    for step in range(0, _EARLY + _LATE, _STEP):
        early = step < _EARLY
        places.optimize(
            _STEP,
            exaggeration=12 if early else 1,
            momentum=0.5 if early else 0.8,
            inplace=True,
        )
        on_layout(step + _STEP, _EARLY + _LATE)
    found = np.asarray(places, np.float32)
    if not np.isfinite(found).all():
        raise SnapshotError("The layout of the map has no end; build it with another --seed.")
    return found


def _principal(vectors: Vectors, seed: int) -> Places:
    """Return the first two principal components, small, with a trace of noise that separates equal vectors."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    # An axis may point either way: the entry of largest size is positive.
    best = axes[:, -2:][:, ::-1] if axes.shape[1] > 1 else np.repeat(axes, 2, axis=1)
    best = best * np.sign(best[np.abs(best).argmax(axis=0), np.arange(2)])
    start = centred @ best
    start /= max(float(start[:, 0].std()), 1e-9)
    noise = np.random.default_rng(seed).standard_normal(start.shape)
    return np.asarray(_START * (np.clip(start, -10, 10) + 0.01 * noise), np.float64)
