"""Static INT8: every linear layer's activations and weights between QuantizeLinear and DequantizeLinear.

Each group of layers chooses, on real activations, how strongly it is smoothed and how far its range is cut, by the
error of its own output; then its weights are rounded with compensation and the bias takes up the mean error left over.
Ranges are fixed here, so a text's vector does not depend on the texts that share its batch.
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
from training.errors import QuantizationError


@dataclass(frozen=True)
class QuantizationRecipe:
    """How a graph is quantised; all of it stands in the manifest.

    Attributes:
        strengths: of smoothing, to choose from; 0 is none, and costs no multiplication when it runs. Above 0.8 the
            weights of a channel that calibration hardly excites become too coarse for the text that does excite it:
            the error over calibration falls, and single texts' vectors turn by 20 degrees.
        cuts: of the range of the activations, to choose from, as shares of what was seen.
        damping: of the compensation, as a share of the mean second moment: errors are not to be unloaded on channels
            that are merely rare in calibration.
        rows_per_text: tokens of each calibration text that errors are measured on.
        rows_to_choose: tokens in all that strengths and cuts are compared on.
        seed: of the choice of tokens.
    """

    strengths: tuple[float, ...] = (0.0, 0.5, 0.6, 0.7, 0.8)
    cuts: tuple[float, ...] = (1.0, 0.9, 0.8)
    damping: float = 0.3
    rows_per_text: int = 24
    rows_to_choose: int = 1024
    seed: int = 0

    def as_json(self) -> dict[str, Any]:
        """The recipe for the manifest."""
        return {
            "method": "static QDQ, SmoothQuant strength chosen by layer, GPTQ rounding, bias correction",
            "activations": "uint8 per tensor",
            "weights": f"int8 per channel within ±{rounding.WEIGHT_LEVELS}",
            **asdict(self),
        }


@dataclass(frozen=True)
class Choice:
    """What was chosen for a group, and the layers' weights made of it.

    Attributes:
        divisor: of each channel of the activations [K]; None when not smoothed.
        grid: of the activations.
        steps: the weights of all the group's layers side by side, int8 [K, N].
        scales: float32 [N].
        shift: what the biases have to take up, float32 [N].
        error: of the group's output, as a share of its energy.
    """

    divisor: Floats | None
    grid: Grid
    steps: NDArray[np.int8]
    scales: Floats
    shift: Floats
    error: float


def quantize(
    model: onnx.ModelProto,
    feeds: Iterable[Feed],
    recipe: QuantizationRecipe | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> onnx.ModelProto:
    """A quantised copy of an FP32 graph.

    Args:
        model: the graph; it stays as it is.
        feeds: calibration texts, one at a time without padding.
        recipe: how.
        progress: told a line now and then.

    Returns:
        The copy. It uses operators of the ONNX standard only.

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
    del quantized.graph.value_info[:]
    onnx.checker.check_model(quantized)
    return quantized


def choose(activations: Activations, weights: Floats, recipe: QuantizationRecipe) -> Choice:
    """The smoothing, range and rounding with the least error of the group's output."""
    rows = activations.rows
    some = rows[np.random.default_rng(recipe.seed).permutation(len(rows))[: recipe.rows_to_choose]]
    true = some @ weights

    def by_strength(strength: float) -> float:
        divisor = rounding.smoothing_divisors(activations, weights, strength)
        smoothed, scaled = some / divisor, weights * divisor[:, None]
        scales = rounding.weight_scales(scaled)
        rounded = rounding.round_to_nearest(scaled, scales) * scales
        of_range = rounding.relative_error(true, _grid(activations, divisor, 1.0).round(smoothed) @ scaled)
        # Compensated rounding about halves the weights' part of the error.
        return of_range + rounding.relative_error(true, smoothed @ rounded) / 2

    strength = min(recipe.strengths, key=by_strength)
    divisor = rounding.smoothing_divisors(activations, weights, strength)
    scaled = weights * divisor[:, None]

    def by_cut(cut: float) -> float:
        return rounding.relative_error(true, _grid(activations, divisor, cut).round(some / divisor) @ scaled)

    grid = _grid(activations, divisor, min(recipe.cuts, key=by_cut))
    scales = rounding.weight_scales(scaled)
    outputs, inputs = rows @ weights, grid.round(rows / divisor)
    # The outputs of a few tokens (separators) are fifty times longer than all others: unweighted, rounding serves them
    # alone, and weighted by the inverse of their length, all but them.
    lengths = np.sqrt(np.square(outputs).sum(axis=1, keepdims=True)) + 1e-6
    steps = rounding.round_with_compensation(scaled, scales, inputs * np.sqrt(lengths.min() / lengths), recipe.damping)
    approximate = inputs @ (steps * scales)
    shift = (outputs - approximate).mean(axis=0)
    error = rounding.relative_error(outputs, approximate + shift)
    return Choice(divisor if strength else None, grid, steps, scales, shift, error)


def insert(graph: onnx.GraphProto, group: LinearGroup, choice: Choice, name: str) -> None:
    """Puts the choice into the graph: one quantised input for all layers of the group, quantised weights for each."""
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
        _remove(graph, layer.weight)
        matmul = next(node for node in graph.node if layer.output in node.output)
        matmul.input[:] = [f"{name}_input", own]
        if layer.bias is not None:
            bias = constant(graph, layer.bias) + choice.shift[columns]
            _remove(graph, layer.bias)
            _add(graph, layer.bias, bias)
    first = next(index for index, node in enumerate(graph.node) if group.layers[0].output in node.output)
    for offset, node in enumerate(nodes):
        graph.node.insert(first + offset, node)


def _grid(activations: Activations, divisor: Floats, cut: float) -> Grid:
    return Grid.over(float((activations.low / divisor).min()) * cut, float((activations.high / divisor).max()) * cut)


def _add(graph: onnx.GraphProto, name: str, value: NDArray[Any]) -> str:
    graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def _remove(graph: onnx.GraphProto, name: str) -> None:
    graph.initializer.remove(next(tensor for tensor in graph.initializer if tensor.name == name))
