"""The vector index in main memory, opened and searched with FAISS."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from retrieval_service.adapters import gpu_index
from retrieval_service.adapters.faiss_nprobe import NprobeRule, decoding_is_cheaper
from retrieval_service.errors import SnapshotError, SnapshotInvalid
from retrieval_service.ports import Elsewhere, Hits, RowSet, Vectors

_MAPS = Path("/proc/self/maps")
_MADV_DONTNEED = 4
_SAMPLED = 1_000  # vectors whose mean stands for that of all


class FaissIndex:
    """An index of unit vectors under the inner product: exact, inverted lists with or without refining, or a graph.

    A search changes nothing in the index: what differs between calls is passed along as search parameters.

    Attributes:
        index: The index as FAISS represents it; read-only.
        nprobe_rule: Chooses the `nprobe` of a search.
        readable: True if the vectors of rows can be read back.
        row_coder: The part of the index whose codes `vectors` decodes.
        status: Reason why the index is not on a GPU although the settings require one; None otherwise.
    """

    elsewhere: Elsewhere = "gpu"

    def __init__(self, index: Any, *, nprobe: int | None = None, k_factor: float = 1.0) -> None:
        """Take an index.

        Args:
            index: The index as FAISS represents it.
            nprobe: Lists that a search reads; the candidates that it keeps (`efSearch`) for a graph.
            k_factor: Candidates that are refined for each result.
        """
        ivf = faiss.extract_index_ivf(index) if _is_ivf(index) else None
        self.index = index
        self.nprobe_rule = NprobeRule(ivf, nprobe)
        self.status: str | None = None
        self._codes = _codes_in_row_order(index)
        self.row_coder: Any = self._codes if self._codes is not None else ivf
        packed = ivf is not None and isinstance(faiss.downcast_index(ivf), faiss.IndexIVFFastScan)
        self.readable = self._codes is not None or not packed
        self._k_factor = k_factor

    @classmethod
    def open(cls, path: Path, *, nprobe: int | None = None, k_factor: float = 1.0) -> FaissIndex:
        """Read an index from a file, memory-mapped where its type allows.

        Raises:
            SnapshotInvalid: The file is not an index, or is damaged.
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
        return int(self.index.d)

    @property
    def place(self) -> str:
        """Words for where and how vectors are searched."""
        return "FAISS in main memory"

    def __len__(self) -> int:
        """Return the number of vectors."""
        return int(self.index.ntotal)

    def search(self, vector: Vectors, k: int, *, within: RowSet | None = None, nprobe: int | None = None) -> Hits:
        """Return the k admitted rows of greatest inner product with a vector [dim]."""
        available = len(self) if within is None else within.count
        k = min(k, available)
        if k == 0:
            return Hits(np.empty(0, np.int64), np.empty(0, np.float32))
        return self._nearest(vector, k, within, nprobe)._replace(bounds=self.bounds(vector))

    def bounds(self, vector: Vectors) -> tuple[float, float]:
        """Return the mean cosine of a unit vector with the vectors of the index, and the greatest that is possible."""
        return float(self._mean @ vector), 1.0

    @cached_property
    def _mean(self) -> Vectors:
        """The mean of an even sample of the vectors; zero if none can be read back."""
        sample = np.linspace(0, len(self) - 1, min(_SAMPLED, len(self))).astype(np.int64)
        try:
            mean: Vectors = self.vectors(sample).mean(axis=0)  # type: ignore[arg-type]  # as in `_compare_all`
        except (SnapshotError, RuntimeError):  # packed codes only, or lists without a map from rows to codes
            return np.zeros(self.dim, np.float32)
        return mean

    def _nearest(self, vector: Vectors, k: int, within: RowSet | None, nprobe: int | None) -> Hits:
        if within is None or within.count == len(self):
            parameters = self._parameters(self.nprobe_rule.nprobe(nprobe))
        else:
            lists = self.nprobe_rule.within(vector, within, nprobe)
            if lists is None:
                return self._compare_all(within, vector, k)
            # FAISS keeps a bare pointer to `bits`, which must live until the search is over.
            bits = np.packbits(within.mask, bitorder="little")
            parameters = self._parameters(lists, faiss.IDSelectorBitmap(bits))
        return hits_of(self.index.search(vector.reshape(1, -1), k, params=parameters))

    def vectors(self, rows: Sequence[int]) -> Vectors:
        """Return the stored vectors of some rows, float32 [n, dim].

        Raises:
            SnapshotError: The index is of a kind whose rows cannot be read back.
        """
        if not self.readable:
            # FAISS crashes here instead of raising an error.
            raise SnapshotError(
                "The vector index has packed codes only, so the vectors of its rows cannot be read back: make another "
                "with akin index tune, or build it again."
            )
        return np.asarray(self.index.reconstruct_batch(np.asarray(rows, np.int64)), np.float32)

    def close(self) -> None:
        """Do nothing: the mapped memory is released with the last reference to the index."""

    def _compare_all(self, within: RowSet, vector: Vectors, k: int) -> Hits:
        """Return the best of the admitted vectors, each of which is compared."""
        if self._codes is None or decoding_is_cheaper(within.count, len(self)):
            rows = np.flatnonzero(within.mask)
            scores = self.vectors(rows) @ vector  # type: ignore[arg-type]  # an array of rows is a sequence to FAISS
            best = np.argpartition(-scores, k - 1)[:k] if k < len(rows) else np.arange(len(rows))
            best = best[np.lexsort((rows[best], -scores[best]))]
            return Hits(rows[best], scores[best])
        bits = np.packbits(within.mask, bitorder="little")
        parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))
        return hits_of(self._codes.search(vector.reshape(1, -1), k, params=parameters))

    def _parameters(self, nprobe: int, selector: Any = None) -> Any:
        if isinstance(self.index, faiss.IndexHNSW):
            return faiss.SearchParametersHNSW(efSearch=nprobe, sel=selector)
        if self.nprobe_rule.nlist is None:
            return None
        inner = faiss.SearchParametersIVF(nprobe=nprobe, sel=selector)
        if isinstance(self.index, faiss.IndexRefine):
            return faiss.IndexRefineSearchParameters(k_factor=self._k_factor, base_index_params=inner)
        return inner


def use_one_thread() -> None:
    """Make FAISS use one thread for each call of the calling thread: requests run in parallel, a search does not."""
    faiss.omp_set_num_threads(1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Make FAISS use one thread inside the block."""
    before = faiss.omp_get_max_threads()
    use_one_thread()
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def forget_pages(path: Path) -> None:
    """Drop the pages of a file that is mapped read-only from this process's memory; they are read again when used.

    FAISS copies packed lists out of the mapping when it reads an index, and would keep both copies in memory. Where the
    system has no such call, nothing is done.
    """
    if not _MAPS.exists():
        return
    advise = ctypes.CDLL(None, use_errno=True).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    name = str(path.resolve())
    for line in _MAPS.read_text().splitlines():
        place, rights, *_, mapped = line.split(maxsplit=5)
        # Pages that were written to would be lost.
        if mapped == name and "w" not in rights:
            first, end = (int(address, 16) for address in place.split("-"))
            advise(first, end - first, _MADV_DONTNEED)


def first_line(error: BaseException) -> str:
    """Return what FAISS reports, without the C++ function and file that it puts first."""
    text = gpu_index.first_line(error)
    return text.rsplit(": ", 1)[-1] if text.startswith("Error in") else text


def hits_of(found: tuple[Any, Any]) -> Hits:
    """Return the hits of FAISS's answer for one query, which has row -1 where there are no more."""
    scores, rows = found[0][0], found[1][0]
    some = rows >= 0
    return Hits(rows[some], scores[some])


def _codes_in_row_order(index: Any) -> Any:
    """Return the part of an index that holds a code for every row, in order; None if there is no such part."""
    if isinstance(index, faiss.IndexRefine):
        return faiss.downcast_index(index.refine_index)
    if isinstance(index, faiss.IndexHNSW):
        return faiss.downcast_index(index.storage)
    return None if _is_ivf(index) else index


def _is_ivf(index: Any) -> bool:
    base = faiss.downcast_index(index.base_index) if isinstance(index, faiss.IndexRefine) else index
    return isinstance(base, faiss.IndexIVF)
