"""Round activations and weights to eight bits.

Activations are uint8 with one scale and zero point for a tensor; weights are int8 with a scale for each output channel.
uint8 by int8 is the only pair that both runtimes multiply fast on every x86 CPU. Without VNNI, they use an instruction
that adds two products in 16 bits and saturates, so weights are limited to ±64: 2 × 255 × 64 = 32,640 fits. With the
full ±127, the same file would give different vectors on different machines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.arrays import Floats
from training.compression.linear_layers import Activations

WEIGHT_LEVELS = 64
ACTIVATION_LEVELS = 255
_BLOCK = 128


@dataclass(frozen=True)
class Grid:
    """Grid of uint8 levels for a tensor of activations."""

    scale: np.float32
    zero_point: np.uint8

    @classmethod
    def over(cls, low: float, high: float) -> Grid:
        """Return the grid from `low` to `high`, widened to hold zero exactly."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = np.float32(max(high - low, 1e-8) / ACTIVATION_LEVELS)
        return cls(scale, np.uint8(np.clip(np.round(-low / scale), 0, ACTIVATION_LEVELS)))

    def round(self, values: Floats) -> Floats:
        """Return the values on the grid that the graph uses in place of these."""
        levels = np.clip(np.round(values / self.scale) + self.zero_point, 0, ACTIVATION_LEVELS)
        return ((levels - self.zero_point) * self.scale).astype(np.float32)


def smoothing_divisors(activations: Activations, weights: Floats, strength: float) -> Floats:
    """Return the divisor of each channel of the activations, by which its row of the weights is multiplied.

    SmoothQuant (Xiao et al., 2023, equation 4): max|X|^strength / max|W|^(1 - strength), here scaled to a geometric
    mean of one, which does not change the result and keeps numbers of ordinary size.

    Args:
        activations: activations of width K.
        weights: [K, N].
        strength: 0 changes nothing, 1 makes all channels of the activations equally wide.

    Returns:
        float32 [K].
    """
    if strength == 0:
        return np.ones(len(weights), dtype=np.float32)
    width = np.maximum(np.maximum(-activations.low, activations.high), 1e-5)
    divisor: Floats = width**strength / np.maximum(np.abs(weights).max(axis=1), 1e-5) ** (1 - strength)
    centred: Floats = (divisor / np.exp(np.log(divisor).mean())).astype(np.float32)
    return centred


def weight_scales(weights: Floats) -> Floats:
    """Return the step of each output channel, float32 [N]."""
    steps: Floats = (np.maximum(np.abs(weights).max(axis=0), 1e-12) / WEIGHT_LEVELS).astype(np.float32)
    return steps


def round_to_nearest(weights: Floats, scales: Floats) -> NDArray[np.int8]:
    """Return weights in steps, each rounded independently."""
    return np.clip(np.round(weights / scales), -WEIGHT_LEVELS, WEIGHT_LEVELS).astype(np.int8)


def round_with_compensation(weights: Floats, scales: Floats, inputs: Floats, damping: float) -> NDArray[np.int8]:
    """Return weights in steps, rounded one input channel after another; later channels compensate for each error.

    GPTQ (Frantar et al., 2023): the compensation minimises the error of the layer's output over `inputs`. Channels
    with the most energy are rounded first, while most other channels can still compensate.

    Args:
        weights: [K, N].
        scales: [N].
        inputs: the quantised activations that the layer will get, [rows, K].
        damping: added to the diagonal of the inputs' second moments, as a share of its mean.

    Returns:
        int8 [K, N].
    """
    moments = (inputs.T @ inputs).astype(np.float64)
    diagonal = np.diag(moments)
    order = np.argsort(-diagonal, kind="stable")
    moments = moments[np.ix_(order, order)]
    moments[np.diag_indices_from(moments)] += max(damping * float(diagonal.mean()), 1e-8)
    upper = np.linalg.cholesky(np.linalg.inv(moments)).T.astype(np.float32)
    left = weights[order].astype(np.float32)
    steps = np.empty_like(left)
    for start in range(0, len(left), _BLOCK):
        end = min(start + _BLOCK, len(left))
        errors = np.empty((end - start, left.shape[1]), dtype=np.float32)
        for channel in range(start, end):
            steps[channel] = np.clip(np.round(left[channel] / scales), -WEIGHT_LEVELS, WEIGHT_LEVELS)
            error = (left[channel] - steps[channel] * scales) / upper[channel, channel]
            left[channel + 1 : end] -= np.outer(upper[channel, channel + 1 : end], error)
            errors[channel - start] = error
        left[end:] -= upper[start:end, end:].T @ errors
    restored = np.empty_like(steps)
    restored[order] = steps
    return restored.astype(np.int8)


def relative_error(true: Floats, approximate: Floats) -> float:
    """Return the energy of the difference, divided by the energy of the true values."""
    return float(np.square(true - approximate).sum() / max(float(np.square(true).sum()), 1e-12))
