"""Rewrite a graph so that it reads several texts in one row: short texts then need little padding.

Attention stays within each text, positions start again at each text, and each text is pooled separately, so that a
vector does not depend on the other texts in its row (Krell et al., 2021, "Efficient Sequence Packing without
Cross-contamination").

The packed graph has these inputs beside the token ids:

* `segment_ids` [rows, tokens]: number of the token's text within its row, from 1; 0 for padding;
* `position_ids` [rows, tokens]: position of the token in its text, from 0;
* `slots` [texts]: numbers of the texts to return of each row: 1, 2, …

Its output is [rows, texts, dim]; the vectors of slots without a text are meaningless.
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


class _Pooling(NamedTuple):
    """Nodes of pooling, which the packed graph does for each text of a row.

    Attributes:
        tokens: name of the value that is pooled, [rows, tokens, dim].
        node: computes the text's vector, [rows, dim].
        is_mean: True for the mean of the tokens, False for the first token.
    """

    tokens: str
    node: onnx.NodeProto
    is_mean: bool


def pack(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """Return a copy that packs texts, or None if the graph's structure does not allow it.

    Packing needs positions that are read from a table, starting at its first row; one mask that is added to the scores
    of every layer; and a vector that is the mean of the tokens or the first token. What follows (a dense layer, a cut,
    normalisation) may be anything. BERT and most models derived from it qualify. Models that count positions from the
    token ids, or use relative positions, do not.

    Args:
        model: the graph that `simplify` returned, quantised or not; it is not changed.
    """
    packed = onnx.ModelProto()
    packed.CopyFrom(model)
    graph = Graph(packed)
    positions, scores = _position_lookup(graph), _masked_scores(graph)
    pooling = _mean(graph) or _first_token(graph)
    if positions is None or not scores or pooling is None:
        return None
    positions.input[1] = POSITIONS
    before = _Nodes(graph)
    # A token attends only to tokens of its own text.
    key, query = (
        before.add("Unsqueeze", SEGMENTS, before.axes(1, 2)),
        before.add("Unsqueeze", SEGMENTS, before.axes(1, 3)),
    )
    apart = before.constant(np.array(np.finfo(np.float32).min))
    mask = before.add("Where", before.add("Equal", query, key), before.constant(np.float32(0)), apart)
    for add, place in scores:
        add.input[place] = mask
    # The vectors of all texts are one matrix product, with a matrix that marks the tokens of each text.
    after = _Nodes(graph, "mean" if pooling.is_mean else "first")
    row, slot = after.add("Unsqueeze", SEGMENTS, after.axes(1)), after.add("Unsqueeze", SLOTS, after.axes(0, 2))
    marked = after.add("Equal", row, slot)
    if not pooling.is_mean:
        position = after.add("Unsqueeze", POSITIONS, after.axes(1))
        marked = after.add("And", marked, after.add("Equal", position, after.axes(0)))
    own = after.add("Cast", marked, to=TensorProto.FLOAT)
    text = after.add("MatMul", own, pooling.tokens)
    if pooling.is_mean:
        count = after.add("ReduceSum", own, after.axes(2), keepdims=1)
        text = after.add("Div", text, after.add("Max", count, after.constant(np.float32(1))))
    norm = _after(graph, pooling.node.output[0], "ReduceL2")
    last: list[onnx.NodeProto] = []
    if norm is not None and len(norm.input) == 2:
        norm.input[1] = after.axes(-1)
    else:
        text, last = _as_rows(graph, packed, after, text)
    for reader in graph.readers[pooling.node.output[0]]:
        reader.input[:] = [text if name == pooling.node.output[0] else name for name in reader.input]
    nodes = list(packed.graph.node)
    end = next(place for place, node in enumerate(nodes) if node.output == pooling.node.output)
    del packed.graph.node[:]
    packed.graph.node.extend([*before.made, *nodes[: end + 1], *after.made, *nodes[end + 1 :], *last])
    _declare(packed)
    graph.refresh()
    graph.prune()
    del packed.graph.value_info[:]
    onnx.checker.check_model(packed)
    return packed


class _Nodes:
    """New nodes and constants of a graph, with names that state their purpose."""

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
    """Return the node that reads the table of positions, if it reads one row for each token from the first row on."""
    for node in graph.of_type("Gather"):
        source = graph.maker.get(node.input[1])
        if "position" not in node.input[0] or source is None or source.op_type != "Slice":
            continue
        every = graph.value(source.input[0])
        if every is not None and np.array_equal(every.reshape(-1), np.arange(every.size)):
            return node
    return None


def _masked_scores(graph: Graph) -> list[tuple[onnx.NodeProto, int]]:
    """Return each layer's addition of the mask to its scores, and the mask's input index; empty if a layer has none."""
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
    """Return True if a value is computed element by element from the attention mask and constants only."""
    if name == _MASK:
        return True
    node = graph.maker.get(name)
    if node is None or node.op_type not in _ELEMENTWISE:
        return False
    sources = [each for each in node.input if graph.value(each) is None]
    return bool(sources) and all(_is_mask(graph, each) for each in sources)


def _as_rows(graph: Graph, packed: onnx.ModelProto, after: _Nodes, text: str) -> tuple[str, list[onnx.NodeProto]]:
    """Give what follows the pooling one text in each row, as before, and put the rows' texts together again at the end.

    Returns:
        The vectors of all texts, [rows · texts, dim], and the nodes at the end of the graph.
    """
    flat = after.add("Flatten", text, axis=2)
    output = packed.graph.output[0].name
    inner = f"{output}_of_each_text"
    graph.maker[output].output[:] = [inner if name == output else name for name in graph.maker[output].output]
    end = _Nodes(graph, "end")
    shape = end.add("Concat", end.axes(-1), end.add("Shape", SLOTS), end.add("Shape", inner, start=1), axis=0)
    return flat, [*end.made, helper.make_node("Reshape", [inner, shape], [output], name="packed_end")]


def _first_token(graph: Graph) -> _Pooling | None:
    """Return the pooling that takes the first token, [CLS], of each row."""
    for node in graph.of_type("GatherElements"):
        index = graph.maker.get(node.input[1])
        while index is not None and index.op_type in {"Expand", "Unsqueeze"}:
            index = graph.maker.get(index.input[0])
        cast = graph.maker.get(index.input[0]) if index is not None and index.op_type == "ArgMax" else None
        if cast is None or cast.op_type != "Cast" or cast.input[0] != _MASK:
            continue
        # Between them the row's own axis is removed, by nodes that look at the shape.
        end: onnx.NodeProto | None = node
        while end is not None and end.op_type in {"GatherElements", "Shape", "Gather", "Equal", "If", "Squeeze"}:
            end = next(iter(graph.readers.get(end.output[0], [])), None)
        if end is not None and end.op_type == "Concat" and len(end.input) == 1:
            return _Pooling(node.input[0], end, is_mean=False)
    return None


def _is_joined(graph: Graph, node: onnx.NodeProto) -> bool:
    """Return True if the vector is one of several poolings that are put together."""
    return any(each.op_type == "Concat" and len(each.input) > 1 for each in graph.readers.get(node.output[0], []))


def _mean(graph: Graph) -> _Pooling | None:
    """Return the pooling by mean: the sum over masked tokens, divided by their number."""
    for node in graph.of_type("Div"):
        total = graph.maker.get(node.input[0])
        masked = graph.maker.get(total.input[0]) if total is not None and total.op_type == "ReduceSum" else None
        if masked is None or masked.op_type != "Mul":
            continue
        tokens = [name for name in masked.input if not _comes_from_mask(graph, name)]
        if len(tokens) == 1 and not _is_joined(graph, node):
            return _Pooling(tokens[0], node, is_mean=True)
    return None


def _comes_from_mask(graph: Graph, name: str) -> bool:
    node = graph.maker.get(name)
    while node is not None and node.op_type in {"Cast", "Expand", "Unsqueeze"}:
        if node.input[0] == _MASK:
            return True
        node = graph.maker.get(node.input[0])
    return False


def _after(graph: Graph, name: str, kind: str) -> onnx.NodeProto | None:
    """Return the first node of a type that reads a value, directly or through a Concat of a single value."""
    for reader in graph.readers.get(name, []):
        if reader.op_type == kind:
            return reader
        if reader.op_type == "Concat" and len(reader.input) == 1:
            return _after(graph, reader.output[0], kind)
    return None


def _declare(packed: onnx.ModelProto) -> None:
    """Declare the inputs that replace the mask, and the shape of the output."""
    kept = [value for value in packed.graph.input if value.name != _MASK]
    tokens = ["rows", "tokens"]
    new = [(SEGMENTS, tokens), (POSITIONS, tokens), (SLOTS, ["texts"])]
    del packed.graph.input[:]
    packed.graph.input.extend(kept)
    packed.graph.input.extend(helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name, shape in new)
    output = packed.graph.output[0]
    dim = output.type.tensor_type.shape.dim[-1].dim_value or "dim"
    output.CopyFrom(helper.make_tensor_value_info(output.name, TensorProto.FLOAT, ["rows", "texts", dim]))
