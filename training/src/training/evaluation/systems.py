"""What can be compared: anything that makes vectors of queries and passages, and BM25."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from training.arrays import Floats
from training.encoders import encode_fp32, version_encoder
from training.errors import EvaluationError
from training.evaluation.ranking import Bm25

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class System(Protocol):
    """An encoder that is compared.

    An implementation may have a `description`, a dictionary of JSON values, which the report quotes: a version's
    number and digest stand there, and promotion goes by them. Where there is a `digest`, it must stand for all that
    decides the vectors, as they are kept under it.
    """

    def encode_queries(self, texts: list[str]) -> Floats:
        """Vectors of length one, float32 [len(texts), dim]."""
        ...

    def encode_passages(self, texts: list[str]) -> Floats:
        """Vectors of length one, float32 [len(texts), dim]."""
        ...


AnySystem = System | Bm25


class TorchSystem:
    """A sentence-transformers model in FP32, as training has it."""

    def __init__(
        self,
        model: SentenceTransformer,
        name: str,
        *,
        digest: str | None = None,
        compile: bool = False,
        batch_size: int = 32,
    ) -> None:
        """Takes a loaded model.

        Args:
            model: as it is to be measured, its `max_seq_length` set.
            name: for the report.
            digest: of its weights, when they do not change any more; its vectors are kept under it.
            compile: run it through torch.compile, which pays from thousands of texts on.
            batch_size: texts in one pass.
        """
        self._model = model
        self._batch_size = batch_size
        self.description: dict[str, Any] = {
            "kind": "sentence-transformers FP32",
            "name": name,
            "max_length": model.max_seq_length,
        }
        if digest is not None:
            self.description["digest"] = digest
        if compile:
            self.description["compiled"] = True
            # Lengths differ from batch to batch: without dynamic shapes each would be compiled anew.
            model.compile(dynamic=True)

    def encode_queries(self, texts: list[str]) -> Floats:
        """Vectors of queries."""
        return self.encode_passages(texts)

    def encode_passages(self, texts: list[str]) -> Floats:
        """Vectors of passages."""
        return encode_fp32(self._model, texts, self._batch_size)


class VersionSystem:
    """A version folder, run by its own runtime.py: the very code that serves it."""

    def __init__(self, folder: Path, runtime: str = "auto") -> None:
        """Loads the version.

        Raises:
            EvaluationError: The folder is no version, or the runtime is not installed here.
        """
        try:
            manifest = json.loads((folder / "manifest.json").read_bytes())
            self._encode = version_encoder(folder, runtime)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise EvaluationError(f"{folder} cannot be run as a version of the encoder: {error}.") from error
        self.description: dict[str, Any] = {
            "kind": f"version, {manifest.get('recipe', {}).get('precision', 'INT8')}",
            # What is not published yet has no number.
            **({"version": manifest["version"]} if manifest["version"] else {}),
            "name": manifest["name"],
            "digest": manifest["digest"],
            "dim": manifest["dim"],
            "max_length": manifest["max_length"],
            "runtime": runtime,
        }

    def encode_queries(self, texts: list[str]) -> Floats:
        """Vectors of queries."""
        return self._encode(texts)

    def encode_passages(self, texts: list[str]) -> Floats:
        """Vectors of passages."""
        return self._encode(texts)


def system_description(system: AnySystem) -> dict[str, Any]:
    """What the report says of a system."""
    if isinstance(system, Bm25):
        return {"kind": "BM25", "k1": system.k1, "b": system.b}
    found: dict[str, Any] = getattr(system, "description", {"kind": type(system).__name__})
    return found
