"""An ONNX graph while it is rewritten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import numpy_helper


class Graph:
    """Lookups over a graph that is being rewritten: who makes a value, who reads it, what is constant."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.graph = model.graph
        self.refresh()

    def refresh(self) -> None:
        """Looks again, after nodes or their inputs were changed."""
        self.maker = {name: node for node in self.graph.node for name in node.output}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.constants = {tensor.name: tensor for tensor in self.graph.initializer}

    def value(self, name: str) -> NDArray[Any] | None:
        """The value of a constant, be it an initializer or a node; None for what is no constant."""
        if name in self.constants:
            return numpy_helper.to_array(self.constants[name])
        node = self.maker.get(name)
        if node is not None and node.op_type == "Constant":
            return next((numpy_helper.to_array(a.t) for a in node.attribute if a.name == "value"), None)
        return None

    def add_constant(self, name: str, value: NDArray[Any]) -> str:
        """Adds a constant and gives its name back."""
        self.graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def change(self, name: str, value: NDArray[Any]) -> None:
        """Gives a constant another value."""
        self.constants[name].CopyFrom(numpy_helper.from_array(value, name))

    def bypass(self, node: onnx.NodeProto, source: str) -> None:
        """Lets the node's readers read `source` instead."""
        for reader in self.readers.get(node.output[0], []):
            for at, name in enumerate(reader.input):
                if name == node.output[0]:
                    reader.input[at] = source
        self.refresh()

    def of_type(self, kind: str) -> Iterator[onnx.NodeProto]:
        """The nodes of one type as they are now, whatever is rewritten meanwhile."""
        yield from [node for node in self.graph.node if node.op_type == kind]

    def prune(self) -> None:
        """Drops nodes and constants that nothing needs any more."""
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
