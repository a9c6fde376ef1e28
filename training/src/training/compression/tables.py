"""Store the tables of embeddings of a graph in INT8, one scale for each row: a quarter of their bytes and memory.

Rows are looked up as INT8 and multiplied by their scale afterwards, so that no runtime unfolds the whole table.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from training.compression.graph import Graph

LEVELS = 127
LEAST_ROWS = 4096
"""Smaller tables, such as those of positions, stay in FP32: they save little."""


def quantize_tables(model: onnx.ModelProto) -> int:
    """Replace each large FP32 table that is read by rows only, and return the number of replaced tables."""
    graph = Graph(model)
    tables = {
        node.input[0]: table
        for node in graph.of_type("Gather")
        if (table := graph.value(node.input[0])) is not None
        and table.ndim == 2
        and table.dtype == np.float32
        and len(table) >= LEAST_ROWS
        and all(reader.op_type == "Gather" and _reads_rows(reader) for reader in graph.readers[node.input[0]])
    }
    for number, (name, table) in enumerate(tables.items()):
        scales = np.maximum(np.abs(table).max(axis=1, keepdims=True), np.finfo(np.float32).tiny) / LEVELS
        steps = graph.add_constant(f"int8_table_{number}_steps", np.rint(table / scales).astype(np.int8))
        scale = graph.add_constant(f"int8_table_{number}_scale", scales.astype(np.float32))
        for place, lookup in enumerate(graph.readers[name]):
            own = f"int8_table_{number}_{place}"
            nodes = [
                helper.make_node("Gather", [steps, lookup.input[1]], [f"{own}_levels"], name=f"{own}_levels"),
                helper.make_node("Gather", [scale, lookup.input[1]], [f"{own}_scales"], name=f"{own}_scales"),
                helper.make_node("Cast", [f"{own}_levels"], [f"{own}_cast"], name=f"{own}_cast", to=TensorProto.FLOAT),
                helper.make_node("Mul", [f"{own}_cast", f"{own}_scales"], [lookup.output[0]], name=f"{own}_rows"),
            ]
            at = list(model.graph.node).index(lookup)
            model.graph.node.remove(lookup)
            for offset, node in enumerate(nodes):
                model.graph.node.insert(at + offset, node)
    graph.prune()
    return len(tables)


def _reads_rows(node: onnx.NodeProto) -> bool:
    return node.input[0] != node.input[1] and all(a.i == 0 for a in node.attribute if a.name == "axis")
