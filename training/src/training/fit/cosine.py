"""Cosines for losses."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize


def exact_cosine(left: Tensor, right: Tensor) -> Tensor:
    """Return cosines in FP32 even under autocast: the 8 bits of bf16 are too coarse for hard negatives."""
    with torch.autocast(left.device.type, enabled=False):
        one, other = (normalize(side.float(), dim=-1) for side in (left, right))
        return one @ other.T
