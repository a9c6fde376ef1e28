"""Step `machine`: which card, driver and packages there are, and whether they fit together."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from akin.storage import gpu
from akin.storage.cpu import cpu_fields
from benchmarks.environment import cores
from benchmarks.gpu_check.job import Job, NotRun, Recorder

LEAST_MEMORY_GIB = 8
_PACKAGES = (
    *("torch", "sentence-transformers", "transformers", "tokenizers", "numpy", "triton", "onnxruntime"),
    *("faiss-cpu", "faiss-gpu", "msgspec", "datasets", "tritonclient", "accelerate"),
)


def run(job: Job, record: Recorder) -> None:
    """Record the machine; on a GPU, check driver and memory first."""
    import torch

    record.fact("cpu", cpu_fields().get("model name", "unknown"))
    record.fact("cores", cores())
    record.fact("memory", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB")
    record.fact("python", platform.python_version())
    for package in _PACKAGES:
        record.fact(package, package_version(package))
    record.fact("torch's CUDA", str(torch.version.cuda))
    record.fact("device", job.device)
    if not job.on_gpu:
        record.line("a dry run on the CPU: its figures say nothing about a GPU.")
        return
    card = find_card()
    for name, value in zip(("card", "driver", "GPU memory"), card, strict=True):
        record.fact(name, value)
    if reason := gpu.unusable("torch", torch.version.cuda, card.driver, torch.cuda.is_available()):
        raise NotRun(f"{reason}.")
    properties = torch.cuda.get_device_properties(0)
    free, total = torch.cuda.mem_get_info()
    record.fact("compute capability", f"{properties.major}.{properties.minor}")
    record.fact("multiprocessors", properties.multi_processor_count)
    record.fact("GPU memory free", f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB")
    record.fact("bf16", torch.cuda.is_bf16_supported())
    if reason := gpu.lacking_memory("the check", LEAST_MEMORY_GIB * 2**30, free):
        raise NotRun(f"{reason}.")


def package_version(name: str) -> str:
    """Return the version of a package, or `not installed`."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def find_card() -> gpu.Card:
    """Return the first card.

    Raises:
        NotRun: There is no driver, or no card.
    """
    if (card := gpu.first_card()) is None:
        raise NotRun(
            "no NVIDIA driver or no card (nvidia-smi finds none): install it, or try `--device cpu`, the dry run."
        )
    return card


def require_device(job: Job) -> None:
    """Check that the device can be used.

    Raises:
        NotRun: It cannot; the message says what to do.
    """
    import torch

    if job.on_gpu and not torch.cuda.is_available():
        raise NotRun("torch cannot use a GPU here: the step `machine` says why.")
