"""A graph that reads several texts in one row: short texts need hardly any padding then, and all have one shape.

Attention is kept within each text, positions start anew with each, and every text is pooled by itself, so that a vector
does not depend on who shares its row (Krell et al., 2021, "Efficient Sequence Packing without Cross-contamination").

The packed graph is told, beside the token ids:

* `segment_ids` [rows, tokens]: the number of the token's text within its row, from 1; 0 where there is no text;
* `position_ids` [rows, tokens]: the token's place in its text, from 0;
* `slots` [texts]: which texts of each row are wanted: 1, 2, …

It gives vectors [rows, texts, dim]; those of slots that a row has no text for mean nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper

from training.compression.graph import Graph

SEGMENTS, POSITIONS, SLOTS = "segment_ids", "position_ids", "slots"
PACKED_INPUTS = (SEGMENTS, POSITIONS, SLOTS)
_MASK = "attention_mask"
_ELEMENTWISE = frozenset({"Cast", "Sub", "Where", "Mul", "Unsqueeze", "Not", "Equal"})


class _Mean(NamedTuple):
    """The mean over a text's tokens, which becomes one over each text of a row.

    Attributes:
        tokens: the value that it is the mean of, [rows, tokens, dim].
        node: what gives the mean.
        norm: what takes its length.
    """

    tokens: str
    node: onnx.NodeProto
    norm: onnx.NodeProto


def pack(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """A copy that packs, or None for a graph that is not built so that it can.

    It can where positions are read from a table, from its first on; where one mask is added to the scores of every
    layer; and where the vector is the mean over the tokens, made one long: BERT, and most of what descends from it.
    It cannot where positions are counted over the ids, or are relative.

    Args:
        model: the graph as `simplify` leaves it, quantised or not; it stays as it is.
    """
    packed = onnx.ModelProto()
    packed.CopyFrom(model)
    graph = Graph(packed)
    positions, scores, mean = _position_lookup(graph), _masked_scores(graph), _mean(graph)
    if positions is None or not scores or mean is None:
        return None
    positions.input[1] = POSITIONS
    before = _Nodes(graph)
    # A token attends to those of its own text.
    key, query = (
        before.add("Unsqueeze", SEGMENTS, before.axes(1, 2)),
        before.add("Unsqueeze", SEGMENTS, before.axes(1, 3)),
    )
    apart = before.constant(np.array(np.finfo(np.float32).min))
    mask = before.add("Where", before.add("Equal", query, key), before.constant(np.float32(0)), apart)
    for add, place in scores:
        add.input[place] = mask
    # A text's mean is a product with which tokens are its own.
    after = _Nodes(graph, "mean")
    row, slot = after.add("Unsqueeze", SEGMENTS, after.axes(1)), after.add("Unsqueeze", SLOTS, after.axes(0, 2))
    own = after.add("Cast", after.add("Equal", row, slot), to=TensorProto.FLOAT)
    total = after.add("MatMul", own, mean.tokens)
    count = after.add("ReduceSum", own, after.axes(2), keepdims=1)
    text = after.add("Div", total, after.add("Max", count, after.constant(np.float32(1))))
    for reader in graph.readers[mean.node.output[0]]:
        reader.input[:] = [text if name == mean.node.output[0] else name for name in reader.input]
    mean.norm.input[1] = after.axes(-1)
    nodes = list(packed.graph.node)
    end = next(place for place, node in enumerate(nodes) if node.output == mean.node.output)
    del packed.graph.node[:]
    packed.graph.node.extend([*before.made, *nodes[: end + 1], *after.made, *nodes[end + 1 :]])
    _declare(packed)
    graph.refresh()
    graph.prune()
    del packed.graph.value_info[:]
    onnx.checker.check_model(packed)
    return packed


class _Nodes:
    """New nodes and their constants, named by what they do."""

    def __init__(self, graph: Graph, prefix: str = "attention") -> None:
        self.graph = graph
        self.prefix = f"packed_{prefix}"
        self.made: list[onnx.NodeProto] = []
        self.constants = 0

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{self.prefix}_{kind}_{len(self.made)}"
        self.made.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, value: np.ndarray | np.generic) -> str:
        self.constants += 1
        return self.graph.add_constant(f"{self.prefix}_constant_{self.constants}", np.asarray(value))

    def axes(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))


def _position_lookup(graph: Graph) -> onnx.NodeProto | None:
    """What reads the table of positions, where it reads the first ones, as many as there are tokens."""
    for node in graph.of_type("Gather"):
        source = graph.maker.get(node.input[1])
        if "position" not in node.input[0] or source is None or source.op_type != "Slice":
            continue
        every = graph.value(source.input[0])
        if every is not None and np.array_equal(every.reshape(-1), np.arange(every.size)):
            return node
    return None


def _masked_scores(graph: Graph) -> list[tuple[onnx.NodeProto, int]]:
    """Every addition of the mask to a layer's scores, with the mask's place among its inputs; all layers or none."""
    found = []
    for softmax in graph.of_type("Softmax"):
        add = graph.maker.get(softmax.input[0])
        places = (
            []
            if add is None or add.op_type != "Add"
            else [at for at, name in enumerate(add.input) if _is_mask(graph, name)]
        )
        if add is None or len(places) != 1:
            return []
        found.append((add, places[0]))
    return found


def _is_mask(graph: Graph, name: str) -> bool:
    """Whether a value is made of the attention mask and constants alone, element by element."""
    if name == _MASK:
        return True
    node = graph.maker.get(name)
    if node is None or node.op_type not in _ELEMENTWISE:
        return False
    sources = [each for each in node.input if graph.value(each) is None]
    return bool(sources) and all(_is_mask(graph, each) for each in sources)


def _mean(graph: Graph) -> _Mean | None:
    """The sum over masked tokens, divided by their number, and made one long."""
    for node in graph.of_type("Div"):
        total = graph.maker.get(node.input[0])
        masked = graph.maker.get(total.input[0]) if total is not None and total.op_type == "ReduceSum" else None
        if masked is None or masked.op_type != "Mul":
            continue
        tokens = [name for name in masked.input if not _comes_from_mask(graph, name)]
        norm = _after(graph, node.output[0], "ReduceL2")
        if len(tokens) == 1 and norm is not None and len(norm.input) == 2:
            return _Mean(tokens[0], node, norm)
    return None


def _comes_from_mask(graph: Graph, name: str) -> bool:
    node = graph.maker.get(name)
    while node is not None and node.op_type in {"Cast", "Expand", "Unsqueeze"}:
        if node.input[0] == _MASK:
            return True
        node = graph.maker.get(node.input[0])
    return False


def _after(graph: Graph, name: str, kind: str) -> onnx.NodeProto | None:
    """The first node of a kind behind a value, past those that hand one value on."""
    for reader in graph.readers.get(name, []):
        if reader.op_type == kind:
            return reader
        if reader.op_type == "Concat" and len(reader.input) == 1:
            return _after(graph, reader.output[0], kind)
    return None


def _declare(packed: onnx.ModelProto) -> None:
    """The inputs that the packed graph reads instead of the mask, and the shape of what it gives."""
    kept = [value for value in packed.graph.input if value.name != _MASK]
    tokens = ["rows", "tokens"]
    new = [(SEGMENTS, tokens), (POSITIONS, tokens), (SLOTS, ["texts"])]
    del packed.graph.input[:]
    packed.graph.input.extend(kept)
    packed.graph.input.extend(helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name, shape in new)
    output = packed.graph.output[0]
    dim = output.type.tensor_type.shape.dim[-1].dim_value or "dim"
    output.CopyFrom(helper.make_tensor_value_info(output.name, TensorProto.FLOAT, ["rows", "texts", dim]))
