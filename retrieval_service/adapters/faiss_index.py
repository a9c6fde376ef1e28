"""The vector index, read and searched with FAISS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from retrieval_service.adapters.faiss_filter import InvertedLists, decoding_is_cheaper, exact_is_cheaper
from retrieval_service.adapters.mapped_pages import forget_pages
from retrieval_service.errors import SnapshotError, SnapshotInvalid
from retrieval_service.ports import Hits, RowSet, Vectors


class FaissIndex:
    """An index of unit vectors under the inner product: exact, inverted lists with or without refining, or a graph.

    Searching changes nothing in the index: what differs between calls goes along as search parameters.
    """

    def __init__(self, index: Any, *, nprobe: int | None = None, k_factor: float = 1.0) -> None:
        """Takes the index with how far a search looks, and the candidates per result it refines.

        Of inverted lists `nprobe` is the number of lists, of a graph the candidates kept in hand (its efSearch).
        """
        self._index = index
        self._ivf = faiss.extract_index_ivf(index) if _is_ivf(index) else None
        self._lists = int(self._ivf.nlist) if self._ivf is not None else None
        self._where: InvertedLists | None = None
        self._codes = _row_by_row(index)
        packed = self._ivf is not None and isinstance(faiss.downcast_index(self._ivf), faiss.IndexIVFFastScan)
        self._readable = self._codes is not None or not packed
        self._nprobe = nprobe or 1
        self._k_factor = k_factor

    @classmethod
    def open(cls, path: Path, *, nprobe: int | None = None, k_factor: float = 1.0) -> FaissIndex:
        """Reads an index from a file, memory-mapped where its type allows.

        Raises:
            SnapshotInvalid: the file is no index, or is damaged.
        """
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC | faiss.IO_FLAG_READ_ONLY)
        except (RuntimeError, MemoryError) as error:
            raise SnapshotInvalid(path, f"is not an index that can be read ({first_line(error)})") from error
        forget_pages(path)
        return cls(index, nprobe=nprobe, k_factor=k_factor)

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return int(self._index.d)

    def __len__(self) -> int:
        """Number of vectors."""
        return int(self._index.ntotal)

    @property
    def index(self) -> Any:
        """The index as FAISS knows it; not to be changed."""
        return self._index

    @property
    def lists(self) -> int | None:
        """Number of inverted lists; None for an index without."""
        return self._lists

    @property
    def nprobe(self) -> int:
        """How far a search looks unless told otherwise."""
        return self._nprobe

    def search(self, vector: Vectors, k: int, *, within: RowSet | None = None, nprobe: int | None = None) -> Hits:
        """The k rows of greatest inner product with a vector [dim], among those admitted."""
        available = len(self) if within is None else within.count
        k = min(k, available)
        if k == 0:
            return Hits(np.empty(0, np.int64), np.empty(0, np.float32))
        if within is None or within.count == len(self):
            return _hits(self._index.search(vector.reshape(1, -1), k, params=self._parameters(nprobe, None)))
        lists, visited = nprobe, 0
        if nprobe is None and self._lists is not None:
            lists, visited = self._reach(vector, within)
        if self._lists is None or exact_is_cheaper(within.count, len(self), visited):
            return self._among(within, vector, k)
        # The selector keeps a bare pointer: `bits` must live until the search is over.
        bits = np.packbits(within.mask, bitorder="little")
        parameters = self._parameters(lists, faiss.IDSelectorBitmap(bits))
        return _hits(self._index.search(vector.reshape(1, -1), k, params=parameters))

    @property
    def readable(self) -> bool:
        """Return True if the vectors of rows can be read back."""
        return self._readable

    @property
    def row_coder(self) -> Any:
        """The part of the index whose codes `vectors` decodes."""
        return self._codes if self._codes is not None else self._ivf

    def vectors(self, rows: Sequence[int]) -> Vectors:
        """The stored vectors of these rows, float32 [n, dim].

        Raises:
            SnapshotError: the index is of a kind whose rows cannot be read back.
        """
        if not self.readable:
            # FAISS does not refuse to, it crashes.
            raise SnapshotError(
                "The vector index is of packed codes alone, whose rows cannot be read back: make another with "
                "akin index tune, or build it again."
            )
        return np.asarray(self._index.reconstruct_batch(np.asarray(rows, np.int64)), np.float32)

    def _reach(self, vector: Vectors, within: RowSet) -> tuple[int, int]:
        if self._where is None:
            # Two threads may do this at once, for the same result.
            self._where = InvertedLists(self._ivf)
        return self._where.reach(vector, within, min(self._nprobe, self._where.nlist))

    def _among(self, within: RowSet, vector: Vectors, k: int) -> Hits:
        """The best of the admitted vectors, every one compared."""
        if self._codes is None or decoding_is_cheaper(within.count, len(self)):
            rows = np.flatnonzero(within.mask)
            scores = self.vectors(rows) @ vector  # type: ignore[arg-type]  # an array of rows is a sequence to FAISS
            best = np.argpartition(-scores, k - 1)[:k] if k < len(rows) else np.arange(len(rows))
            best = best[np.lexsort((rows[best], -scores[best]))]
            return Hits(rows[best], scores[best])
        bits = np.packbits(within.mask, bitorder="little")
        parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))
        return _hits(self._codes.search(vector.reshape(1, -1), k, params=parameters))

    def _parameters(self, nprobe: int | None, selector: Any) -> Any:
        if isinstance(self._index, faiss.IndexHNSW):
            return faiss.SearchParametersHNSW(efSearch=nprobe or self._nprobe, sel=selector)
        if self._lists is None:
            return None
        inner = faiss.SearchParametersIVF(nprobe=min(self._lists, nprobe or self._nprobe), sel=selector)
        if isinstance(self._index, faiss.IndexRefine):
            return faiss.IndexRefineSearchParameters(k_factor=self._k_factor, base_index_params=inner)
        return inner


def _hits(found: tuple[Any, Any]) -> Hits:
    scores, rows = found[0][0], found[1][0]
    some = rows >= 0
    return Hits(rows[some], scores[some])


def _row_by_row(index: Any) -> Any:
    """The part of an index that holds a code for every row in order; None where there is no such part."""
    if isinstance(index, faiss.IndexRefine):
        return faiss.downcast_index(index.refine_index)
    if isinstance(index, faiss.IndexHNSW):
        return faiss.downcast_index(index.storage)
    return None if _is_ivf(index) else index


def _is_ivf(index: Any) -> bool:
    base = faiss.downcast_index(index.base_index) if isinstance(index, faiss.IndexRefine) else index
    return isinstance(base, faiss.IndexIVF)


def first_line(error: BaseException) -> str:
    """Return what FAISS says happened, without the place in its source."""
    # FAISS puts the C++ function and file before the words that say what happened.
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return text.rsplit(": ", 1)[-1] if text.startswith("Error in") else text
