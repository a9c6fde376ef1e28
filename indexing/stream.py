"""Papers through the encoder, window by window: while one is written and embedded, the next is read and embedded."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from indexing.embed import Embedding, EmbeddingPass
from papers import Paper, PaperReader, passage_text

# Requests are cut from a window sorted by length, so that texts of one length travel together.
WINDOW = 2048
_UNDER_WAY = 2

Next = Callable[[Sequence[Embedding]], list[Paper]]
"""Reads the next window, given those that are not written yet; empty at the end."""


class Intake:
    """A source of papers, read in windows, with an account of what was not taken."""

    def __init__(self, papers: Iterable[Paper]) -> None:
        """Takes any papers; a `PaperReader` also tells how far it is and what it set aside itself."""
        self.reader = papers if isinstance(papers, PaperReader) else None
        self._papers = iter(papers)
        self._rejected: Counter[str] = Counter()
        self._without_text: set[str] = set()

    def some(self) -> list[Paper]:
        """The next papers; empty at the end."""
        return list(islice(self._papers, WINDOW))

    def usable(self, paper: Paper, taken: set[str]) -> bool:
        """Whether a paper can be taken, which makes its id a taken one; otherwise it is counted as rejected."""
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
    def met(self) -> set[str]:
        """Return the ids of records that were not taken and are of papers that are there."""
        return self._without_text | (self.reader.report.rejected_ids if self.reader else set())

    @property
    def rejected(self) -> dict[str, int]:
        """Records that were not taken, by reason."""
        total = Counter(self._rejected)
        if self.reader is not None:
            total.update({str(reason): count for reason, count in self.reader.report.rejected.items()})
        return dict(sorted(total.items()))

    @property
    def estimated(self) -> int | None:
        """Papers there will be, by the share of the file that is read; None when that cannot be told."""
        reader = self.reader
        if reader is None or not reader.bytes_total or not reader.bytes_read:
            return None
        return round(reader.report.kept * reader.bytes_total / reader.bytes_read)


async def stream(
    embedding: EmbeddingPass,
    following: Next,
    write: Callable[[Embedding], None],
    embedded: Callable[[int], None],
) -> None:
    """Reads, embeds and writes all windows, the windows in order; reading and writing never happen at once.

    Args:
        embedding: where the vectors come from.
        following: reads the next window.
        write: takes a window whose vectors are all stored.
        embedded: is told how many papers of the window in hand have vectors so far.
    """
    under_way: deque[Embedding] = deque()
    try:
        while window := await asyncio.to_thread(following, under_way):
            under_way.append(embedding.start(window, [passage_text(paper) for paper in window]))
            if len(under_way) >= _UNDER_WAY:
                await _finish(under_way, write, embedded)
        while under_way:
            await _finish(under_way, write, embedded)
    finally:
        for unfinished in under_way:
            await unfinished.cancel()


async def _finish(
    under_way: deque[Embedding], write: Callable[[Embedding], None], embedded: Callable[[int], None]
) -> None:
    window = under_way[0]
    await window.stored(embedded)
    await asyncio.to_thread(write, window)
    under_way.popleft()
