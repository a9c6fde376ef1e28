"""Export a sentence-transformers model as one ONNX graph: token ids in, unit vectors out.

Everything that the model's modules do after the transformer is in the graph: pooling, dense layers, the cut to fewer
dimensions, and normalisation.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import torch
from torch import nn

from training.compression.simplify import simplify
from training.errors import UnsupportedModel
from training.registry.supported import is_static

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

OPSET = 18
OUTPUT = "embedding"
INPUTS = ("input_ids", "attention_mask")
"""Inputs of an encoder's graph. Token types are left out: a single text has type 0 only, which is the default."""


class _Cut(nn.Module):
    """Module that keeps the first dimensions of a vector."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.dimensions = dimensions

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Cut the text's vector."""
        features["sentence_embedding"] = features["sentence_embedding"][:, : self.dimensions]
        return features


class Vectors(nn.Sequential):
    """Modules of a model as a function of token ids and mask."""

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        """Return the vectors of texts, of which `INPUTS` are given."""
        features = dict(zip(INPUTS, tensors, strict=True))
        for module in self:
            features = module(features)
        return features["sentence_embedding"]


class _StaticVectors(nn.Module):
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
        UnsupportedModel: The model cannot be traced.
    """
    whole = _cut(model, dimensions) if dimensions else model
    graph_file = scratch / "model.onnx"
    vectors = _StaticVectors(whole) if is_static(model) else Vectors(*whole)
    trace(vectors, dict.fromkeys(INPUTS, torch.ones((2, 16), dtype=torch.int64)), OUTPUT, graph_file)
    return simplify(onnx.load(graph_file))


def trace(module: nn.Module, example: Mapping[str, torch.Tensor], output: str, path: Path) -> None:
    """Write a module's graph with dynamic numbers of rows and tokens.

    Args:
        module: takes the tensors of the example, in its order.
        example: int64 tensors [rows, tokens] by the names of the inputs.
        output: name of the output [rows, …].
        path: file to write.

    Raises:
        UnsupportedModel: The module cannot be traced.
    """
    axes = {0: "batch_size", 1: "sequence_length"}
    with warnings.catch_warnings(), torch.no_grad():
        # Tracing warns of every branch on a shape. The parity check, on texts of many lengths, finds harmful ones.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                module.eval(),
                tuple(example.values()),
                path,
                input_names=list(example),
                output_names=[output],
                dynamic_axes={**dict.fromkeys(example, axes), output: {0: "batch_size"}},
                opset_version=OPSET,
                dynamo=False,
            )
        except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
            raise UnsupportedModel(f"this model cannot be exported to ONNX: {error}") from error


def _cut(model: SentenceTransformer, dimensions: int) -> SentenceTransformer:
    """Return the model with the cut before its normalisation; the two share their weights."""
    from sentence_transformers import SentenceTransformer

    *before, normalize = model
    whole: SentenceTransformer = SentenceTransformer(modules=[*before, _Cut(dimensions), normalize], device="cpu")
    whole.eval()
    return whole


def inputs(model: onnx.ModelProto) -> list[str]:
    """Return the names of the graph's inputs, in its order; rerankers and earlier versions may have token types."""
    return [value.name for value in model.graph.input]
