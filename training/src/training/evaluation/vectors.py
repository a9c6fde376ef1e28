"""Vectors of many texts: encoded a block at a time, checked, and kept, so that no encoder reads a text of a set twice.

Blocks are kept one by one: an evaluation that is killed goes on where it was.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from storage.durable import replace_file
from training.arrays import Floats
from training.errors import EvaluationError
from training.evaluation.systems import System, system_description

AT_ONCE = 512
_SECONDS_BETWEEN_LINES = 10


class Vectors:
    """The vectors of sets by systems.

    An encoder is known by its description, and kept only where that has a `digest`: what is still being trained
    changes under one name.
    """

    def __init__(self, cache: Path | None, progress: Callable[[str], None]) -> None:
        """Keeps vectors in the folder `cache`, or none at all."""
        self._cache = cache
        self._progress = progress

    def queries(self, system: System, texts: Sequence[str], label: str) -> Floats:
        """The vectors of queries, float32 [len(texts), dim]."""
        return self._kept(system, system.encode_queries, "queries", texts, label)

    def passages(self, system: System, texts: Sequence[str], label: str) -> Floats:
        """The vectors of passages, float32 [len(texts), dim]."""
        return self._kept(system, system.encode_passages, "passages", texts, label)

    def _kept(
        self, system: System, run: Callable[[list[str]], Floats], side: str, texts: Sequence[str], label: str
    ) -> Floats:
        """Encodes texts a block at a time, telling now and then how far it is.

        Raises:
            EvaluationError: The vectors are not one a text, or are not of length one.
        """
        description = system_description(system)
        kept = self._cache if description.get("digest") else None
        # A number and a name decide no vector: an encoder that is published is still the one that was compared.
        known = {key: value for key, value in description.items() if key not in ("version", "name")}
        blocks = []
        started = told = time.monotonic()
        for start in range(0, len(texts), AT_ONCE):
            block = list(texts[start : start + AT_ONCE])
            identity = json.dumps([known, side, block], sort_keys=True)
            path = kept / f"{hashlib.sha256(identity.encode()).hexdigest()}.npy" if kept else None
            blocks.append(_block(_load(path) if path else None, run, path, block, label))
            now = time.monotonic()
            done = start + len(block)
            if now - told >= _SECONDS_BETWEEN_LINES and done < len(texts):
                told = now
                left = (now - started) / done * (len(texts) - done)
                self._progress(f"  {label}: {done:,} of {len(texts):,}, about {left:.0f} s to go")
        self._progress(f"  {label}: {len(texts):,} in {time.monotonic() - started:.1f} s")
        return np.concatenate(blocks)


def _block(
    found: Floats | None, run: Callable[[list[str]], Floats], path: Path | None, texts: list[str], label: str
) -> Floats:
    """A block's vectors, as they were kept or encoded now and kept.

    Raises:
        EvaluationError: The vectors are not one a text, or are not of length one, or cannot be kept.
    """
    if found is not None and len(found) == len(texts):
        return found
    vectors = run(texts)
    if len(vectors) != len(texts):
        raise EvaluationError(f"{label}: {len(vectors)} vectors for {len(texts)} texts.")
    # Written so that what is no number is refused as well.
    if not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-2):
        raise EvaluationError(f"{label}: not all vectors have length one, so inner products are no cosines.")
    if path is not None:
        content = io.BytesIO()
        np.save(content, vectors)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content.getvalue())
        except OSError as error:
            raise EvaluationError(f"vectors cannot be kept in {path.parent}: {error.strerror}.") from error
    return vectors


def _load(path: Path) -> Floats | None:
    """Vectors that were kept; None where there are none, or the file is not whole."""
    try:
        vectors: Floats = np.load(path)
    except (OSError, ValueError, EOFError):
        return None
    return vectors
