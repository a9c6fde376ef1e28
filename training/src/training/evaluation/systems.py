"""Systems that an evaluation compares: a sentence-transformers model, a version, BM25, or any other encoder."""

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
    """Encoder that is compared.

    An implementation may have a `description`, a dictionary of JSON values that the report quotes. A version's
    description holds its number and its digest, which promotion uses. A `digest` must change with everything that
    changes the vectors, because vectors are cached under it.
    """

    def encode_queries(self, texts: list[str]) -> Floats:
        """Return vectors of length one, float32 [len(texts), dim]."""

    def encode_passages(self, texts: list[str]) -> Floats:
        """Return vectors of length one, float32 [len(texts), dim]."""


AnySystem = System | Bm25


class TorchSystem:
    """Sentence-transformers model in FP32, as it is trained."""

    def __init__(
        self,
        model: SentenceTransformer,
        name: str,
        *,
        digest: str | None = None,
        compile: bool = False,
        batch_size: int = 32,
    ) -> None:
        """Describe the model for the report, and compile it if `compile` is set.

        Args:
            model: model whose `max_seq_length` has the value to measure.
            name: name in the report.
            digest: digest of the weights, if these are final; vectors are cached under it.
            compile: run the model through torch.compile, which saves time from some thousands of texts on.
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
            # Batches have different lengths; without dynamic shapes, each length would be compiled separately.
            model.compile(dynamic=True)

    def encode_queries(self, texts: list[str]) -> Floats:
        """Return the vectors of queries."""
        return encode_fp32(self._model, texts, self._batch_size, input_type="query")

    def encode_passages(self, texts: list[str]) -> Floats:
        """Return the vectors of passages."""
        return encode_fp32(self._model, texts, self._batch_size, input_type="passage")


class VersionSystem:
    """Version folder, run by its own `runtime.py`, as when it is served.

    Attributes:
        description: description for the report.
        made_from: origin and digest of its weights, from its manifest.
    """

    def __init__(self, folder: Path, runtime: str = "auto") -> None:
        """Load the version.

        Raises:
            EvaluationError: The folder is not a version, or the runtime is not installed.
        """
        try:
            manifest = json.loads((folder / "manifest.json").read_bytes())
            self._encode = version_encoder(folder, runtime)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise EvaluationError(f"{folder} cannot be run as a version of the encoder: {error}.") from error
        self.description: dict[str, Any] = {
            "kind": f"version, {manifest.get('recipe', {}).get('precision', 'INT8')}",
            # A version that is not published yet has no number.
            **({"version": manifest["version"]} if manifest["version"] else {}),
            "name": manifest["name"],
            "digest": manifest["digest"],
            "dim": manifest["dim"],
            "max_length": manifest["max_length"],
            "runtime": runtime,
        }
        self.made_from: dict[str, str] = manifest.get("base", {})
        if calibration := manifest.get("recipe", {}).get("calibration"):
            self.description["calibration"] = ", ".join(f"{key}: {value}" for key, value in calibration.items())

    def encode_queries(self, texts: list[str]) -> Floats:
        """Return the vectors of queries."""
        return self._encode(texts, "query")

    def encode_passages(self, texts: list[str]) -> Floats:
        """Return the vectors of passages."""
        return self._encode(texts, "passage")


def system_description(system: AnySystem) -> dict[str, Any]:
    """Return the description of a system for the report."""
    if isinstance(system, Bm25):
        return {"kind": "BM25", "k1": system.k1, "b": system.b}
    found: dict[str, Any] = getattr(system, "description", {"kind": type(system).__name__})
    return found
