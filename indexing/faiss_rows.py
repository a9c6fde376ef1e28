"""Changing rows of a vector index that was built and trained before: what an update does instead of building again.

The trained parts (centres of lists, ranges of codes) stay as they are, so every vector gets the code and the list that
a build with the same trained parts would give it: the two find the same papers with the same scores.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np

from indexing.faiss_packed import can_be_repacked, replace_packed
from indexing.faiss_recipe import VectorsOf
from retrieval_service.errors import SnapshotInvalid
from retrieval_service.ports import Rows

_CHUNK = 16_384
_NONE = np.empty((0, 0), np.float32)


class RowsCannotChange(Exception):
    """This type of index has to be built again when vectors are replaced or withdrawn."""


def read_whole(path: Path) -> Any:
    """An index read into memory, so that it can be changed.

    Raises:
        SnapshotInvalid: the file is no index, or is damaged.
    """
    try:
        return faiss.read_index(str(path))
    except (RuntimeError, MemoryError) as error:
        raise SnapshotInvalid(path, f"is not an index that can be read ({error})") from error


def change_rows(index: Any, total: int, rows: Rows, vectors: VectorsOf) -> None:
    """Makes rows of an index hold other vectors, and gives it another length.

    Args:
        index: exact, inverted lists with or without a refining index, or one that only grows: a graph, and packed
            lists of other codes than product codes.
        total: how many rows there are afterwards; those beyond are dropped.
        rows: what changes, ascending: rows that get another vector, and every row the index does not have yet.
        vectors: gives the vectors of some rows.

    Raises:
        RowsCannotChange: the index only grows, and not only new rows were given.
    """
    before = index.ntotal
    packed = isinstance(_lists(index), faiss.IndexIVFFastScan)
    grows_only = isinstance(index, faiss.IndexHNSW) or (packed and not can_be_repacked(_lists(index)))
    if grows_only and (total < before or (len(rows) and rows[0] < before)):
        raise RowsCannotChange
    if isinstance(index, faiss.IndexHNSW):
        for some in _runs(rows):
            index.add(vectors(some))
    elif isinstance(index, faiss.IndexRefine):
        _change_lists(_lists(index), total, rows, vectors)
        _change_codes(faiss.downcast_index(index.refine_index), total, rows, vectors)
        index.ntotal = total
    elif isinstance(index, faiss.IndexIVF):
        # With its map from rows to places an index takes new rows only: it is made again afterwards.
        index.set_direct_map_type(faiss.DirectMap.NoMap)
        _change_lists(index, total, rows, vectors)
        index.make_direct_map()
    else:
        _change_codes(index, total, rows, vectors)


def _lists(index: Any) -> Any:
    return faiss.downcast_index(index.base_index) if isinstance(index, faiss.IndexRefine) else index


def _change_lists(index: Any, total: int, rows: Rows, vectors: VectorsOf) -> None:
    before = index.ntotal
    if can_be_repacked(index):
        kept = rows[rows < min(before, total)]
        if len(kept) or total < before:
            replace_packed(index, min(before, total), kept, vectors(kept) if len(kept) else _NONE)
        for some in _runs(rows[rows >= before]):
            index.add_with_ids(vectors(some), some)
        return
    gone = np.concatenate([rows[rows < before], np.arange(total, before)])
    if len(gone):
        index.remove_ids(faiss.IDSelectorBatch(np.unique(gone)))
    for some in _runs(rows):
        index.add_with_ids(vectors(some), some)


def _change_codes(index: Any, total: int, rows: Rows, vectors: VectorsOf) -> None:
    """Of an index that keeps its codes one after another, row by row."""
    size = index.code_size
    index.codes.resize(total * size)
    index.ntotal = total
    codes = faiss.rev_swig_ptr(index.codes.data(), total * size).reshape(total, size)
    for some in _runs(rows):
        codes[some] = index.sa_encode(vectors(some))


def _runs(rows: Rows) -> list[Rows]:
    return [rows[at : at + _CHUNK] for at in range(0, len(rows), _CHUNK)]
