"""Put vectors on the first GPU with torch, or say why that is not possible."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from akin.storage import gpu
from retrieval_service.adapters.gpu_index import GpuOptions, InMemory, NoGpu, first_line

WORKING_BYTES = 2 * 2**30
"""Memory beside the vectors: the scores of a batch of queries, and what torch and its libraries take."""


def put(main: InMemory, options: GpuOptions, driver: str) -> Any:
    """Return all stored vectors in half precision on the first GPU, searched exactly.

    Raises:
        NoGpu: torch cannot use a GPU here, or the vectors do not fit.
    """
    if find_spec("torch") is None:
        raise NoGpu("torch is not installed: install its build for CUDA (pip install torch)")
    try:
        import torch
    except (ImportError, OSError) as error:
        # A wheel for a CUDA whose libraries are missing fails here.
        raise NoGpu(f"torch cannot be loaded ({first_line(error)}): install its build for this machine") from error
    require_gpu(torch, len(main) * main.dim * 2, driver)
    from retrieval_service.adapters.torch_exact import TorchExactIndex

    try:
        return TorchExactIndex.of(main, "cuda", place=f"exact, half precision, torch on {torch.cuda.get_device_name()}")
    except RuntimeError as error:
        raise NoGpu(f"the vectors could not be copied to the GPU ({first_line(error)})") from error


def require_gpu(torch: Any, vector_bytes: int, driver: str) -> None:
    """Check that torch can use a GPU with room for the vectors.

    Raises:
        NoGpu: It cannot; the message says what to do.
    """
    available = bool(torch.version.cuda) and torch.cuda.is_available()
    if reason := gpu.unusable("torch", torch.version.cuda, driver, available):
        raise NoGpu(reason)
    try:
        free, _ = torch.cuda.mem_get_info()
    except RuntimeError as error:
        raise NoGpu(f"torch cannot use the GPU ({first_line(error)}): see that nvidia-smi works") from error
    if reason := gpu.lacking_memory("exact search", vector_bytes + WORKING_BYTES, free):
        raise NoGpu(reason)
