"""Find the linear layers of an ONNX graph, and record their input activations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from training.arrays import Floats
from training.compression.graph import cpu_session
from training.errors import QuantizationError

Feed = dict[str, NDArray[np.int64]]


@dataclass(frozen=True)
class LinearLayer:
    """MatMul by a constant.

    Attributes:
        output: name of its output, which identifies the node in the graph.
        weight: name of the constant.
    """

    output: str
    weight: str


@dataclass(frozen=True)
class LinearGroup:
    """Linear layers that read the same activations, such as the query, key and value of an attention."""

    source: str
    layers: tuple[LinearLayer, ...]


@dataclass(frozen=True)
class Activations:
    """Input activations of a group, of width K.

    Attributes:
        rows: a sample of tokens, float32 [tokens, K].
        low: least value of each channel over all tokens, float32 [K].
        high: greatest value of each channel.
    """

    rows: Floats
    low: Floats
    high: Floats


def find_groups(graph: onnx.GraphProto) -> list[LinearGroup]:
    """Return every MatMul of activations by a constant matrix, in the graph's order, grouped by its input.

    Products of two activations (inside attention) are not linear layers and stay in FP32: quantising them makes vectors
    less exact and saves almost no time.

    Raises:
        QuantizationError: The graph has no linear layer.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    groups: dict[str, list[LinearLayer]] = {}
    for node in graph.node:
        if node.op_type != "MatMul" or node.input[0] in constants:
            continue
        weight = constants.get(node.input[1])
        # A matrix that two layers share would have to be rounded for both. Encoders have none.
        if weight is None or len(weight.dims) != 2 or len(readers[weight.name]) != 1:
            continue
        groups.setdefault(node.input[0], []).append(LinearLayer(node.output[0], weight.name))
    if not groups:
        raise QuantizationError(
            "the graph has no linear layer (MatMul by a constant matrix), so there is nothing to quantise."
        )
    return [LinearGroup(source, tuple(layers)) for source, layers in groups.items()]


def observe(
    model: onnx.ModelProto, groups: Iterable[LinearGroup], feeds: Iterable[Feed], rows_per_text: int, seed: int
) -> dict[str, Activations]:
    """Run texts through the FP32 graph and return the input activations of each group, by the group's source.

    At most `rows_per_text` tokens of each text are kept, so that long texts do not outweigh short ones.

    Args:
        model: the FP32 graph.
        groups: groups that `find_groups` returned.
        feeds: the graph's inputs, one text at a time without padding.
        rows_per_text: number of tokens kept of each text.
        seed: seed of the choice of tokens.

    Raises:
        QuantizationError: An activation is not a finite number.
    """
    sources = [group.source for group in groups]
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(helper.make_empty_tensor_value_info(source) for source in sources)
    session = cpu_session(watched.SerializeToString())
    rng = np.random.default_rng(seed)
    rows: Mapping[str, list[Floats]] = {source: [] for source in sources}
    low: dict[str, Floats] = {}
    high: dict[str, Floats] = {}
    for feed in feeds:
        tokens = feed["input_ids"].shape[1]
        kept = np.sort(rng.permutation(tokens)[:rows_per_text])
        for source, value in zip(sources, session.run(sources, feed), strict=True):
            # After pooling there is one row for the text, instead of one for each token.
            flat = value.reshape(-1, value.shape[-1])
            rows[source].append(flat[kept[kept < len(flat)]])
            low[source] = np.minimum(low.get(source, flat[0]), flat.min(axis=0))
            high[source] = np.maximum(high.get(source, flat[0]), flat.max(axis=0))
    found = {source: Activations(np.concatenate(rows[source]), low[source], high[source]) for source in sources}
    for source, activations in found.items():
        if not (np.isfinite(activations.low).all() and np.isfinite(activations.high).all()):
            raise QuantizationError(f"{source} has values that are not finite numbers: the model is broken.")
    return found


def constant(graph: onnx.GraphProto, name: str) -> Floats:
    """Return the value of a constant of the graph, as float32."""
    tensor = next(tensor for tensor in graph.initializer if tensor.name == name)
    return numpy_helper.to_array(tensor).astype(np.float32)
