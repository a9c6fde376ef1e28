"""The reranker behind Triton's model `reranker`."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from retrieval_service.adapters.triton_wire import Wire

_LOOK_SECONDS = 0.5


class TritonReranker:
    """The reranker of a Triton, whichever version it serves."""

    def __init__(self, wire: Wire, known_seconds: float = 5.0) -> None:
        """Take the connection, and how long an answer about its presence holds."""
        self._wire = wire
        self._known_seconds = known_seconds
        self._ready = False
        self._known_until = 0.0

    async def is_ready(self) -> bool:
        """Return True if Triton serves a reranker; asked again after seconds only."""
        if monotonic() > self._known_until:
            self._ready = await self._wire.has_reranker(_LOOK_SECONDS)
            self._known_until = monotonic() + self._known_seconds
        return self._ready

    async def score(self, query: str, passages: Sequence[str], seconds: float) -> NDArray[np.float32]:
        """Return the score of each passage.

        Raises:
            EncoderUnavailable: There are no scores in this time.
        """
        return await self._wire.score(query, passages, seconds)
