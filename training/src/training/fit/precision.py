"""Which numbers a device multiplies fastest, and autocast to them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch

from storage.cpu import cpu_features

Precision = Literal["fp32", "bf16", "fp16"]
_NATIVE_BF16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def choose(wanted: Literal["auto", "fp32", "bf16", "fp16"], device: str) -> Precision:
    """The precision to train in; `auto` is bf16 only where it is multiplied natively, else it is slower than fp32.

    Args:
        wanted: what the configuration says.
        device: `cpu` or `cuda`.
    """
    if wanted != "auto":
        return wanted
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    return "bf16" if cpu_features() & _NATIVE_BF16 else "fp32"


def device(wanted: Literal["auto", "cpu"]) -> str:
    """The kind of device to use."""
    return "cuda" if wanted == "auto" and torch.cuda.is_available() else "cpu"


def autocast(precision: Precision, device: str) -> AbstractContextManager[Any]:
    """Matrix products in that precision."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device, dtype=torch.bfloat16 if precision == "bf16" else torch.float16)
