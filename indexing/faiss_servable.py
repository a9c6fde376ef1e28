"""Telling if an index of a recipe can be served at all: before it is made, and by using it as the service does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np

from indexing.faiss_recipe import Recipe
from retrieval_service.adapters.faiss_index import FaissIndex, first_line
from retrieval_service.errors import SnapshotInvalid
from retrieval_service.ports import RowSet

_ROWS_READ = 8


def unservable(recipe: Recipe, papers: int, dim: int) -> str | None:
    """Return why an index of a recipe cannot be made of this corpus, or could not be served; None if it can.

    Args:
        recipe: how it would be made.
        papers: how many vectors there are.
        dim: their length.
    """
    try:
        index = faiss.index_factory(dim, recipe.factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        return f"it does not suit vectors of length {dim} ({first_line(error)})"
    refined = isinstance(index, faiss.IndexRefine)
    base = faiss.downcast_index(index.base_index) if refined else index
    if isinstance(base, faiss.IndexIVFFastScan) and not refined:
        return "the vectors of rows cannot be read back from packed codes alone: add Refine(SQ8)"
    if isinstance(base, faiss.IndexHNSW) and not isinstance(
        faiss.downcast_index(base.storage), (faiss.IndexFlat, faiss.IndexScalarQuantizer)
    ):
        return "a graph over such codes cannot be searched within a filter: take HNSW…,SQ8 or HNSW…,Flat"
    least = _least(base)
    return f"it takes at least {least:,} papers, and there are {papers:,}" if papers < least else None


def check_served(path: Path, *, nprobe: int | None, k_factor: float) -> None:
    """Use an index as the service does: search all of it and some rows of it, and read vectors back.

    Raises:
        SnapshotInvalid: it cannot be used so; the message says what fails.
    """
    index = FaissIndex.open(path, nprobe=nprobe, k_factor=k_factor)
    count = len(index)
    try:
        rows = np.unique(np.linspace(0, count - 1, _ROWS_READ).astype(np.int64)).tolist()
        query = np.ascontiguousarray(index.vectors(rows)[0])
        index.search(query, min(10, count))
        for step in (2, max(2, count // 3)):
            mask = np.zeros(count, np.bool_)
            mask[::step] = True
            index.search(query, min(10, count), within=RowSet(mask, int(np.count_nonzero(mask))))
    except RuntimeError as error:
        raise SnapshotInvalid(path, f"cannot be served ({first_line(error)})") from error


def _least(base: Any) -> int:
    """Return how many vectors the training of an index takes."""
    lists = int(base.nlist) if isinstance(base, faiss.IndexIVF) else 1
    storage = faiss.downcast_index(base.storage) if isinstance(base, faiss.IndexHNSW) else base
    codes = getattr(storage, "pq", None)
    return max(lists, int(codes.ksub) if codes is not None else 1)
