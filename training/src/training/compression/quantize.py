"""Quantise a graph to static INT8: QuantizeLinear and DequantizeLinear around each linear layer's inputs and weights.

For each group of layers, the strength of smoothing is chosen by the error of the group's output on real activations.
Then the weights are rounded with compensation. Ranges are fixed, so that a text's vector does not depend on the other
texts in its batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from training.arrays import Floats
from training.compression import rounding
from training.compression.linear_layers import Activations, Feed, LinearGroup, constant, find_groups, observe
from training.compression.rounding import Grid
from training.compression.tables import quantize_tables
from training.errors import QuantizationError


@dataclass(frozen=True)
class QuantizationRecipe:
    """Settings of a quantisation, all of which are written to the manifest.

    Attributes:
        strengths: candidate strengths of smoothing; 0 means none, which saves a multiplication at run time. Above 0.8,
            channels with small values in calibration get weights that are too coarse for the few texts with large
            values there: the error on calibration falls, but the vectors of single texts turn by 20 degrees.
        damping: damping of the compensation, as a share of the mean second moment. It prevents large errors in channels
            that are rare in calibration.
        rows_per_text: number of tokens of each calibration text that errors are measured on.
        rows_to_choose: total number of tokens that strengths are compared on.
        seed: seed of the choice of tokens.
    """

    strengths: tuple[float, ...] = (0.0, 0.5, 0.6, 0.7, 0.8)
    damping: float = 0.1
    rows_per_text: int = 24
    rows_to_choose: int = 1024
    seed: int = 0

    def quantize(
        self, model: onnx.ModelProto, feeds: Iterable[Feed], progress: Callable[[str], None]
    ) -> onnx.ModelProto:
        """Return a quantised copy of an FP32 graph."""
        return quantize(model, feeds, self, progress)

    def as_json(self) -> dict[str, Any]:
        """Return the recipe for the manifest."""
        return {
            "method": "static QDQ, SmoothQuant strength chosen by layer, GPTQ rounding",
            "activations": "uint8 per tensor",
            "weights": f"int8 per channel within ±{rounding.WEIGHT_LEVELS}",
            "tables": "int8 per row",
            **asdict(self),
        }


@dataclass(frozen=True)
class Choice:
    """Quantisation that was chosen for a group of layers.

    Attributes:
        divisor: divisor of each channel of the activations [K]; None without smoothing.
        grid: grid of the activations.
        steps: quantised weights of all layers of the group, side by side, int8 [K, N].
        scales: scales of the weights, float32 [N].
        error: error of the group's output, as a share of its energy.
    """

    divisor: Floats | None
    grid: Grid
    steps: NDArray[np.int8]
    scales: Floats
    error: float


def quantize(
    model: onnx.ModelProto,
    feeds: Iterable[Feed],
    recipe: QuantizationRecipe | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> onnx.ModelProto:
    """Return a quantised copy of an FP32 graph, which uses only operators of the ONNX standard.

    Args:
        model: the graph; it is not changed.
        feeds: calibration texts, one at a time without padding.
        recipe: recipe of the quantisation; None is the default recipe.
        progress: called with a line from time to time.

    Raises:
        QuantizationError: The graph has no linear layers, or a layer's rounding fails.
    """
    recipe = recipe or QuantizationRecipe()
    quantized = onnx.ModelProto()
    quantized.CopyFrom(model)
    groups = find_groups(model.graph)
    seen = observe(model, groups, feeds, recipe.rows_per_text, recipe.seed)
    for number, group in enumerate(groups):
        weights = np.concatenate([constant(model.graph, layer.weight) for layer in group.layers], axis=1)
        try:
            choice = choose(seen.pop(group.source), weights, recipe)
        except np.linalg.LinAlgError as error:
            raise QuantizationError(f"the layer that reads {group.source} cannot be rounded: {error}.") from error
        insert(quantized.graph, group, choice, f"int8_{number}")
        if (number + 1) % 4 == 0 or number + 1 == len(groups):
            progress(f"  {number + 1} of {len(groups)} groups of layers quantised")
    quantize_tables(quantized)
    del quantized.graph.value_info[:]
    onnx.checker.check_model(quantized)
    return quantized


def choose(activations: Activations, weights: Floats, recipe: QuantizationRecipe) -> Choice:
    """Return the smoothing with the least error of the group's output, and the range and rounding with it."""
    rows = activations.rows
    some = rows[np.random.default_rng(recipe.seed).permutation(len(rows))[: recipe.rows_to_choose]]
    true = some @ weights

    def by_strength(strength: float) -> float:
        divisor = rounding.smoothing_divisors(activations, weights, strength)
        smoothed, scaled = some / divisor, weights * divisor[:, None]
        scales = rounding.weight_scales(scaled)
        rounded = rounding.round_to_nearest(scaled, scales) * scales
        of_range = rounding.relative_error(true, _grid(activations, divisor).round(smoothed) @ scaled)
        # Rounding with compensation about halves the weights' part of the error.
        return of_range + rounding.relative_error(true, smoothed @ rounded) / 2

    strength = min(recipe.strengths, key=by_strength)
    divisor = rounding.smoothing_divisors(activations, weights, strength)
    scaled = weights * divisor[:, None]
    grid = _grid(activations, divisor)
    scales = rounding.weight_scales(scaled)
    outputs, inputs = rows @ weights, grid.round(rows / divisor)
    # The outputs of a few tokens (separators) are fifty times longer than the others. Without weights, rounding would
    # fit only them; weighted by the inverse of the length, it would ignore them. The square root lies between.
    lengths = np.sqrt(np.square(outputs).sum(axis=1, keepdims=True)) + 1e-6
    steps = rounding.round_with_compensation(scaled, scales, inputs * np.sqrt(lengths.min() / lengths), recipe.damping)
    error = rounding.relative_error(outputs, inputs @ (steps * scales))
    return Choice(divisor if strength else None, grid, steps, scales, error)


def insert(graph: onnx.GraphProto, group: LinearGroup, choice: Choice, name: str) -> None:
    """Insert a choice into the graph: one quantised input for the group, and quantised weights for each layer."""
    nodes, source = [], group.source
    if choice.divisor is not None:
        factor = _add(graph, f"{name}_factor", 1 / choice.divisor)
        nodes.append(helper.make_node("Mul", [source, factor], [f"{name}_smooth"], name=f"{name}_smooth"))
        source = f"{name}_smooth"
    scale = _add(graph, f"{name}_scale", np.asarray(choice.grid.scale))
    zero = _add(graph, f"{name}_zero_point", np.asarray(choice.grid.zero_point))
    nodes.append(helper.make_node("QuantizeLinear", [source, scale, zero], [f"{name}_levels"], name=f"{name}_quantize"))
    nodes.append(
        helper.make_node("DequantizeLinear", [f"{name}_levels", scale, zero], [f"{name}_input"], name=f"{name}_input")
    )
    start = 0
    for number, layer in enumerate(group.layers):
        width = next(tensor.dims[1] for tensor in graph.initializer if tensor.name == layer.weight)
        columns = slice(start, start + width)
        start += width
        own = f"{name}_weight_{number}"
        inputs = [
            _add(graph, f"{own}_steps", choice.steps[:, columns]),
            _add(graph, f"{own}_scale", choice.scales[columns]),
            _add(graph, f"{own}_zero_point", np.zeros(width, dtype=np.int8)),
        ]
        nodes.append(helper.make_node("DequantizeLinear", inputs, [own], name=own, axis=1))
        graph.initializer.remove(next(tensor for tensor in graph.initializer if tensor.name == layer.weight))
        matmul = next(node for node in graph.node if layer.output in node.output)
        matmul.input[:] = [f"{name}_input", own]
    first = next(index for index, node in enumerate(graph.node) if group.layers[0].output in node.output)
    for offset, node in enumerate(nodes):
        graph.node.insert(first + offset, node)


def _grid(activations: Activations, divisor: Floats) -> Grid:
    return Grid.over(float((activations.low / divisor).min()), float((activations.high / divisor).max()))


def _add(graph: onnx.GraphProto, name: str, value: NDArray[Any]) -> str:
    graph.initializer.append(numpy_helper.from_array(value, name))
    return name
