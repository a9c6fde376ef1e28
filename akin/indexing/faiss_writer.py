"""Write vector indexes: train and fill a new one, or change rows of one that is trained.

Changing rows keeps the trained parts (centroids of lists, ranges of codes). So every vector gets the same code and list
as in a build with these parts: both indexes find the same papers with the same scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from akin.indexing.faiss_recipe import VECTORS_PER_LIST, Recipe
from retrieval_service.adapters.faiss_index import FaissIndex, one_thread
from retrieval_service.errors import SnapshotInvalid
from retrieval_service.ports import Rows, Vectors

CHUNK = 16_384
_CODES_TRAINED_ON = 65_536
"""Vectors that codes are trained on: sixteen values for each pair of numbers need no more."""

_CODE_VALUES = 256
"""Most values of one number of a code, each of which takes a vector to train."""

# Encoding is deterministic: a larger distance than this rounding error means the code of another vector ...
_ROUNDING = 1e-3
# ... unless that code is as near to the vector: two lists may be equally near, and some encodings use random numbers.
_AS_NEAR = 1.25
_NONE = np.empty((0, 0), np.float32)

Codes = NDArray[np.uint8]
VectorsOf = Callable[[Rows], Vectors]
"""Returns the vectors of these rows, float32 [n, dim]."""


class RowsCannotChange(Exception):
    """This type of index must be built again when vectors are replaced or withdrawn."""


def build_index(
    recipe: Recipe, papers: int, dim: int, vectors: VectorsOf, *, seed: int = 1, centroids: Vectors | None = None
) -> Any:
    """Return an index of all vectors, trained on a random sample of the whole corpus.

    Args:
        recipe: the kind of index.
        papers: number of vectors.
        dim: length of the vectors.
        vectors: returns the vectors of some rows.
        seed: seed of the sample.
        centroids: centroids of the lists [nlist, dim] if they are known; training them is most of the work.
    """
    index = faiss.index_factory(dim, recipe.factory, faiss.METRIC_INNER_PRODUCT)
    if not index.is_trained:
        rng = np.random.default_rng(seed)
        if recipe.nlist:
            ivf = faiss.extract_index_ivf(index)
            if centroids is None:
                wanted = min(papers, max(VECTORS_PER_LIST * recipe.nlist, CHUNK))
                sample = _distinct(vectors(np.sort(rng.choice(papers, wanted, replace=False))), recipe.nlist)
                ivf.train_q1(len(sample), faiss.swig_ptr(sample), False, ivf.metric_type)
            else:
                ivf.quantizer.add(centroids)
        sampled = np.sort(rng.choice(papers, min(papers, _CODES_TRAINED_ON), replace=False))
        codes = _distinct(vectors(sampled), min(papers, max(_CODE_VALUES, recipe.nlist or 0)))
        # Training codes is thousands of tiny clusterings: with several threads it took ten times as long.
        with one_thread():
            index.train(codes)
    add_all(index, papers, vectors)
    return index


def _distinct(sample: Vectors, least: int) -> Vectors:
    """Return the different vectors of a sample, at least as many as are needed: some are repeated where they are fewer.

    A text that thousands of papers share would get most of the lists and codes.
    """
    whole = np.ascontiguousarray(sample).view(np.dtype((np.void, sample.dtype.itemsize * sample.shape[1])))[:, 0]
    kept = np.sort(np.unique(whole, return_index=True)[1])
    if len(kept) == len(sample):
        return sample
    return np.ascontiguousarray(sample[np.resize(kept, max(least, len(kept)))])


def add_all(index: Any, papers: int, vectors: VectorsOf) -> None:
    """Add all vectors to a trained index."""
    for rows in chunks(np.arange(papers)):
        index.add(vectors(rows))
    if isinstance(index, faiss.IndexIVF):
        # Without a refining index, only this map has the place of a row's code.
        index.make_direct_map()


def chunks(rows: Rows) -> Iterator[Rows]:
    """Yield rows in runs whose vectors need little memory."""
    return (rows[at : at + CHUNK] for at in range(0, len(rows), CHUNK))


def centroids_of(index: Any) -> Vectors | None:
    """Return the centroids of an index's lists [nlist, dim]; None for an index without lists."""
    try:
        ivf = faiss.extract_index_ivf(index)
    except RuntimeError:
        return None
    return np.asarray(ivf.quantizer.reconstruct_n(0, ivf.nlist), np.float32)


def write_index(index: Any, path: Path) -> None:
    """Write an index to a file.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:
        raise OSError(f"{path}: {error}") from error


def read_index(path: Path) -> Any:
    """Return an index that is read into memory and can be changed.

    Raises:
        SnapshotInvalid: the file is damaged or is not an index.
    """
    try:
        return faiss.read_index(str(path))
    except (RuntimeError, MemoryError) as error:
        raise SnapshotInvalid(path, f"is not an index that can be read ({error})") from error


def change_rows(index: Any, total: int, rows: Rows, vectors: VectorsOf) -> None:
    """Replace the vectors of some rows of an index, and change its length.

    Args:
        index: an exact index, inverted lists with or without a refining index, or an index that can only grow: a graph,
            or packed lists of other codes than product codes.
        total: number of rows afterwards; rows beyond it are dropped.
        rows: ascending; rows that get another vector, and every row that the index does not have yet.
        vectors: returns the vectors of some rows.

    Raises:
        RowsCannotChange: the index can only grow, and there are other changes than new rows.
    """
    before = index.ntotal
    lists = _lists(index)
    only_grows = isinstance(index, faiss.IndexHNSW) or (
        isinstance(lists, faiss.IndexIVFFastScan) and not _can_be_repacked(lists)
    )
    if only_grows and (total < before or (len(rows) and rows[0] < before)):
        raise RowsCannotChange
    if isinstance(index, faiss.IndexHNSW):
        for some in chunks(rows):
            index.add(vectors(some))
    elif isinstance(index, faiss.IndexRefine):
        _change_lists(lists, total, rows, vectors)
        _change_codes(faiss.downcast_index(index.refine_index), total, rows, vectors)
        index.ntotal = total
    elif isinstance(index, faiss.IndexIVF):
        # With its direct map an index accepts new rows only: drop the map and make it again afterwards.
        index.set_direct_map_type(faiss.DirectMap.NoMap)
        _change_lists(index, total, rows, vectors)
        index.make_direct_map()
    else:
        _change_codes(index, total, rows, vectors)


def _lists(index: Any) -> Any:
    return faiss.downcast_index(index.base_index) if isinstance(index, faiss.IndexRefine) else index


def _change_lists(index: Any, total: int, rows: Rows, vectors: VectorsOf) -> None:
    before = index.ntotal
    if _can_be_repacked(index):
        kept = rows[rows < min(before, total)]
        if len(kept) or total < before:
            _replace_packed(index, min(before, total), kept, vectors(kept) if len(kept) else _NONE)
        for some in chunks(rows[rows >= before]):
            index.add_with_ids(vectors(some), some)
        return
    gone = np.concatenate([rows[rows < before], np.arange(total, before)])
    if len(gone):
        index.remove_ids(faiss.IDSelectorBatch(np.unique(gone)))
    for some in chunks(rows):
        index.add_with_ids(vectors(some), some)


def _change_codes(index: Any, total: int, rows: Rows, vectors: VectorsOf) -> None:
    """Change rows of an index that keeps its codes in the order of rows."""
    size = index.code_size
    index.codes.resize(total * size)
    index.ntotal = total
    codes = faiss.rev_swig_ptr(index.codes.data(), total * size).reshape(total, size)
    for some in chunks(rows):
        codes[some] = index.sa_encode(vectors(some))


# Packed lists hold their codes in blocks of 32, which are compared at once. FAISS 1.15 can remove single codes from
# such lists, but then does not find some of the others. So a list that loses or gets a code is unpacked, changed, and
# packed again in the order of rows: byte for byte the list of an index that was filled from the first row on.


def _can_be_repacked(lists: Any) -> bool:
    return isinstance(lists, faiss.IndexIVFPQFastScan) and not lists.by_residual


def _replace_packed(lists: Any, total: int, rows: Rows, vectors: Vectors) -> None:
    """Replace the vectors of some rows in packed lists, and drop the rows from `total` on.

    Args:
        lists: the index.
        total: number of rows that stay; at most as many as there are.
        rows: rows that get another vector, ascending, all below `total`.
        vectors: the new vectors, float32 [n, dim].
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
        changed = np.concatenate([_unpack(packed, number)[stay], codes[arriving]])[order]
        _pack(packed, number, ids[order], changed)
    lists.ntotal = total


def _ids(packed: Any, number: int) -> Rows:
    size = packed.list_size(number)
    return faiss.rev_swig_ptr(packed.get_ids(number), size).copy() if size else np.empty(0, np.int64)


def _unpack(packed: Any, number: int) -> Codes:
    """Return the codes of one list, uint8 [n, code_size]."""
    size, packer = packed.list_size(number), packed.packer
    codes = np.zeros((-(-size // packer.nvec) * packer.nvec, packer.code_size), np.uint8)
    if size:
        blocks = faiss.rev_swig_ptr(packed.get_codes(number), len(codes) // packer.nvec * packer.block_size)
        for first, block in zip(range(0, size, packer.nvec), blocks.reshape(-1, packer.block_size), strict=True):
            packer.unpack_all(faiss.swig_ptr(block), faiss.swig_ptr(codes[first:]))
    return codes[:size]


def _pack(packed: Any, number: int, ids: Rows, codes: Codes) -> None:
    """Replace the content of one list by these codes."""
    packer = packed.packer
    blocks = np.zeros((-(-len(ids) // packer.nvec), packer.block_size), np.uint8)
    padded = np.zeros((len(blocks) * packer.nvec, packer.code_size), np.uint8)
    padded[: len(codes)] = codes
    for first, block in zip(range(0, len(padded), packer.nvec), blocks, strict=True):
        packer.pack_all(faiss.swig_ptr(padded[first:]), faiss.swig_ptr(block))
    packed.resize(number, 0)
    if len(ids):
        # Whole blocks are copied as they are only into an empty list.
        packed.add_entries(number, len(ids), faiss.swig_ptr(ids), faiss.swig_ptr(blocks))


def codes_match(index: FaissIndex, rows: Rows, vectors: Vectors) -> NDArray[np.bool_]:
    """Return for each row, bool [n], True if its code is the code of its vector.

    The vector is encoded by the index's own coder and decoded again. The row must hold the same code, or one that is as
    near to the vector, which gives the same answers.

    Args:
        index: an index whose rows can be read back.
        rows: int64 [n].
        vectors: float32 [n, dim], the vectors that the rows should hold.
    """
    stored = index.vectors(rows)  # type: ignore[arg-type]  # an array of rows is a sequence to FAISS
    coder = index.row_coder
    coded = coder.sa_decode(coder.sa_encode(np.ascontiguousarray(vectors)))
    apart, error, expected = (
        np.linalg.norm(one - other, axis=1) for one, other in ((stored, coded), (stored, vectors), (coded, vectors))
    )
    return np.asarray((apart <= _ROUNDING) | (error <= _AS_NEAR * expected + _ROUNDING), np.bool_)
