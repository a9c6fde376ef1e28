"""Device and precision of a training."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

from akin.storage.cpu import cpu_features

Precision = Literal["fp32", "bf16", "fp16"]
_NATIVE_BF16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def choose_device(wanted: Literal["auto", "cpu"]) -> str:
    """Return `cuda` if a GPU is requested and available, else `cpu`."""
    import torch

    return "cuda" if wanted == "auto" and torch.cuda.is_available() else "cpu"


def choose_precision(wanted: Literal["auto", "fp32", "bf16", "fp16"], device: str) -> Precision:
    """Return the precision to train in. `auto` is bf16 only on devices that multiply it natively: others are slower."""
    import torch

    if wanted != "auto":
        return wanted
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    return "bf16" if cpu_features() & _NATIVE_BF16 else "fp32"


def autocast(precision: Precision, device: str) -> AbstractContextManager[Any]:
    """Return a context in which matrices are multiplied in that precision."""
    import torch

    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device, dtype=torch.bfloat16 if precision == "bf16" else torch.float16)
