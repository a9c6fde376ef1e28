"""The vector index on one GPU or on all of them, with the one in main memory behind it.

FAISS has GPU forms of flat and inverted-list indexes with whole, 8-bit, half-precision or product codes. Other kinds
(one-bit codes, refined, graphs) are searched exactly on the GPU, over their stored vectors, which is what GPUs are good
at. Filters, and k or nprobe beyond what the GPU's selection holds, go to the index in main memory; so does everything
after the GPU has failed once.

GPU indexes may be used by one thread at a time, hence the one worker. Nothing in here was run on a GPU yet.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import faiss

from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.adapters.micro_batches import Found, MicroBatches
from retrieval_service.ports import Hits, RowSet, Vectors

MOST_SELECTED = 2048
"""Greatest k, and greatest nprobe, of FAISS's GPU selection kernels (their getMaxKSelection; 1024 on old devices)."""

_log = logging.getLogger(__name__)
_CHUNK = 65_536
_PARAMETERS = getattr(faiss, "GpuParameterSpace", faiss.ParameterSpace)
_ON_GPU = ("IndexFlat", "IndexFlatIP", "IndexIVFFlat", "IndexIVFScalarQuantizer", "IndexIVFPQ")


class NoGpu(Exception):
    """There is no GPU to search on; the message says why."""


class GpuIndex:
    """An index cloned to GPUs; thread-safe, as one worker searches for all."""

    def __init__(self, main: FaissIndex, clone: Any, *, lists: bool) -> None:
        """Takes the index in main memory and its clone, and whether the clone has the same inverted lists."""
        self._main = main
        self._clone = clone
        self._lists = main.lists if lists else None
        self._looking_into: int | None = None
        self._worker = MicroBatches(self._search)
        self.trouble: str | None = None

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self._main.dim

    def __len__(self) -> int:
        """Number of vectors."""
        return len(self._main)

    def search(self, vector: Vectors, k: int, *, within: RowSet | None = None, nprobe: int | None = None) -> Hits:
        """The k rows of greatest inner product with a vector [dim], among those admitted."""
        k = min(k, len(self))
        reach = min(self._lists, nprobe or self._main.nprobe) if self._lists is not None else None
        narrowed = within is not None and within.count < len(self)
        if self.trouble is None and not narrowed and 0 < k <= MOST_SELECTED and (reach or 1) <= MOST_SELECTED:
            try:
                return self._worker.search(vector, k, reach)
            except RuntimeError as error:
                self.trouble = str(error).strip().splitlines()[0]
                _log.error("The GPU failed; vectors are searched in main memory from now on: %s", self.trouble)
        return self._main.search(vector, k, within=within, nprobe=nprobe)

    def vectors(self, rows: Sequence[int]) -> Vectors:
        """The stored vectors of these rows, float32 [n, dim]."""
        return self._main.vectors(rows)

    def close(self) -> None:
        """Ends the worker and gives the GPU's memory back."""
        self._worker.close()
        self._clone = None

    def _search(self, vectors: Vectors, k: int, nprobe: int | None) -> Found:
        if nprobe is not None and nprobe != self._looking_into:
            # The clone is this worker's alone, and a copy on several GPUs takes no parameters with a call.
            _PARAMETERS().set_index_parameter(self._clone, "nprobe", nprobe)
            self._looking_into = nprobe
        found: Found = self._clone.search(vectors, k)
        return found


def on_gpu(main: FaissIndex, *, every: bool, float16: bool) -> GpuIndex:
    """An index on the first GPU, or copied to every one.

    Args:
        main: the index in main memory.
        every: copy it to all GPUs, which share the queries.
        float16: keep whole vectors, and centres of lists, in half precision.

    Raises:
        NoGpu: there is none, FAISS was built without, or the index does not fit.
    """
    if not hasattr(faiss, "StandardGpuResources"):
        raise NoGpu("the installed FAISS is built for CPUs; install the extra `gpu` in place of `cpu`")
    if faiss.get_num_gpus() < 1:
        raise NoGpu("no NVIDIA GPU can be seen; is there a driver, and is CUDA_VISIBLE_DEVICES right?")
    options = faiss.GpuMultipleClonerOptions()
    options.useFloat16 = options.useFloat16CoarseQuantizer = float16
    options.shard = False
    gpus = list(range(faiss.get_num_gpus() if every else 1))
    whole = type(main.index).__name__ in _ON_GPU
    try:
        clone = faiss.index_cpu_to_gpus_list(
            main.index if whole else faiss.IndexFlatIP(main.dim), co=options, gpus=gpus
        )
        if not whole:
            add_stored(clone, main)
    except RuntimeError as error:
        raise NoGpu(f"the index could not be copied ({str(error).strip().splitlines()[0]})") from error
    return GpuIndex(main, clone, lists=whole and main.lists is not None)


def add_stored(flat: Any, main: FaissIndex) -> None:
    """Adds an index's stored vectors to an empty flat one, a part at a time."""
    for at in range(0, len(main), _CHUNK):
        flat.add(main.vectors(range(at, min(len(main), at + _CHUNK))))
