"""Vectors on one GPU or on all of them with FAISS: compared with every query, in inverted lists, or in a graph.

FAISS has GPU forms of inverted lists with whole, 8-bit, half-precision or product codes. The graph (CAGRA) and filters
need a FAISS with cuVS (`faiss-gpu-cuvs`): without it a GPU index ignores a filter or refuses it, which is tried once
when the index is made. Filters that the GPU does not apply, and a k or nprobe beyond its selection, go to main memory.

One thread at a time may use a GPU index, so one worker searches for all threads (micro_batches.py).

No part of this module has been run on a GPU yet; the tests use a clone in main memory.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import faiss
import numpy as np

from akin.storage import gpu
from retrieval_service.adapters.faiss_index import FaissIndex, first_line, hits_of
from retrieval_service.adapters.gpu_index import GpuOptions, InMemory, NoGpu, stored_parts
from retrieval_service.adapters.micro_batches import Found, MicroBatches
from retrieval_service.ports import Hits, RowSet, Vectors

MOST_SELECTED = 2048
"""Greatest k, and greatest nprobe, of FAISS's GPU selection kernels (their getMaxKSelection; 1024 on old devices)."""

MOST_OF_GRAPH = 256
"""Greatest k of a graph: half of the candidates that a search of CAGRA keeps (its `itopk_size`, at most 512)."""

WITH_LISTS = ("IndexIVFFlat", "IndexIVFScalarQuantizer", "IndexIVFPQ")

_log = logging.getLogger(__name__)
_PARAMETERS = getattr(faiss, "GpuParameterSpace", faiss.ParameterSpace)

Parameters = Callable[[int | None, Any], Any]
"""Makes the parameters of a search from its nprobe and its selector of rows."""


class FaissOnGpu:
    """A FAISS index on GPUs; thread-safe, as one thread at a time searches.

    Attributes:
        place: Words for where and how vectors are searched.
        filters: True if the index applies filters.
    """

    def __init__(
        self, clone: Any, place: str, *, main: FaissIndex | None = None, most: int = MOST_SELECTED,
        parameters: Parameters | None = None,
    ) -> None:  # fmt: skip
        """Take the index.

        Args:
            clone: The index on GPUs.
            place: Words for it.
            main: The index in main memory with the same inverted lists; None if the clone has none.
            most: Greatest k, and greatest nprobe.
            parameters: Makes the parameters of a filtered search; None if that is not possible.
        """
        self.place = place
        self._clone = clone
        self._lists = main
        self._most = most
        self._parameters = parameters
        self._nprobe: int | None = None
        self._turn = threading.Lock()
        self.filters = parameters is not None and self._applies_filters(parameters)
        self._worker = MicroBatches(self._search)

    def can_answer(self, k: int, within: RowSet | None, nprobe: int | None) -> bool:
        """Return True if the GPU's kernels can answer such a search."""
        return k <= self._most and (self._nprobe_of(nprobe) or 1) <= self._most and (within is None or self.filters)

    def search(self, vector: Vectors, k: int, *, within: RowSet | None = None, nprobe: int | None = None) -> Hits:
        """Return the k admitted rows of greatest inner product with a vector [dim]."""
        lists = self._nprobe_of(nprobe)
        if within is None or self._parameters is None:
            return self._worker.search(vector, k, lists)
        # FAISS keeps a bare pointer to `bits`, which must live until the search is over.
        bits = np.packbits(within.mask, bitorder="little")
        parameters = self._parameters(lists, faiss.IDSelectorBitmap(bits))
        with self._turn:
            return hits_of(self._clone.search(vector.reshape(1, -1), k, params=parameters))

    def close(self) -> None:
        """End the worker and release the GPU's memory."""
        self._worker.close()
        self._clone = None

    def _nprobe_of(self, nprobe: int | None) -> int | None:
        return None if self._lists is None else self._lists.nprobe_rule.nprobe(nprobe)

    def _search(self, vectors: Vectors, k: int, nprobe: int | None) -> Found:
        with self._turn:
            if nprobe is not None and nprobe != self._nprobe:
                # A copy on several GPUs takes no parameters with a call.
                _PARAMETERS().set_index_parameter(self._clone, "nprobe", nprobe)
                self._nprobe = nprobe
            found: Found = self._clone.search(vectors, k)
        return found

    def _applies_filters(self, parameters: Parameters) -> bool:
        """Return True if a filter that admits the first row alone is applied, and not ignored or refused."""
        total = int(self._clone.ntotal)
        bits = np.zeros((total + 7) // 8, np.uint8)
        bits[0] = 1
        try:
            made = parameters(self._nprobe_of(None), faiss.IDSelectorBitmap(bits))
            rows = self._clone.search(np.ones((1, self._clone.d), np.float32), min(2, total), params=made)[1]
        except (RuntimeError, TypeError):
            return False
        return set(rows[0].tolist()) <= {0, -1}


def put_all(main: InMemory, options: GpuOptions, driver: str) -> FaissOnGpu:
    """Return all stored vectors on GPUs, each compared with every query.

    Raises:
        NoGpu: FAISS cannot use a GPU here, or the vectors do not fit.
    """
    require_gpu(driver)
    clone = _clone(faiss.IndexFlatIP(main.dim), options, main)
    return FaissOnGpu(
        clone, f"exact, {_precision(options)}, FAISS on {_gpus(options)}",
        parameters=lambda _, selector: faiss.SearchParameters(sel=selector),
    )  # fmt: skip


def put_lists(main: InMemory, options: GpuOptions, driver: str) -> FaissOnGpu:
    """Return the inverted lists of the index on GPUs.

    Raises:
        NoGpu: FAISS cannot use a GPU here, or the index has no lists that it has on GPUs, or they do not fit.
    """
    require_gpu(driver)
    kind = type(main.index).__name__ if isinstance(main, FaissIndex) else "unknown"
    if not isinstance(main, FaissIndex) or kind not in WITH_LISTS:
        raise NoGpu(
            f"the snapshot's index ({kind}) has no inverted lists that a GPU can search: build one such as IVF4096,SQ8 "
            "(akin index tune), or set AKIN_GPU_INDEX to auto"
        )
    place = f"inverted lists, FAISS on {_gpus(options)}"
    return FaissOnGpu(
        _clone(main.index, options), place, main=main,
        parameters=lambda nprobe, selector: faiss.SearchParametersIVF(nprobe=nprobe, sel=selector),
    )  # fmt: skip


def put_graph(main: InMemory, options: GpuOptions, driver: str) -> FaissOnGpu:
    """Build a graph (CAGRA) of all stored vectors on the first GPU and return it.

    Raises:
        NoGpu: FAISS cannot use a GPU here or is built without cuVS, or the vectors do not fit.
    """
    require_gpu(driver)
    if not hasattr(faiss, "GpuIndexCagra"):
        raise NoGpu("the installed FAISS has no CAGRA: install faiss-gpu-cuvs in place of faiss-gpu")
    try:
        graph = faiss.GpuIndexCagra(faiss.StandardGpuResources(), main.dim, faiss.METRIC_INNER_PRODUCT)
        graph.train(main.vectors(range(len(main))))
    except RuntimeError as error:
        raise NoGpu(f"the graph could not be built ({first_line(error)})") from error
    return FaissOnGpu(
        graph, "graph (CAGRA), FAISS on the first GPU", most=MOST_OF_GRAPH,
        parameters=lambda _, selector: faiss.SearchParametersCagra(itopk_size=2 * MOST_OF_GRAPH, sel=selector),
    )  # fmt: skip


def require_gpu(driver: str) -> None:
    """Check that the installed FAISS can use a GPU.

    Raises:
        NoGpu: It cannot; the message says what to do.
    """
    if not hasattr(faiss, "StandardGpuResources"):
        raise NoGpu("the installed FAISS is built for CPUs: install the extra `gpu` in place of `cpu`")
    package, cuda = ("faiss-gpu-cuvs", "13") if _has_cuvs() else ("faiss-gpu", "12")
    if reason := gpu.unusable(package, cuda, driver, faiss.get_num_gpus() > 0):
        raise NoGpu(reason)


def _has_cuvs() -> bool:
    """Return True if FAISS is PyPI's `faiss-gpu-cuvs`, which is of CUDA 13; `faiss-gpu` is of CUDA 12."""
    return find_spec("faiss._cuvs_build") is not None


def _clone(index: Any, options: GpuOptions, stored: InMemory | None = None) -> Any:
    """Return an index copied to GPUs, with the stored vectors of another one added.

    Raises:
        NoGpu: It does not fit.
    """
    cloner = faiss.GpuMultipleClonerOptions()
    cloner.useFloat16 = cloner.useFloat16CoarseQuantizer = options.float16
    cloner.shard = False
    gpus = list(range(faiss.get_num_gpus() if options.every else 1))
    try:
        clone = faiss.index_cpu_to_gpus_list(index, co=cloner, gpus=gpus)
        if stored is not None:
            add_stored(clone, stored)
    except RuntimeError as error:
        raise NoGpu(
            f"the index could not be copied to the GPU ({first_line(error)}): free its memory, or set "
            "AKIN_VECTOR_DEVICE to cpu"
        ) from error
    return clone


def add_stored(flat: Any, main: InMemory) -> None:
    """Add an index's stored vectors to an empty flat index, a part at a time."""
    for _, vectors in stored_parts(main):
        flat.add(vectors)


def _precision(options: GpuOptions) -> str:
    return "half precision" if options.float16 else "single precision"


def _gpus(options: GpuOptions) -> str:
    count = faiss.get_num_gpus() if options.every else 1
    return f"{count} GPUs" if count > 1 else "the first GPU"
