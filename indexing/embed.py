"""Embedding windows of papers in bulk: what the store knows is taken from it, the rest goes to the encoder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import numpy as np

from indexing.embedding_store import EmbeddingStore, text_digest
from papers import Paper
from retrieval_service.errors import SnapshotError
from retrieval_service.ports import Encoder, Rows


def every_position(store: EmbeddingStore, texts: Sequence[bytes]) -> Rows:
    """Return the positions of the vectors of texts that are all stored, int64 [n].

    Raises:
        SnapshotError: one of them is not.
    """
    positions = store.positions(texts)
    if lost := int(np.count_nonzero(positions < 0)):
        raise SnapshotError(
            f"The vectors of {lost:,} texts are not where they were stored: nothing was published; start again."
        )
    return positions


class Embedding:
    """A window of papers whose embedding is under way.

    Attributes:
        papers: the window.
        digests: what each paper's vector is stored under.
    """

    def __init__(
        self,
        papers: Sequence[Paper],
        digests: list[bytes],
        store: EmbeddingStore,
        known: int,
        tasks: list[asyncio.Task[int]],
    ) -> None:
        """Made by `EmbeddingPass.start`."""
        self.papers = papers
        self.digests = digests
        self._store = store
        self._known = known
        self._tasks = tasks

    async def stored(self, embedded: Callable[[int], None]) -> None:
        """Waits until all the vectors are stored and on the disk; `embedded` is told how many are so far."""
        done = self._known
        for finished in asyncio.as_completed(self._tasks):
            done += await finished
            embedded(done)
        await asyncio.to_thread(self._store.sync)

    @property
    def positions(self) -> Rows:
        """The store's position of every paper's vector, once they are stored.

        Raises:
            SnapshotError: one is not stored, although it should be.
        """
        return every_position(self._store, self.digests)

    async def cancel(self) -> None:
        """Gives up what is still under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class EmbeddingPass:
    """Embeds windows through an encoder with a bounded number of requests under way, across windows.

    Attributes:
        embedded: texts embedded so far.
    """

    def __init__(self, encoder: Encoder, store: EmbeddingStore, batch: int, in_flight: int) -> None:
        """Takes where vectors come from, where they are kept, texts per request and requests at once."""
        self.embedded = 0
        self._encoder = encoder
        self._store = store
        self._batch = batch
        self._slots = asyncio.Semaphore(in_flight)
        self._asked: set[bytes] = set()

    def start(self, papers: Sequence[Paper], texts: Sequence[str]) -> Embedding:
        """Begins to embed what the store does not have of these texts, longest first."""
        digests = [text_digest(text) for text in texts]
        missing: dict[bytes, str] = {}
        for digest, text, position in zip(digests, texts, self._store.positions(digests), strict=True):
            # A text another window is already waiting for is there when that window, which is earlier, is finished.
            if position < 0 and digest not in self._asked:
                missing[digest] = text
        self._asked |= missing.keys()
        ordered = sorted(missing.items(), key=lambda item: len(item[1]), reverse=True)
        batches = [ordered[at : at + self._batch] for at in range(0, len(ordered), self._batch)]
        tasks = [asyncio.create_task(self._embed(batch)) for batch in batches]
        return Embedding(papers, digests, self._store, len(papers) - len(ordered), tasks)

    async def _embed(self, batch: list[tuple[bytes, str]]) -> int:
        async with self._slots:
            vectors = (await self._encoder.embed_passages([text for _, text in batch])).vectors
        digests = [digest for digest, _ in batch]
        self._store.append(digests, vectors)
        self._asked.difference_update(digests)
        self.embedded += len(batch)
        return len(batch)
