"""Add the vectors of a corpus whose records are indexed: at once, or in steps with a partial snapshot after each.

A large corpus is published without any vector first, so that it can be searched by words while its texts are embedded.
Each step embeds the newest papers that have no vector yet, and indexes all vectors so far. The last snapshot is whole.
Vectors are kept in the embedding store, so that a build that is killed embeds nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from pathlib import Path

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from akin.indexing.embed import WINDOW, EmbeddingPass, EmbeddingWindow, embed_windows, require_positions
from akin.indexing.embedding_store import EmbeddingStore
from akin.indexing.faiss_recipe import choose_recipe, exact_recipe
from akin.indexing.faiss_writer import CHUNK
from akin.indexing.options import BuildOptions, OnProgress, Progress
from akin.indexing.recall import QuerySample
from akin.indexing.snapshot_parts import copy_rows, fetch_papers, publish, write_vectors
from akin.papers import Paper
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import CATALOGUE, COVERED, IndexRecord, Manifest
from retrieval_service.corpus.snapshot_lock import SnapshotLock
from retrieval_service.ports import Encoder, Rows

STEPS = (0.01, 0.05, 0.2)
"""Shares of the papers with whose vectors a partial snapshot is published. Every step indexes all vectors so far, which
adds a quarter to the work of the last index."""

FEWEST = 2_000
"""Texts. So many take at most a minute on two cores with the default encoder: neither a whole corpus nor a step with
fewer is worth a partial snapshot."""

GoLive = Callable[[Manifest], None]
"""Function that makes a partial snapshot the live one."""


def plan_steps(papers: int, stored: int, shares: Sequence[float] | None, *, by_words: bool) -> list[int]:
    """Return the number of papers with vectors in each partial snapshot, ascending; empty for none.

    Args:
        papers: number of papers.
        stored: number of papers whose vectors are stored already.
        shares: shares of the papers to publish with; None for those that suit the corpus.
        by_words: begin with a snapshot without vectors.
    """
    least = FEWEST if shares is None else 1
    if papers - stored < least or shares == ():
        return []
    ends: list[int] = []
    for end in sorted({stored, *(ceil(share * papers) for share in (STEPS if shares is None else shares))}):
        reached = ends[-1] if ends else 0
        if stored <= end < papers and end - reached >= (1 if end == stored else least):
            ends.append(end)
    return [0, *ends] if by_words or not ends else ends


def embedding_order(days: NDArray[np.int32], stored: NDArray[np.bool_]) -> Rows:
    """Return all rows in the order in which they get vectors: stored ones, then the newest; without a date last."""
    return np.lexsort((-days, ~stored))


@dataclass
class VectorSteps:
    """Vectors of one corpus, and the snapshots that are published with them; used inside `SnapshotDirectory.new_build`.

    Attributes:
        snapshots: the published snapshots.
        place: folder of the parts that hold the papers: that of the build, or of the published `base`.
        draft: manifest of the snapshots, without what each of them has of its own.
        texts: digest of every row's text.
        encoder: makes the vectors.
        store: keeps the vectors.
        options: the options of the build.
        report: called with the progress.
        go_live: makes a partial snapshot the live one; by default at once.
        base: the published snapshot that has the parts; None while only the folder of the build has them.
    """

    snapshots: SnapshotDirectory
    place: Path
    draft: Manifest
    texts: NDArray[np.void]
    encoder: Encoder
    store: EmbeddingStore
    options: BuildOptions
    report: OnProgress
    go_live: GoLive | None = None
    base: Manifest | None = None
    _lock: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        """Prepare to embed the texts that are not stored."""
        self._embedding = EmbeddingPass(self.encoder, self.store, self.options.batch, self.options.in_flight)

    async def run(self, *, by_words: bool, sample: QuerySample | None = None) -> Manifest:
        """Publish a partial snapshot after each step, then the whole one; return its manifest.

        Args:
            by_words: where there are steps, begin with a snapshot without vectors.
            sample: queries to tune the last index with; drawn from the catalogue if None.
        """
        papers = self.draft.papers
        stored = await asyncio.to_thread(self._find, self.texts, self.store.positions) >= 0
        days = await asyncio.to_thread(self._days)
        order = embedding_order(days, stored)
        done = int(np.count_nonzero(stored))
        ends = plan_steps(papers, done, self.options.steps, by_words=by_words)
        if not ends:
            order = np.arange(papers)  # stored in the order of rows, vectors are read in one piece
        with self._lock:
            reached = 0
            for end in [*ends, papers]:
                rows = order[reached:end]
                rows = rows[~stored[rows]]
                await self._embed(rows, end - len(rows))
                if end < papers:
                    await self._publish_partial(np.sort(order[:end]))
                reached = end
            return await self._publish_whole(sample)

    async def _embed(self, rows: Rows, before: int) -> None:
        """Embed the texts of some rows; `before` papers have vectors already."""
        rest = iter(range(0, len(rows), WINDOW))
        with closing(SqliteCatalogue(self.place / CATALOGUE)) as catalogue:

            def read(_: Sequence[EmbeddingWindow]) -> list[Paper]:
                at = next(rest, len(rows))
                return list(fetch_papers(catalogue, rows[at : at + WINDOW].tolist()))

            written = before

            def write(window: EmbeddingWindow) -> None:
                nonlocal written
                written += len(window.papers)
                show(0)

            def show(done: int) -> None:
                self._show("embed", written + done)

            await embed_windows(self._embedding, read, write, show)

    async def _publish_partial(self, rows: Rows) -> None:
        """Publish a snapshot in which these rows have vectors, and make it live."""
        directory = await self._directory()
        sample = QuerySample()
        if len(rows):
            with closing(SqliteCatalogue(self.place / CATALOGUE)) as catalogue:
                sample = QuerySample.draw(lambda ids: catalogue.papers(rows[list(ids)].tolist()), len(rows))
        index = await self._write_vectors(directory, rows, sample)
        await asyncio.to_thread(rows.astype("<u4").tofile, directory / COVERED)
        before = self.base
        done = await self._publish(directory, index, with_vectors=len(rows), use=False)
        # Whoever has made another snapshot live since then wants that one.
        if before is None or self.snapshots.current() == before.id:
            go_live = self.go_live or (lambda published: self.snapshots.use(published.id))
            await asyncio.to_thread(go_live, done)
            await asyncio.to_thread(self.snapshots.remove_superseded)

    async def _publish_whole(self, sample: QuerySample | None) -> Manifest:
        directory = await self._directory()
        if sample is None:
            with closing(SqliteCatalogue(self.place / CATALOGUE)) as catalogue:
                sample = QuerySample.draw(catalogue.papers, self.draft.papers)
        index = await self._write_vectors(directory, np.arange(self.draft.papers), sample)
        done = await self._publish(directory, index, use=self.options.use)
        if self.options.use:
            await asyncio.to_thread(self.snapshots.remove_superseded)
        return done

    async def _directory(self) -> Path:
        """Return a folder with the parts that hold the papers."""
        self._show("index", 0)
        if self.base is None:
            return self.place
        directory = self.snapshots.another_build()
        await asyncio.to_thread(copy_rows, self.place, directory, self.base)
        return directory

    async def _write_vectors(self, directory: Path, rows: Rows, sample: QuerySample) -> IndexRecord:
        positions = await asyncio.to_thread(self._find, self.texts[rows], partial(require_positions, self.store))
        count, dim, options = len(rows), self.encoder.identity.dim, self.options
        recipe = exact_recipe("no paper has a vector yet")
        if count:
            recipe = choose_recipe(count, dim, exact_below=options.exact_below, memory_mb=options.memory_mb)
        return await write_vectors(
            directory,
            count,
            self.store.by_row(positions),
            self.encoder,
            sample,
            recipe=recipe,
            target=options.recall_target,
            on_tuning=lambda: self._show("tune", 0),
        )

    async def _publish(
        self, directory: Path, index: IndexRecord, *, with_vectors: int | None = None, use: bool
    ) -> Manifest:
        self._show("publish", self.draft.papers)
        draft = msgspec.structs.replace(
            self.draft,
            embedded=self._embedding.embedded,
            index=index,
            with_vectors=UNSET if with_vectors is None else with_vectors,
        )
        # The next snapshot copies the parts of this one, which must stay until then. It is locked before it has a name,
        # as another command may clear up partial snapshots.
        lock = SnapshotLock(directory)
        done = await asyncio.to_thread(publish, self.snapshots, directory, draft, use=use)
        self._lock.close()
        self._lock.callback(lock.close)
        self.place, self.base = self.snapshots.path(done.id), done
        return done

    @staticmethod
    def _find(texts: NDArray[np.void], positions: Callable[[Sequence[bytes]], Rows]) -> Rows:
        """Return the positions of texts, a bounded number of which are objects of Python at a time."""
        parts = [positions(texts[at : at + CHUNK].tolist()) for at in range(0, len(texts), CHUNK)]
        return np.concatenate([np.empty(0, np.int64), *parts])

    def _days(self) -> NDArray[np.int32]:
        with closing(SqliteCatalogue(self.place / CATALOGUE)) as catalogue:
            return catalogue.days

    def _show(self, stage: str, done: int) -> None:
        self.report(Progress(stage, done, self.draft.papers, self._embedding.embedded))
