"""Vectors of many texts: encoded a block at a time, checked, and kept so that no encoder reads a set twice."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from papers.durable import replace_file
from training.errors import EvaluationError
from training.evaluation.systems import System, describe
from training.linear_layers import Floats

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
        description = describe(system)
        if self._cache is None or not description.get("digest"):
            return self._encode(run, texts, label)
        identity = json.dumps([description, side, list(texts)], sort_keys=True)
        path = self._cache / f"{hashlib.sha256(identity.encode()).hexdigest()}.npy"
        try:
            vectors: Floats = np.load(path)
        except (OSError, ValueError, EOFError):
            # Not there, or not whole: it is made (again).
            vectors = self._encode(run, texts, label)
            content = io.BytesIO()
            np.save(content, vectors)
            try:
                self._cache.mkdir(parents=True, exist_ok=True)
                replace_file(path, content.getvalue())
            except OSError as error:
                self._progress(f"  {label}: the vectors could not be kept in {self._cache} ({error.strerror})")
        else:
            self._progress(f"  {label}: {len(texts):,} kept from before")
        return vectors

    def _encode(self, run: Callable[[list[str]], Floats], texts: Sequence[str], label: str) -> Floats:
        """Encodes texts a block at a time, telling now and then how far it is.

        Raises:
            EvaluationError: The vectors are not one a text, or are not of length one.
        """
        blocks = []
        started = told = time.monotonic()
        for start in range(0, len(texts), AT_ONCE):
            blocks.append(run(list(texts[start : start + AT_ONCE])))
            now = time.monotonic()
            done = min(start + AT_ONCE, len(texts))
            if now - told >= _SECONDS_BETWEEN_LINES and done < len(texts):
                told = now
                left = (now - started) / done * (len(texts) - done)
                self._progress(f"  {label}: {done:,} of {len(texts):,}, about {left:.0f} s to go")
        vectors = np.concatenate(blocks)
        if len(vectors) != len(texts):
            raise EvaluationError(f"{label}: {len(vectors)} vectors for {len(texts)} texts.")
        # Written so that what is no number is refused as well.
        if not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-2):
            raise EvaluationError(f"{label}: not all vectors have length one, so inner products are no cosines.")
        self._progress(f"  {label}: {len(texts):,} in {time.monotonic() - started:.1f} s")
        return vectors
