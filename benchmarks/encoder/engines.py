"""Encoders that run inside a process, each loaded as its documentation advises, in an environment of its own.

Every engine maps texts to vectors of length one. Each uses as many threads as cores, in one pool: the number comes from
the environment (see `peer_environment`) or, where a library has an argument for it, from that.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.encoder.clients import Vectors
from benchmarks.environment import cores

MAX_TOKENS = 256
"""Tokens of a text that every engine reads; the rest is cut off."""


class Engine(Protocol):
    """Encoder in this process."""

    def encode(self, texts: Sequence[str], batch: int) -> Vectors:
        """Return the vectors of the texts; `batch` of them are encoded at a time."""


class SentenceTransformers:
    """sentence-transformers with one of its backends."""

    def __init__(self, folder: Path, backend: str, file: str | None) -> None:
        """Load a folder; `file` is the exported graph in it."""
        from sentence_transformers import SentenceTransformer

        if backend == "torch":
            import torch

            torch.set_num_threads(cores())
        options: dict[str, Any] = {"file_name": file} if file else {}
        if backend == "onnx":
            options["provider"] = "CPUExecutionProvider"
        self._model = SentenceTransformer(str(folder), device="cpu", backend=backend, model_kwargs=options)
        self._model.max_seq_length = MAX_TOKENS

    def encode(self, texts: Sequence[str], batch: int) -> Vectors:
        """Return the vectors; the library sorts all texts by length."""
        found: Vectors = self._model.encode(
            list(texts), batch_size=batch, normalize_embeddings=True, show_progress_bar=False
        )
        return found


class FastEmbed:
    """fastembed with the FP32 graph in a local folder."""

    def __init__(self, folder: Path) -> None:
        """Register the folder as a model and load it."""
        from fastembed import TextEmbedding
        from fastembed.common.model_description import ModelSource, PoolingType

        name = "local/all-MiniLM-L6-v2"
        TextEmbedding.add_custom_model(
            model=name,
            pooling=PoolingType.MEAN,
            normalization=True,
            sources=ModelSource(hf=name),
            dim=384,
            model_file="onnx/model.onnx",
        )
        self._model = TextEmbedding(name, specific_model_path=str(folder), threads=cores())

    def encode(self, texts: Sequence[str], batch: int) -> Vectors:
        """Return the vectors; the texts are encoded in the given order."""
        return np.vstack(list(self._model.embed(list(texts), batch_size=batch)))


class DynamicInt8:
    """ONNX Runtime with the dynamically quantised graph: texts sorted by length, mean pooling."""

    def __init__(self, folder: Path) -> None:
        """Load the folder's INT8 graph."""
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cores()
        self._session = onnxruntime.InferenceSession(
            folder / "onnx" / "model_int8.onnx", options, providers=["CPUExecutionProvider"]
        )
        self._inputs = [each.name for each in self._session.get_inputs()]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()

    def encode(self, texts: Sequence[str], batch: int) -> Vectors:
        """Return the vectors; all texts are sorted by length."""
        order = sorted(range(len(texts)), key=lambda position: len(texts[position]))
        vectors = np.empty((len(texts), 384), np.float32)
        for start in range(0, len(order), batch):
            members = order[start : start + batch]
            encodings = self._tokenizer.encode_batch([texts[member] for member in members])
            feed = {
                "input_ids": np.array([each.ids for each in encodings], np.int64),
                "attention_mask": np.array([each.attention_mask for each in encodings], np.int64),
                "token_type_ids": np.array([each.type_ids for each in encodings], np.int64),
            }
            hidden = self._session.run(None, {name: feed[name] for name in self._inputs})[0]
            mask = feed["attention_mask"][:, :, None]
            pooled = (hidden * mask).sum(axis=1) / mask.sum(axis=1)
            vectors[members] = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return vectors


class Ours:
    """`runtime.py` of the served version, without Triton."""

    def __init__(self, folder: Path) -> None:
        """Load a version folder as Triton's `model.py` does, and warm it up."""
        sys.path.insert(0, str(folder))
        from runtime import TextEncoder

        self._encoder = TextEncoder(folder)
        self._encoder.warm_up()

    def encode(self, texts: Sequence[str], batch: int) -> Vectors:
        """Return the vectors; the texts are encoded in batches of the given size, like those that Triton gathers."""
        return np.vstack([self._encoder.encode(texts[at : at + batch])[0] for at in range(0, len(texts), batch)])


ENGINES: dict[str, Callable[[Path], Engine]] = {
    "sentence-transformers-torch": lambda folder: SentenceTransformers(folder / "torch", "torch", None),
    "sentence-transformers-onnx": lambda folder: SentenceTransformers(folder / "onnx", "onnx", "onnx/model_int8.onnx"),
    "sentence-transformers-openvino": lambda folder: SentenceTransformers(
        folder / "openvino", "openvino", "openvino/openvino_model_int8.xml"
    ),
    "fastembed": lambda folder: FastEmbed(folder / "onnx"),
    "onnxruntime-dynamic-int8": lambda folder: DynamicInt8(folder / "onnx"),
    "ours": Ours,
}
