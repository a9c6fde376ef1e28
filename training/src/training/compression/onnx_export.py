"""Export a sentence-transformers model as one ONNX graph: token ids in, unit vectors out.

Everything that the model's modules do after the transformer is in the graph: pooling, dense layers, the cut to fewer
dimensions, and normalisation.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import torch
from optimum.exporters.onnx import onnx_export_from_model
from torch import nn

from training.compression.simplify import simplify
from training.errors import UnsupportedModel
from training.registry.supported import is_static

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

OPSET = 18
OUTPUT = "embedding"
KNOWN_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})
"""Inputs that the runtime of a version can feed."""


class _Cut(nn.Module):
    """Module that keeps the first dimensions of a vector."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.dimensions = dimensions

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Cut the text's vector."""
        features["sentence_embedding"] = features["sentence_embedding"][:, : self.dimensions]
        return features


class _StaticGraph(nn.Module):
    """Model of word vectors on rows of padded token ids, where `StaticEmbedding` reads one row with offsets."""

    def __init__(self, model: SentenceTransformer) -> None:
        super().__init__()
        first: Any = model[0]
        self.table: torch.Tensor = first.embedding.weight
        self.rest = nn.Sequential(*list(model)[1:])

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the vectors of texts."""
        mask = attention_mask.unsqueeze(-1).to(self.table.dtype)
        total = (nn.functional.embedding(input_ids, self.table) * mask).sum(dim=1)
        mean = total / mask.sum(dim=1).clamp(min=1.0)
        vectors: torch.Tensor = self.rest({"sentence_embedding": mean})["sentence_embedding"]
        return vectors


def export_onnx(model: SentenceTransformer, scratch: Path, dimensions: int | None = None) -> onnx.ModelProto:
    """Return the whole model with dynamic batch and sequence, and one output, `embedding` [batch, dim].

    Args:
        model: its last module normalises.
        scratch: an empty folder to work in.
        dimensions: dimensions to keep of each vector, which is then normalised again; None keeps all.

    Raises:
        UnsupportedModel: The exporter does not support a module, or the graph has inputs that a text cannot give.
    """
    whole = _cut(model, dimensions) if dimensions else model
    graph_file = scratch / "model.onnx"
    with warnings.catch_warnings():
        # Tracing warns of every branch on a shape. The parity check, on texts of many lengths, finds harmful ones.
        warnings.simplefilter("ignore")
        try:
            if is_static(model):
                _export_static(whole, graph_file)
            else:
                onnx_export_from_model(whole, scratch, task="feature-extraction", opset=OPSET, do_validation=False)
        except (ValueError, KeyError, NotImplementedError, AttributeError) as error:
            raise UnsupportedModel(f"this model cannot be exported to ONNX: {error}") from error
    if not graph_file.is_file():
        raise UnsupportedModel("this model's export is not one graph, model.onnx; only text encoders are supported.")
    exported = onnx.load(graph_file)
    keep_only(exported.graph, "sentence_embedding", OUTPUT)
    unknown = sorted({value.name for value in exported.graph.input} - KNOWN_INPUTS)
    if unknown:
        raise UnsupportedModel(f"the graph needs the inputs {', '.join(unknown)}, which a text cannot give.")
    return simplify(exported)


def _cut(model: SentenceTransformer, dimensions: int) -> SentenceTransformer:
    """Return the model with the cut before its normalisation; the two share their weights."""
    from sentence_transformers import SentenceTransformer

    *before, normalize = model
    whole: SentenceTransformer = SentenceTransformer(modules=[*before, _Cut(dimensions), normalize], device="cpu")
    whole.eval()
    return whole


def _export_static(model: SentenceTransformer, path: Path) -> None:
    example = torch.ones((2, 3), dtype=torch.int64)
    axes = {0: "batch_size", 1: "sequence_length"}
    torch.onnx.export(
        _StaticGraph(model).eval(),
        (example, example),
        path,
        input_names=["input_ids", "attention_mask"],
        output_names=["sentence_embedding"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "sentence_embedding": {0: "batch_size"}},
        opset_version=OPSET,
        dynamo=False,
    )


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
