"""The vector index, read and searched with FAISS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from retrieval_service.errors import SnapshotInvalid
from retrieval_service.ports import Hits, RowSet, Vectors

# Scoring a small subset one by one costs less than walking lists in which few vectors are admitted, and is exact.
_SMALL_SUBSET = 20_000
_SMALL_SHARE = 0.01
# The nearest admitted vectors lie the farther apart, the fewer are admitted: a filtered search looks into more lists.
_MOST_WIDENING = 8.0


def single_threaded() -> None:
    """Has FAISS use one thread for what the calling thread asks: requests run beside each other, not inside."""
    faiss.omp_set_num_threads(1)


class FaissIndex:
    """An index of unit vectors under the inner product, exact or inverted lists with a refine step.

    Searching changes nothing in the index: what differs between calls goes along as search parameters.
    """

    def __init__(self, index: Any, *, nprobe: int | None = None, k_factor: float = 1.0) -> None:
        """Takes the index with the lists a search looks into and the candidates per result it refines."""
        self._index = index
        self._lists = int(faiss.extract_index_ivf(index).nlist) if _is_ivf(index) else None
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
            raise SnapshotInvalid(path, f"is not an index that can be read ({_first_line(error)})") from error
        return cls(index, nprobe=nprobe, k_factor=k_factor)

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return int(self._index.d)

    def __len__(self) -> int:
        """Number of vectors."""
        return int(self._index.ntotal)

    def search(self, vector: Vectors, k: int, *, within: RowSet | None = None, nprobe: int | None = None) -> Hits:
        """The k rows of greatest inner product with a vector [dim], among those admitted."""
        available = len(self) if within is None else within.count
        k = min(k, available)
        if k == 0:
            return Hits(np.empty(0, np.int64), np.empty(0, np.float32))
        if within is not None and self._lists and within.count <= max(_SMALL_SUBSET, _SMALL_SHARE * len(self)):
            return self._among(np.flatnonzero(within.mask), vector, k)
        selector = bits = None
        if within is not None and within.count < len(self):
            # The selector keeps a bare pointer: `bits` must live until the search is over.
            bits = np.packbits(within.mask, bitorder="little")
            selector = faiss.IDSelectorBitmap(bits)
        parameters = self._parameters(nprobe, selector, available / len(self))
        scores, rows = self._index.search(vector.reshape(1, -1), k, params=parameters)
        del selector, bits
        found = rows[0] >= 0
        return Hits(rows[0][found], scores[0][found])

    def vectors(self, rows: Sequence[int]) -> Vectors:
        """The stored vectors of these rows, float32 [n, dim]."""
        return np.asarray(self._index.reconstruct_batch(np.asarray(rows, np.int64)), np.float32)

    def _among(self, rows: np.ndarray[Any, np.dtype[np.int64]], vector: Vectors, k: int) -> Hits:
        scores = self.vectors(rows) @ vector  # type: ignore[arg-type]  # an array of rows is a sequence to FAISS
        best = np.argpartition(-scores, k - 1)[:k] if k < len(rows) else np.arange(len(rows))
        best = best[np.lexsort((rows[best], -scores[best]))]
        return Hits(rows[best], scores[best])

    def _parameters(self, nprobe: int | None, selector: Any, share: float) -> Any:
        if self._lists is None:
            return faiss.SearchParameters(sel=selector) if selector is not None else None
        widening = 1.0 if nprobe else min(_MOST_WIDENING, share**-0.5)
        lists = min(self._lists, max(1, round((nprobe or self._nprobe) * widening)))
        inner = faiss.SearchParametersIVF(nprobe=lists, sel=selector)
        if isinstance(self._index, faiss.IndexRefine):
            return faiss.IndexRefineSearchParameters(k_factor=self._k_factor, base_index_params=inner)
        return inner


def _is_ivf(index: Any) -> bool:
    base = faiss.downcast_index(index.base_index) if isinstance(index, faiss.IndexRefine) else index
    return isinstance(base, faiss.IndexIVF)


def _first_line(error: BaseException) -> str:
    # FAISS puts the C++ function and file before the words that say what happened.
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return text.rsplit(": ", 1)[-1] if text.startswith("Error in") else text
