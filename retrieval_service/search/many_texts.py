"""Embed the texts of one request, few or many."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from retrieval_service.errors import EncoderUnavailable
from retrieval_service.ports import EmbeddingBatch, EncoderIdentity, InputType

FEW_TEXTS = 8
"""Texts that the encoder answers as queries at once; more are bulk work (`BULK_FROM_TEXTS` of `text_encoder`)."""
_TOGETHER = 64
_AT_ONCE = 4  # calls of the encoder, so that all of its threads have work


class TextEmbedder(Protocol):
    """Embeds texts by the encoder that is served now."""

    async def embed_texts(
        self, texts: Sequence[str], role: InputType, *, bulk: bool
    ) -> tuple[EmbeddingBatch, EncoderIdentity]:
        """Return the vectors of texts, and the encoder that made them."""


async def embed_many(
    embedder: TextEmbedder, texts: Sequence[str], role: InputType, encoder: EncoderIdentity
) -> EmbeddingBatch:
    """Return the vectors of texts, all made by one encoder.

    Raises:
        Unavailable: There are no vectors now, or another encoder is served meanwhile.
    """
    # Texts of similar length cost least together.
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    bulk = len(texts) > FEW_TEXTS
    slots = asyncio.Semaphore(_AT_ONCE)

    async def part(members: Sequence[int]) -> EmbeddingBatch:
        async with slots:
            found, made_by = await embedder.embed_texts([texts[at] for at in members], role, bulk=bulk)
        if made_by.digest != encoder.digest:
            raise EncoderUnavailable("The encoder was changed while the texts were embedded; repeat the request.")
        return found

    tasks = [asyncio.create_task(part(order[at : at + _TOGETHER])) for at in range(0, len(order), _TOGETHER)]
    try:
        parts = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    vectors, tokens = np.empty((len(texts), encoder.dim), np.float32), np.empty(len(texts), np.int32)
    vectors[order] = np.concatenate([each.vectors for each in parts])
    tokens[order] = np.concatenate([each.tokens for each in parts])
    return EmbeddingBatch(vectors, tokens)
