"""Simplify a graph without changing its result: operators that tracing leaves in an encoder cost a tenth of its time.

Each rewrite looks for one pattern and leaves a graph without it unchanged, so that any architecture is accepted.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from training.compression.graph import Graph, cpu_session

_ELEMENTWISE = frozenset({"Cast", "Sub", "Where", "Mul", "Not", "Equal", "Add"})


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy without the needless operators of tracing.

    * Numbers that are calculated from shapes and never change (an attention's scale) become constants.
    * A constant factor of a linear layer's output is multiplied into the layer's weights and bias.
    * The attention mask keeps one row for each text, instead of one for each token.
    * The embedding of the only token type is added to the embeddings of the positions.
    """
    simple = onnx.ModelProto()
    simple.CopyFrom(model)
    graph = Graph(simple)
    _fix_scalars(graph)
    for rewrite in (_scale_weights, _narrow_mask, _merge_token_type):
        rewrite(graph)
    graph.prune()
    del simple.graph.value_info[:]
    onnx.checker.check_model(simple)
    return simple


def _fix_scalars(graph: Graph) -> None:
    """Replace single numbers that are the same for texts of any shape with constants."""
    wanted = [
        name
        for node in graph.of_type("Mul")
        for name in node.input
        if name in graph.maker and graph.maker[name].op_type in {"Sqrt", "Cast", "Div"}
    ]
    if not wanted:
        return
    watched = onnx.ModelProto()
    watched.CopyFrom(graph.model)
    watched.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in dict.fromkeys(wanted))
    session = cpu_session(watched.SerializeToString())
    names = list(dict.fromkeys(wanted))
    some, others = (session.run(names, _feed(graph, *shape)) for shape in ((1, 7), (3, 12)))
    for name, one, other in zip(names, some, others, strict=True):
        if one.size == 1 and np.array_equal(one, other):
            graph.bypass(graph.maker[name], graph.add_constant(f"{name}_fixed", one))


def _feed(graph: Graph, texts: int, tokens: int) -> dict[str, NDArray[np.int64]]:
    return {
        value.name: np.zeros((texts, tokens), np.int64)
        if value.name == "token_type_ids"
        else np.ones((texts, tokens), np.int64)
        for value in graph.graph.input
    }


def _scale_weights(graph: Graph) -> None:
    """Multiply a constant factor of a linear layer's (rearranged) output into the layer's weights and bias."""
    for node in graph.of_type("Mul"):
        factor, source = next(
            ((value, other) for name, other in (node.input, reversed(node.input)) if (value := _number(graph, name))),
            (None, ""),
        )
        if factor is None:
            continue
        path = _linear_above(graph, source)
        if path is None:
            continue
        for name in path:
            graph.change(name, numpy_helper.to_array(graph.constants[name]) * np.float32(factor))
        graph.bypass(node, source)


def _number(graph: Graph, name: str) -> float | None:
    value = graph.value(name)
    return float(value.reshape(())) if value is not None and value.size == 1 else None


def _linear_above(graph: Graph, name: str) -> tuple[str, str] | None:
    """Return weight and bias of the linear layer that a value comes from by rearrangement, if nothing else reads it."""
    node = graph.maker.get(name)
    while node is not None and node.op_type in {"Transpose", "Reshape"}:
        if len(graph.readers[node.output[0]]) != 1 and not _only_shapes_beside(graph, node.output[0]):
            return None
        node = graph.maker.get(node.input[0])
    if node is None or node.op_type != "Add":
        return None
    bias = next((name for name in node.input if name in graph.constants), None)
    product = next((graph.maker.get(name) for name in node.input if name not in graph.constants), None)
    if bias is None or product is None or product.op_type != "MatMul" or product.input[1] not in graph.constants:
        return None
    single = all(len(graph.readers[name]) == 1 for name in (bias, product.input[1], product.output[0]))
    return (product.input[1], bias) if single and len(graph.readers[node.output[0]]) == 1 else None


def _only_shapes_beside(graph: Graph, name: str) -> bool:
    """Return True if all readers of a value except one use only its shape."""
    return sum(reader.op_type != "Shape" for reader in graph.readers[name]) == 1


def _narrow_mask(graph: Graph) -> None:
    """Remove the expansion of the mask from [texts, 1, 1, tokens] to [texts, 1, tokens, tokens].

    The operators after it work element by element, and the addition to the scores broadcasts one row to many.
    """
    for node in graph.of_type("Expand"):
        source = graph.maker.get(node.input[0])
        if source is None or source.op_type != "Unsqueeze" or not _reaches_scores_only(graph, node.output[0]):
            continue
        graph.bypass(node, node.input[0])


def _reaches_scores_only(graph: Graph, name: str) -> bool:
    """Return True if a value reaches the input of a Softmax through elementwise nodes, and nothing else."""
    reached = False
    for reader in graph.readers.get(name, []):
        onwards = reader.op_type in _ELEMENTWISE and _reaches_scores_only(graph, reader.output[0])
        if reader.op_type != "Softmax" and not onwards:
            return False
        reached = True
    return reached


def _merge_token_type(graph: Graph) -> None:
    """Add the embedding of the first token type to the table of positions, if every token has that type."""
    if any(value.name == "token_type_ids" for value in graph.graph.input):
        return
    for node in graph.of_type("Gather"):
        if not node.input[0].endswith("token_type_embeddings.weight"):
            continue
        inner = _only_reader(graph, node.output[0], "Add")
        outer = _only_reader(graph, inner.output[0], "Add") if inner is not None else None
        if inner is None or outer is None:
            continue
        words = next(name for name in inner.input if name != node.output[0])
        positions = graph.maker.get(next(name for name in outer.input if name != inner.output[0]))
        types = graph.value(node.input[0])
        if positions is None or positions.op_type != "Gather" or types is None:
            continue
        table = graph.value(positions.input[0])
        if table is None or len(graph.readers[positions.input[0]]) != 1:
            continue
        graph.change(positions.input[0], table + types[0])
        graph.bypass(inner, words)


def _only_reader(graph: Graph, name: str, kind: str) -> onnx.NodeProto | None:
    readers = graph.readers.get(name, [])
    return readers[0] if len(readers) == 1 and readers[0].op_type == kind else None
