"""Inverted lists whose codes are packed in blocks, for comparing 32 at a time: taking out and replacing single codes.

FAISS 1.15 can take codes out of such lists, and then no longer finds some of those that stayed. So a list that loses
or gets a code is unpacked, changed and packed again, its codes in the order of rows: byte for byte the list that an
index filled from the first row on would have.
"""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from retrieval_service.ports import Rows, Vectors

Codes = NDArray[np.uint8]


def can_be_repacked(lists: Any) -> bool:
    """Whether an index is of packed lists that `replace_packed` knows."""
    return isinstance(lists, faiss.IndexIVFPQFastScan) and not lists.by_residual


def replace_packed(lists: Any, total: int, rows: Rows, vectors: Vectors) -> None:
    """Gives rows other vectors, and drops the rows beyond a length.

    Args:
        lists: the index.
        total: how many rows stay; at most as many as there are.
        rows: those that get another vector, ascending, all below `total`.
        vectors: theirs, float32 [n, dim].
    """
    gone = np.zeros(lists.ntotal, np.bool_)
    gone[rows] = True
    gone[total:] = True
    into = np.asarray(lists.quantizer.assign(vectors, 1), np.int64).reshape(-1) if len(rows) else rows
    codes = lists.pq.compute_codes(vectors) if len(rows) else np.empty((0, lists.code_size), np.uint8)
    packed = faiss.downcast_InvertedLists(lists.invlists)
    for number in range(lists.nlist):
        arriving = np.flatnonzero(into == number)
        ids = _ids(packed, number)
        stay = ~gone[ids]
        if stay.all() and not len(arriving):
            continue
        ids = np.concatenate([ids[stay], rows[arriving]])
        order = np.argsort(ids)
        changed = np.concatenate([_unpacked(packed, number)[stay], codes[arriving]])[order]
        _pack(packed, number, ids[order], changed)
    lists.ntotal = total


def _ids(packed: Any, number: int) -> Rows:
    size = packed.list_size(number)
    return faiss.rev_swig_ptr(packed.get_ids(number), size).copy() if size else np.empty(0, np.int64)


def _unpacked(packed: Any, number: int) -> Codes:
    """The codes of one list, uint8 [n, code_size]."""
    size, packer = packed.list_size(number), packed.packer
    codes = np.zeros((-(-size // packer.nvec) * packer.nvec, packer.code_size), np.uint8)
    if size:
        blocks = faiss.rev_swig_ptr(packed.get_codes(number), len(codes) // packer.nvec * packer.block_size)
        for first, block in zip(range(0, size, packer.nvec), blocks.reshape(-1, packer.block_size), strict=True):
            packer.unpack_all(faiss.swig_ptr(block), faiss.swig_ptr(codes[first:]))
    return codes[:size]


def _pack(packed: Any, number: int, ids: Rows, codes: Codes) -> None:
    """Makes one list hold exactly these."""
    packer = packed.packer
    blocks = np.zeros((-(-len(ids) // packer.nvec), packer.block_size), np.uint8)
    padded = np.zeros((len(blocks) * packer.nvec, packer.code_size), np.uint8)
    padded[: len(codes)] = codes
    for first, block in zip(range(0, len(padded), packer.nvec), blocks, strict=True):
        packer.pack_all(faiss.swig_ptr(padded[first:]), faiss.swig_ptr(block))
    packed.resize(number, 0)
    if len(ids):
        # Into an empty list whole blocks are copied as they are.
        packed.add_entries(number, len(ids), faiss.swig_ptr(ids), faiss.swig_ptr(blocks))
