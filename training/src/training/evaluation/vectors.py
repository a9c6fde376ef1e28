"""Encode many texts block by block, check the vectors, and cache each block.

An evaluation that was killed finds the blocks it had encoded, and encodes only the rest.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from akin.storage.durable import replace_file
from training.arrays import Floats
from training.errors import EvaluationError
from training.evaluation.systems import System, system_description

BLOCK = 512
_NOT_OF_VECTORS = ("version", "name", "fp32", "weights", "calibration")
_SECONDS_BETWEEN_REPORTS = 10


class Vectors:
    """Encoder of sets, with a cache on disk.

    The key of a block includes the system's description. Only a system whose description has a `digest` is cached: the
    vectors of a model in training change while its name stays the same.
    """

    def __init__(self, cache: Path | None, progress: Callable[[str], None]) -> None:
        """Cache vectors in the folder `cache`; None caches nothing."""
        self._cache = cache
        self._progress = progress

    def queries(self, system: System, texts: Sequence[str], label: str) -> Floats:
        """Return the vectors of queries, float32 [len(texts), dim]."""
        return self._encode(system, system.encode_queries, "queries", texts, label)

    def passages(self, system: System, texts: Sequence[str], label: str) -> Floats:
        """Return the vectors of passages, float32 [len(texts), dim]."""
        return self._encode(system, system.encode_passages, "passages", texts, label)

    def _encode(
        self, system: System, run: Callable[[list[str]], Floats], side: str, texts: Sequence[str], label: str
    ) -> Floats:
        """Return the vectors of texts, and report progress from time to time.

        Raises:
            EvaluationError: There is not one vector for each text, or a vector is not of length one.
        """
        description = system_description(system)
        cache = self._cache if description.get("digest") else None
        key = vectors_identity(description)
        blocks = []
        started = reported = time.monotonic()
        for start in range(0, len(texts), BLOCK):
            block = list(texts[start : start + BLOCK])
            identity = json.dumps([key, side, block], sort_keys=True)
            path = cache / f"{hashlib.sha256(identity.encode()).hexdigest()}.npy" if cache else None
            blocks.append(_block(_load(path) if path else None, run, path, block, label))
            now = time.monotonic()
            done = start + len(block)
            if now - reported >= _SECONDS_BETWEEN_REPORTS and done < len(texts):
                reported = now
                left = (now - started) / done * (len(texts) - done)
                self._progress(f"  {label}: {done:,} of {len(texts):,}, about {left:.0f} s to go")
        self._progress(f"  {label}: {len(texts):,} in {time.monotonic() - started:.1f} s")
        return np.concatenate(blocks)


def vectors_identity(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a system's description that decides its vectors: publishing an encoder keeps stored ones."""
    return {field: value for field, value in description.items() if field not in _NOT_OF_VECTORS}


def encode_checked(run: Callable[[list[str]], Floats], texts: list[str], label: str) -> Floats:
    """Return the vectors of texts.

    Raises:
        EvaluationError: There is not one vector for each text, or a vector is not of length one.
    """
    vectors = run(texts)
    if len(vectors) != len(texts):
        raise EvaluationError(f"{label}: {len(vectors)} vectors for {len(texts)} texts.")
    # The condition is negated so that NaN is refused too.
    if not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-2):
        raise EvaluationError(f"{label}: not all vectors have length one, so inner products are not cosines.")
    return vectors


def _block(
    found: Floats | None, run: Callable[[list[str]], Floats], path: Path | None, texts: list[str], label: str
) -> Floats:
    """Return the vectors `found` in the cache if there are any; otherwise encode the texts and cache the vectors.

    Raises:
        EvaluationError: There is not one vector for each text, a vector is not of length one, or the cache cannot be
            written.
    """
    if found is not None and len(found) == len(texts):
        return found
    vectors = encode_checked(run, texts, label)
    if path is not None:
        content = io.BytesIO()
        np.save(content, vectors)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content.getvalue())
        except OSError as error:
            raise EvaluationError(
                f"vectors cannot be cached in {path.parent}: {error.strerror}. Name another folder or make room."
            ) from error
    return vectors


def _load(path: Path) -> Floats | None:
    """Return cached vectors; None if the file is missing or not complete."""
    try:
        vectors: Floats = np.load(path)
    except (OSError, ValueError, EOFError):
        return None
    return vectors
