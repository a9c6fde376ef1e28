"""Exact answers: the ten nearest vectors of every query, by comparison with all vectors."""

from __future__ import annotations

import io
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from akin.storage.durable import replace_file
from benchmarks.retrieval.shards import queries, vector_blocks
from benchmarks.retrieval.systems import K


def exact_neighbours(folder: Path, count: int) -> NDArray[np.int64]:
    """Return the rows of the ten nearest of the first `count` vectors, int64 [queries, 10]; a file keeps them."""
    stored = folder / f"exact-{count}.npy"
    if stored.exists():
        return np.load(stored)  # type: ignore[no-any-return]
    vectors = queries(folder)
    scores = np.full((len(vectors), K), -np.inf, np.float32)
    found = np.full((len(vectors), K), -1, np.int64)
    at = 0
    for block in vector_blocks(folder, count):
        block_scores, block_rows = faiss.knn(vectors, block, min(K, len(block)), faiss.METRIC_INNER_PRODUCT)
        scores = np.concatenate([scores, block_scores], axis=1)
        found = np.concatenate([found, block_rows + at], axis=1)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        scores, found = np.take_along_axis(scores, best, 1), np.take_along_axis(found, best, 1)
        at += len(block)
    file = io.BytesIO()
    np.save(file, found)
    replace_file(stored, file.getvalue())
    return found


def mean_recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Return the mean share of the ten nearest that were found; both arguments are rows, int64 [queries, 10]."""
    return float(np.mean([len(set(a) & set(b)) / K for a, b in zip(found.tolist(), truth.tolist(), strict=True)]))
