"""Embed papers in windows: read one while the vectors of another are made, and send only texts that are not stored."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from akin.indexing.embedding_store import EmbeddingStore, text_digest
from akin.papers import Paper, PaperReader, passage_text
from retrieval_service.errors import SnapshotError
from retrieval_service.ports import Encoder, Rows

# A window is sorted by length before it is cut into requests, so that texts of similar length share a request.
WINDOW = 2048
_WINDOWS_IN_FLIGHT = 2


class PaperSource:
    """Source of papers, read in windows, with the numbers of records that were not taken."""

    def __init__(self, papers: Iterable[Paper]) -> None:
        """Take any papers; a `PaperReader` also reports its progress and the records that it rejected."""
        self.reader = papers if isinstance(papers, PaperReader) else None
        self._papers = iter(papers)
        self._rejected: Counter[str] = Counter()
        self._without_text: set[str] = set()

    def read_window(self) -> list[Paper]:
        """Return the next papers; an empty list at the end."""
        return list(islice(self._papers, WINDOW))

    def accept(self, paper: Paper, taken: set[str]) -> bool:
        """Return True and add the paper's id to `taken`, or count the paper as rejected and return False."""
        if not passage_text(paper):
            self._rejected["no_text"] += 1
            self._without_text.add(paper.id)
        elif paper.id in taken:
            self._rejected["duplicate_id"] += 1
        else:
            taken.add(paper.id)
            return True
        return False

    @property
    def unusable_ids(self) -> set[str]:
        """Ids of papers that the source contains, but whose records cannot be used."""
        return self._without_text | (self.reader.report.rejected_ids if self.reader else set())

    @property
    def rejected(self) -> dict[str, int]:
        """Number of records that were not taken, by reason."""
        total = Counter(self._rejected)
        if self.reader is not None:
            total.update({str(reason): count for reason, count in self.reader.report.rejected.items()})
        return dict(sorted(total.items()))

    @property
    def estimated_total(self) -> int | None:
        """Number of papers in the source, estimated from the share of the file that is read; None if unknown."""
        reader = self.reader
        if reader is None or not reader.bytes_total or not reader.bytes_read:
            return None
        return round(reader.report.kept * reader.bytes_total / reader.bytes_read)


def require_positions(store: EmbeddingStore, digests: Sequence[bytes]) -> Rows:
    """Return the positions of the vectors of texts that must all be stored, int64 [n].

    Raises:
        SnapshotError: a vector is missing.
    """
    positions = store.positions(digests)
    if lost := int(np.count_nonzero(positions < 0)):
        raise SnapshotError(f"{lost:,} stored vectors are missing. Nothing was published; run the command again.")
    return positions


@dataclass(frozen=True)
class EmbeddingWindow:
    """Papers whose texts are being embedded.

    Attributes:
        papers: the papers.
        digests: digest of each paper's text, the key of its vector in the store.
        store: the store.
        stored_before: number of papers whose vectors need no request of this window.
        tasks: the requests; each returns its number of texts.
    """

    papers: Sequence[Paper]
    digests: list[bytes]
    store: EmbeddingStore
    stored_before: int
    tasks: list[asyncio.Task[int]]

    async def wait_until_stored(self, on_progress: Callable[[int], None]) -> None:
        """Wait until all vectors are on the disk; call `on_progress` with the number of vectors made so far."""
        done = self.stored_before
        for finished in asyncio.as_completed(self.tasks):
            done += await finished
            on_progress(done)
        await asyncio.to_thread(self.store.sync)

    async def cancel(self) -> None:
        """Cancel the requests that are not finished."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class EmbeddingPass:
    """Embeds windows of papers, with a bounded number of requests at the same time over all windows.

    Attributes:
        embedded: number of texts embedded so far.
    """

    def __init__(self, encoder: Encoder, store: EmbeddingStore, batch: int, in_flight: int) -> None:
        """Take the encoder, the store of its vectors, the texts per request and the requests at the same time."""
        self.embedded = 0
        self._encoder = encoder
        self._store = store
        self._batch = batch
        self._slots = asyncio.Semaphore(in_flight)
        self._requested: set[bytes] = set()

    def start(self, papers: Sequence[Paper]) -> EmbeddingWindow:
        """Start to embed the papers' texts that are not stored yet, the longest first."""
        texts = [passage_text(paper) for paper in papers]
        digests = [text_digest(text) for text in texts]
        missing: dict[bytes, str] = {}
        for digest, text, position in zip(digests, texts, self._store.positions(digests), strict=True):
            # A text that an earlier window has requested is stored when that window is finished.
            if position < 0 and digest not in self._requested:
                missing[digest] = text
        self._requested |= missing.keys()
        ordered = sorted(missing.items(), key=lambda item: len(item[1]), reverse=True)
        batches = [ordered[at : at + self._batch] for at in range(0, len(ordered), self._batch)]
        tasks = [asyncio.create_task(self._embed(batch)) for batch in batches]
        return EmbeddingWindow(papers, digests, self._store, len(papers) - len(ordered), tasks)

    async def _embed(self, batch: list[tuple[bytes, str]]) -> int:
        async with self._slots:
            vectors = (await self._encoder.embed_passages([text for _, text in batch])).vectors
        digests = [digest for digest, _ in batch]
        self._store.append(digests, vectors)
        self._requested.difference_update(digests)
        self.embedded += len(batch)
        return len(batch)


ReadWindow = Callable[[Sequence[EmbeddingWindow]], list[Paper]]
"""Returns the papers of the next window, given the windows that are not written yet; an empty list at the end."""


async def embed_windows(
    embedding: EmbeddingPass,
    read: ReadWindow,
    write: Callable[[EmbeddingWindow], None],
    on_progress: Callable[[int], None],
) -> None:
    """Read, embed and write all windows in order; reading and writing never run at the same time.

    Args:
        embedding: makes the vectors.
        read: returns the papers of the next window.
        write: writes a window whose vectors are all stored.
        on_progress: called with the number of papers of the oldest window that have vectors.
    """
    in_flight: deque[EmbeddingWindow] = deque()

    async def finish_oldest() -> None:
        window = in_flight[0]
        await window.wait_until_stored(on_progress)
        await asyncio.to_thread(write, window)
        in_flight.popleft()

    try:
        while papers := await asyncio.to_thread(read, in_flight):
            in_flight.append(embedding.start(papers))
            if len(in_flight) >= _WINDOWS_IN_FLIGHT:
                await finish_oldest()
        while in_flight:
            await finish_oldest()
    finally:
        for window in in_flight:
            await window.cancel()
