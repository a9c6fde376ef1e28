"""Look up and rewrite the nodes of an ONNX graph, and run it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper


def cpu_session(graph: bytes) -> onnxruntime.InferenceSession:
    """Return a session of ONNX Runtime on the CPU, which logs errors only."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


class Graph:
    """ONNX graph with indexes for rewriting: the node that makes a value, the nodes that read it, the constants."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.graph = model.graph
        self.refresh()

    def refresh(self) -> None:
        """Build the indexes again, after nodes or their inputs were changed."""
        self.maker = {name: node for node in self.graph.node for name in node.output}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.constants = {tensor.name: tensor for tensor in self.graph.initializer}

    def value(self, name: str) -> NDArray[Any] | None:
        """Return the value of a constant, which is an initializer or a node; None if the name is not a constant."""
        if name in self.constants:
            return numpy_helper.to_array(self.constants[name])
        node = self.maker.get(name)
        if node is not None and node.op_type == "Constant":
            return next((numpy_helper.to_array(a.t) for a in node.attribute if a.name == "value"), None)
        return None

    def add_constant(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        self.graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def change(self, name: str, value: NDArray[Any]) -> None:
        """Give a constant another value."""
        self.constants[name].CopyFrom(numpy_helper.from_array(value, name))

    def bypass(self, node: onnx.NodeProto, source: str) -> None:
        """Make the nodes that read the node's output read `source` instead."""
        for reader in self.readers.get(node.output[0], []):
            for at, name in enumerate(reader.input):
                if name == node.output[0]:
                    reader.input[at] = source
        self.refresh()

    def of_type(self, kind: str) -> Iterator[onnx.NodeProto]:
        """Yield the nodes that have a type now; the graph may be rewritten meanwhile."""
        yield from [node for node in self.graph.node if node.op_type == kind]

    def prune(self) -> None:
        """Remove nodes and constants that no output needs."""
        needed = {value.name for value in self.graph.output}
        kept = []
        for node in reversed(self.graph.node):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(node.input)
        del self.graph.node[:]
        self.graph.node.extend(reversed(kept))
        initializers = [tensor for tensor in self.graph.initializer if tensor.name in needed]
        del self.graph.initializer[:]
        self.graph.initializer.extend(initializers)
        self.refresh()
