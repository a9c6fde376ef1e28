"""Embed the queries of searches that run together in few calls of the encoder."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, cast

from retrieval_service.errors import RetrievalError
from retrieval_service.ports import Corpus, EmbeddingBatch, EncoderIdentity, TextRole
from retrieval_service.search.many_texts import FEW_TEXTS

_Embedded = tuple[EmbeddingBatch, EncoderIdentity]


class EmbeddingCorpus(Corpus, Protocol):
    """Corpus that embeds several texts in one call."""

    async def embed_texts(self, texts: Sequence[str], role: TextRole) -> _Embedded:
        """Return the vectors of texts of one role."""


class _Waiting(NamedTuple):
    text: str
    role: TextRole
    embedded: asyncio.Future[_Embedded]


def join_embedding(corpus: EmbeddingCorpus) -> Corpus:
    """Return a corpus whose searches share calls of the encoder."""
    return cast(Corpus, _JoinedEmbedding(corpus))


class _JoinedEmbedding:
    """Corpus for the searches of one request: texts that come in one turn of the event loop are embedded together.

    Most searches are planned at once, so that their texts come in one turn. No text waits for another search.
    """

    def __init__(self, corpus: EmbeddingCorpus) -> None:
        """Take the corpus."""
        self._corpus = corpus
        self._waiting: list[_Waiting] = []
        self._calls: set[asyncio.Task[None]] = set()

    def __getattr__(self, name: str) -> Any:
        """Return any other part of the corpus."""
        return getattr(self._corpus, name)

    async def embed(self, text: str, role: TextRole = "query") -> _Embedded:
        """Return the vector of a text, and the encoder that made it."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(text, role, loop.create_future())
        self._waiting.append(waiting)
        if len(self._waiting) == 1:
            loop.call_soon(self._start)
        return await waiting.embedded

    def _start(self) -> None:
        """Start calls of the encoder for the texts that wait; more than a few texts would be bulk work there."""
        waiting, self._waiting = self._waiting, []
        for role in dict.fromkeys(each.role for each in waiting):
            same = [each for each in waiting if each.role == role]
            for at in range(0, len(same), FEW_TEXTS):
                call = asyncio.create_task(self._embed(same[at : at + FEW_TEXTS], role))
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)

    async def _embed(self, waiting: Sequence[_Waiting], role: TextRole) -> None:
        texts = list(dict.fromkeys(each.text for each in waiting))
        try:
            found, encoder = await self._corpus.embed_texts(texts, role)
        except Exception as error:  # every error must reach the searches, which wait for it
            for each in waiting:
                if not each.embedded.done():
                    each.embedded.set_exception(error.copy() if isinstance(error, RetrievalError) else error)
            return
        for each in waiting:
            if not each.embedded.done():
                row = texts.index(each.text)
                batch = EmbeddingBatch(found.vectors[row : row + 1], found.tokens[row : row + 1])
                each.embedded.set_result((batch, encoder))
