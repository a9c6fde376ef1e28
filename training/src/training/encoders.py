"""Run encoders and rerankers: a version by its own code, and a sentence-transformers model in FP32."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from training.arrays import Floats
from training.errors import UnsupportedModel

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

RUNTIMES = ("onnxruntime", "openvino")

Encode = Callable[[Sequence[str]], Floats]
"""Texts in, vectors of length one out, float32 [texts, dim]."""

InputType = Literal["query", "passage"]
"""Role of a text in a search; a version may put another prompt before the texts of each."""


class EncodeAs(Protocol):
    """Texts and their role in, vectors of length one out, float32 [texts, dim]."""

    def __call__(self, texts: Sequence[str], input_type: InputType = ...) -> Floats:
        """Return the vectors of texts."""


def version_encoder(folder: Path, runtime: str = "auto") -> VersionEncoder:
    """Return the encoder of a version folder, run by the folder's own `runtime.py`.

    Args:
        folder: folder of a version, published or not.
        runtime: one of `RUNTIMES`, or `auto` for the one that would serve on this machine.

    Raises:
        ImportError: `runtime.py` cannot be loaded, or the runtime is not installed.
        UnsupportedModel: A prompt of the version cannot be put before texts.
    """
    module = load_module(folder / "runtime.py")
    try:
        return VersionEncoder(module.TextEncoder(folder, runtime=runtime))
    except getattr(module, "BadPrompt", ()) as error:
        raise UnsupportedModel(str(error)) from error


class VersionEncoder:
    """Encoder of a version folder: texts and their role in, vectors out.

    Attributes:
        prompts: The prompt of queries and of passages; nothing for a version without prompts.
    """

    def __init__(self, loaded: Any) -> None:
        """Take the folder's own `TextEncoder`."""
        self._loaded = loaded
        # A version of release 0.1 knows no prompts.
        self.prompts: dict[str, str] = {name: text for name, text in getattr(loaded, "prompts", {}).items() if text}

    def __call__(self, texts: Sequence[str], input_type: InputType = "query") -> Floats:
        """Return vectors of length one, float32 [texts, dim]."""
        given = list(texts)
        vectors: Floats = (self._loaded.encode(given, input_type) if self.prompts else self._loaded.encode(given))[0]
        return vectors.copy()


def version_scorer(folder: Path, runtime: str = "auto") -> Callable[[Sequence[tuple[str, str]]], Floats]:
    """Return the scorer of a version folder of the reranker, run by the folder's own `pairs.py`.

    It takes pairs of a query and a passage, and returns their scores, float32 [pairs].

    Raises:
        ImportError: `pairs.py` cannot be loaded, or the runtime is not installed.
    """
    loaded = load_module(folder / "pairs.py").PairScorer(folder, runtime=runtime)

    def score(pairs: Sequence[tuple[str, str]]) -> Floats:
        return np.asarray(loaded.score(list(pairs)), np.float32)

    return score


def version_encoders(folder: Path) -> dict[str, VersionEncoder]:
    """Return the encoder of a version folder on every runtime that is installed, by the runtime's name."""
    return {name: version_encoder(folder, name) for name in RUNTIMES if importlib.util.find_spec(name)}


def encode_fp32(
    model: SentenceTransformer,
    texts: Sequence[str],
    batch_size: int = 32,
    *,
    input_type: InputType = "query",
    dimensions: int | None = None,
) -> Floats:
    """Return the vectors of a sentence-transformers model in FP32, of length one, [texts, dim].

    Args:
        model: the model, with its prompts.
        texts: the texts.
        batch_size: texts in a run.
        input_type: `query` for the vectors of `encode_query`, `passage` for those of `encode_document`.
        dimensions: dimensions to keep before normalisation; None keeps all.
    """
    encode = model.encode_query if input_type == "query" else model.encode_document
    vectors = encode(
        list(texts), batch_size=batch_size, normalize_embeddings=True, truncate_dim=dimensions, show_progress_bar=False
    )
    return np.asarray(vectors, dtype=np.float32)


def load_module(path: Path) -> ModuleType:
    """Return a module of a version folder, with those that it imports from there.

    Raises:
        ImportError: It cannot be loaded.
    """
    spec = importlib.util.spec_from_file_location("akin_staged_runtime", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded as a Python module.")
    module = importlib.util.module_from_spec(spec)
    # Bytecode would be a file in the version folder that its manifest does not list.
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = writes_bytecode
        sys.path.remove(str(path.parent))
        # Each version has files of the same names: modules that were imported from this folder must not be reused.
        for name, loaded in list(sys.modules.items()):
            if getattr(loaded, "__file__", None) and Path(str(loaded.__file__)).parent == path.parent:
                del sys.modules[name]
    return module
