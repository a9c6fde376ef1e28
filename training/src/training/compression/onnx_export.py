"""Export a sentence-transformers model as one ONNX graph: token ids in, unit vectors out, pooling included."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
from optimum.exporters.onnx import onnx_export_from_model

from training.compression.simplify import simplify
from training.errors import UnsupportedModel

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

OPSET = 18
OUTPUT = "embedding"
KNOWN_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})
"""Inputs that the runtime of a version can feed."""


def export_onnx(model: SentenceTransformer, scratch: Path) -> onnx.ModelProto:
    """Return the whole model with dynamic batch and sequence, and one output, `embedding` [batch, dim].

    Args:
        model: its last module normalises.
        scratch: an empty folder to work in.

    Raises:
        UnsupportedModel: The exporter does not support a module, or the graph has inputs that a text cannot give.
    """
    with warnings.catch_warnings():
        # Tracing warns of every branch on a shape. The parity check, on texts of many lengths, finds harmful ones.
        warnings.simplefilter("ignore")
        try:
            onnx_export_from_model(model, scratch, task="feature-extraction", opset=OPSET, do_validation=False)
        except (ValueError, KeyError, NotImplementedError, AttributeError) as error:
            raise UnsupportedModel(f"this model cannot be exported to ONNX: {error}") from error
    graph_file = scratch / "model.onnx"
    if not graph_file.is_file():
        raise UnsupportedModel("this model's export is not one graph, model.onnx; only text encoders are supported.")
    exported = onnx.load(graph_file)
    keep_only(exported.graph, "sentence_embedding", OUTPUT)
    unknown = sorted({value.name for value in exported.graph.input} - KNOWN_INPUTS)
    if unknown:
        raise UnsupportedModel(f"the graph needs the inputs {', '.join(unknown)}, which a text cannot give.")
    return simplify(exported)


def inputs(model: onnx.ModelProto) -> list[str]:
    """Return the names of the graph's inputs, in its order; they depend on the architecture."""
    return [value.name for value in model.graph.input]


def keep_only(graph: onnx.GraphProto, output: str, renamed: str) -> None:
    """Remove every output except one, and give it a new name.

    Raises:
        UnsupportedModel: The output does not exist.
    """
    kept = [value for value in graph.output if value.name == output]
    if not kept:
        found = ", ".join(value.name for value in graph.output)
        raise UnsupportedModel(f"the graph has the outputs {found} but no {output}: the model has no pooling.")
    del graph.output[:]
    graph.output.extend(kept)
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == output:
                    names[index] = renamed
    graph.output[0].name = renamed
