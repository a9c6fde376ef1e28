"""The vector index on a GPU, with the index in main memory as its fallback; and the choice of how the GPU searches.

| `AKIN_GPU_INDEX` | the GPU searches |
| --- | --- |
| `torch` | all vectors, in half precision (torch_exact.py) |
| `faiss` | all vectors (faiss_gpu.py) |
| `lists` | the inverted lists of the snapshot, by FAISS |
| `cagra` | a graph that is built when the snapshot is opened, by a FAISS with cuVS |
| `auto` | what is possible first: `torch`, `faiss`, `lists` |

Searches that the GPU's kernels cannot answer go to the index in main memory; so does every search after a failure.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from akin.storage import gpu
from retrieval_service.ports import Elsewhere, Hits, RowSet, Vectors

_PART = 65_536  # vectors that are copied at a time
_log = logging.getLogger(__name__)


class NoGpu(Exception):
    """No GPU can hold the index; the message gives the reason, and what to do."""


class GpuOptions(NamedTuple):
    """The settings of an index on GPUs.

    Attributes:
        required: False if main memory serves as well where there is no usable GPU.
        every: Copy the index to all GPUs, which share the queries; otherwise to the first.
        float16: Keep whole vectors, and centres of lists, in half precision.
        kind: How the GPU searches; see the table above.
    """

    required: bool = True
    every: bool = False
    float16: bool = True
    kind: str = "auto"


class InMemory(Protocol):
    """The index in main memory that a GPU's is made from."""

    @property
    def dim(self) -> int:
        """Length of the vectors."""

    @property
    def place(self) -> str:
        """Words for where and how vectors are searched."""

    def __len__(self) -> int:
        """Return the number of vectors."""

    def search(self, vector: Vectors, k: int, *, within: RowSet | None = None, nprobe: int | None = None) -> Hits:
        """Return the k admitted rows of greatest inner product with a vector [dim]."""

    def bounds(self, vector: Vectors) -> tuple[float, float]:
        """Return the score of an unrelated vector, and the greatest that is possible."""

    def vectors(self, rows: Sequence[int]) -> Vectors:
        """Return the stored vectors of some rows, float32 [n, dim]."""


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or its type's name."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def stored_parts(main: InMemory) -> Iterator[tuple[int, Vectors]]:
    """Yield the stored vectors of an index, a part at a time, each with its first row."""
    for at in range(0, len(main), _PART):
        yield at, main.vectors(range(at, min(len(main), at + _PART)))


class OnGpu(Protocol):
    """Searches the same vectors on a GPU; thread-safe."""

    @property
    def place(self) -> str:
        """Words for where and how vectors are searched."""

    def can_answer(self, k: int, within: RowSet | None, nprobe: int | None) -> bool:
        """Return True if `search` answers such a search; `within` is None where it admits every row."""

    def search(self, vector: Vectors, k: int, *, within: RowSet | None = None, nprobe: int | None = None) -> Hits:
        """Return the k admitted rows of greatest inner product with a vector [dim].

        Raises:
            RuntimeError: The GPU failed.
        """

    def close(self) -> None:
        """Release threads and memory."""


class GpuIndex:
    """An index on GPUs over the one in main memory; thread-safe.

    Attributes:
        status: The error of the GPU after which vectors are searched in main memory; None before that.
    """

    elsewhere: Elsewhere = "gpu"

    def __init__(self, main: InMemory, fast: OnGpu) -> None:
        """Take the index in main memory and the same vectors on a GPU."""
        self._main = main
        self._fast = fast
        self.status: str | None = None

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self._main.dim

    @property
    def place(self) -> str:
        """Words for where and how vectors are searched."""
        return self._fast.place if self.status is None else self._main.place

    def __len__(self) -> int:
        """Return the number of vectors."""
        return len(self._main)

    def search(self, vector: Vectors, k: int, *, within: RowSet | None = None, nprobe: int | None = None) -> Hits:
        """Return the k admitted rows of greatest inner product with a vector [dim]."""
        admitted = None if within is None or within.count >= len(self) else within
        k = min(k, len(self) if admitted is None else admitted.count)
        if self.status is None and k > 0 and self._fast.can_answer(k, admitted, nprobe):
            try:
                hits = self._fast.search(vector, k, within=admitted, nprobe=nprobe)
                return hits._replace(bounds=self._main.bounds(vector))
            except RuntimeError as error:
                self.status = first_line(error)
                _log.error("The GPU failed; vectors are searched in main memory from now on: %s", self.status)
        return self._main.search(vector, k, within=within, nprobe=nprobe)

    def vectors(self, rows: Sequence[int]) -> Vectors:
        """Return the stored vectors of some rows, float32 [n, dim]."""
        return self._main.vectors(rows)

    def close(self) -> None:
        """Release threads and the GPU's memory."""
        self._fast.close()


def put_on_gpu(main: InMemory, options: GpuOptions) -> GpuIndex:
    """Return an index on the first GPU, or copied to every one, searched as the options say.

    Raises:
        NoGpu: No way that the options allow is possible; the message has the reason of each.
    """
    driver = gpu.driver_version()
    if driver is None:
        raise NoGpu(gpu.NO_DRIVER)
    ways = _ways()
    names: Sequence[str] = ("torch", "faiss", "lists") if options.kind == "auto" else (options.kind,)
    if options.every and options.kind == "auto":
        names = names[1:]  # torch searches on one GPU
    reasons: list[str] = []
    for name in names:
        try:
            return GpuIndex(main, ways[name](main, options, driver))
        except NoGpu as error:
            reasons.append(str(error))
    raise NoGpu("; ".join(dict.fromkeys(reasons)))


def _ways() -> dict[str, Callable[[InMemory, GpuOptions, str], OnGpu]]:
    # Imported here: torch and FAISS need not both be installed, and this module is what they need of the service.
    from retrieval_service.adapters import faiss_gpu, torch_gpu

    return {
        "torch": torch_gpu.put,
        "faiss": faiss_gpu.put_all,
        "lists": faiss_gpu.put_lists,
        "cagra": faiss_gpu.put_graph,
    }
