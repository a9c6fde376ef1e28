"""The vector index on one GPU or on all of them, with the index in main memory as its fallback.

FAISS has GPU forms of flat and inverted-list indexes with whole, 8-bit, half-precision or product codes. Other kinds
(one-bit codes, refined, graphs) are searched exactly on the GPU, over their stored vectors. Filters, and a k or nprobe
beyond what the GPU's selection holds, go to the index in main memory; so does every search after a failure of the GPU.

One thread at a time may use a GPU index, so one worker searches for all threads (micro_batches.py).

No part of this module has been run on a GPU yet; the tests use a clone in main memory.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

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
    """No GPU can hold the index; the message gives the reason."""


class GpuOptions(NamedTuple):
    """The settings of an index on GPUs.

    Attributes:
        every: Copy the index to all GPUs, which share the queries; otherwise to the first.
        float16: Keep whole vectors, and centres of lists, in half precision.
    """

    every: bool
    float16: bool


class GpuIndex:
    """An index cloned to GPUs; thread-safe, as one worker searches for all threads.

    Attributes:
        status: The error of the GPU after which vectors are searched in main memory; None before that.
        lacks: The place that `status` is about.
    """

    lacks: Literal["gpu", "milvus"] = "gpu"

    def __init__(self, main: FaissIndex, clone: Any, *, lists: bool) -> None:
        """Take the index in main memory and its clone, and whether the clone has the same inverted lists."""
        self._main = main
        self._clone = clone
        self._has_lists = lists
        self._clone_nprobe: int | None = None
        self._worker = MicroBatches(self._search)
        self.status: str | None = None

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self._main.dim

    def __len__(self) -> int:
        """Return the number of vectors."""
        return len(self._main)

    def search(self, vector: Vectors, k: int, *, within: RowSet | None = None, nprobe: int | None = None) -> Hits:
        """Return the k admitted rows of greatest inner product with a vector [dim]."""
        k = min(k, len(self))
        lists = self._main.nprobe_rule.nprobe(nprobe) if self._has_lists else None
        filtered = within is not None and within.count < len(self)
        if self.status is None and not filtered and 0 < k <= MOST_SELECTED and (lists or 1) <= MOST_SELECTED:
            try:
                return self._worker.search(vector, k, lists)._replace(bounds=self._main.bounds(vector))
            except RuntimeError as error:
                self.status = str(error).strip().splitlines()[0]
                _log.error("The GPU failed; vectors are searched in main memory from now on: %s", self.status)
        return self._main.search(vector, k, within=within, nprobe=nprobe)

    def vectors(self, rows: Sequence[int]) -> Vectors:
        """Return the stored vectors of some rows, float32 [n, dim]."""
        return self._main.vectors(rows)

    def close(self) -> None:
        """End the worker and release the GPU's memory."""
        self._worker.close()
        self._clone = None

    def _search(self, vectors: Vectors, k: int, nprobe: int | None) -> Found:
        if nprobe is not None and nprobe != self._clone_nprobe:
            # Only this worker uses the clone, and a copy on several GPUs takes no parameters with a call.
            _PARAMETERS().set_index_parameter(self._clone, "nprobe", nprobe)
            self._clone_nprobe = nprobe
        found: Found = self._clone.search(vectors, k)
        return found


def clone_to_gpu(main: FaissIndex, options: GpuOptions) -> GpuIndex:
    """Return an index on the first GPU, or copied to every one.

    Raises:
        NoGpu: There is no GPU, FAISS was built without GPU support, or the index does not fit.
    """
    if not hasattr(faiss, "StandardGpuResources"):
        raise NoGpu("the installed FAISS is built for CPUs; install the extra `gpu` in place of `cpu`")
    if faiss.get_num_gpus() < 1:
        raise NoGpu("no NVIDIA GPU can be seen; check the driver and CUDA_VISIBLE_DEVICES")
    cloner = faiss.GpuMultipleClonerOptions()
    cloner.useFloat16 = cloner.useFloat16CoarseQuantizer = options.float16
    cloner.shard = False
    gpus = list(range(faiss.get_num_gpus() if options.every else 1))
    whole = type(main.index).__name__ in _ON_GPU
    try:
        clone = faiss.index_cpu_to_gpus_list(main.index if whole else faiss.IndexFlatIP(main.dim), co=cloner, gpus=gpus)
        if not whole:
            add_stored(clone, main)
    except RuntimeError as error:
        raise NoGpu(f"the index could not be copied ({str(error).strip().splitlines()[0]})") from error
    return GpuIndex(main, clone, lists=whole and main.nprobe_rule.nlist is not None)


def add_stored(flat: Any, main: FaissIndex) -> None:
    """Add an index's stored vectors to an empty flat index, a part at a time."""
    for at in range(0, len(main), _CHUNK):
        flat.add(main.vectors(range(at, min(len(main), at + _CHUNK))))
