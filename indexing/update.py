"""Bringing a snapshot up to its source: a new snapshot made from a published one and what changed.

What did not change is taken over: texts are not embedded again, the catalogue is copied, the lexical index's files are
linked, and vectors are replaced row by row in the trained index. The answers are those of a snapshot built from the new
one's papers in the new one's order; `docs/corpus.md` says exactly what that means.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexing.catalogue_writer import CatalogueWriter
from indexing.changes import ChangedPapers, Changes
from indexing.embed import EmbeddingPass
from indexing.embedding_store import EmbeddingStore
from indexing.faiss_recipe import retraining_due, successor
from indexing.harvest_date import claimed
from indexing.options import BuildOptions, Progress, Tell
from indexing.row_parts import change_lexical, take_catalogue, take_digests, take_lexical, write_lexical
from indexing.vector_part import Sample, carried_over, changed_index, made_index, stored_positions, vectors_of
from papers import PASSAGE_TEXT_VERSION, Paper
from retrieval_service.adapters.english import ANALYSIS_VERSION
from retrieval_service.adapters.sqlite_catalogue import newest_day
from retrieval_service.corpus.digests import DIGESTS
from retrieval_service.corpus.directory import SnapshotDirectory, snapshot_id
from retrieval_service.corpus.manifest import (
    CATALOGUE,
    VECTORS,
    Change,
    IndexRecord,
    Manifest,
    check_digest,
    file_records,
    read_manifest,
    write_manifest,
)
from retrieval_service.corpus.snapshot import check_opens
from retrieval_service.corpus.snapshot_lock import SnapshotLock
from retrieval_service.errors import EncoderMismatch, NoSnapshot, SnapshotError, SourceIncomplete
from retrieval_service.ports import Encoder, Rows

REWRITE_BELOW = 100_000
"""Papers. Below, the lexical index is written whole after every withdrawal or replacement: it takes seconds."""

STALE_SHARE = 0.002
"""Above that size it is written whole when the words of more texts than this still count though they are gone."""


async def update_snapshot(
    source: ChangedPapers,
    encoder: Encoder,
    data: Path,
    *,
    base: str | None = None,
    options: BuildOptions | None = None,
    progress: Tell | None = None,
) -> Manifest:
    """Makes a snapshot of another and what changed, publishes it and makes it the live one.

    Args:
        source: the changes.
        encoder: makes the vectors of new texts; it must be the one that made the snapshot's.
        data: the data directory.
        base: the id of the snapshot; default: the live one.
        options: how.
        progress: is told now and then how far it is.

    Returns:
        The manifest of the new snapshot, or of the old one where nothing changed.

    Raises:
        NoSnapshot: there is none to bring up to date.
        EncoderMismatch: the encoder is another one.
        NoPapers: every paper would be withdrawn.
        SourceIncomplete: the source is to be the whole corpus, and is not, or lacks too much of it.
        SnapshotInvalid: a file of the old snapshot is damaged.
        BuildInProgress: another process is building in this data directory.
        EncoderUnavailable: Triton went away for longer than it is waited for; what was embedded is kept.
        SnapshotError: a file could not be written.
        PapersError: the source broke off.
    """
    snapshots = SnapshotDirectory(data)
    name = base or snapshots.current()
    if name is None:
        raise NoSnapshot("There is no snapshot to update; make the first with: akin index build SOURCE")
    path = snapshots.path(name)
    try:
        with closing(SnapshotLock(path)):
            return await _Update(
                source, encoder, data, path, options or BuildOptions(), progress or (lambda _: None)
            ).run()
    except (OSError, sqlite3.Error) as error:
        raise SnapshotError(f"The snapshot could not be written below {data}: {error}") from error


class _Update:
    def __init__(
        self, source: ChangedPapers, encoder: Encoder, data: Path, base: Path, options: BuildOptions, tell: Tell
    ) -> None:
        self.source = source
        self.encoder = encoder
        self.base = base
        self.data = data
        self.snapshots = SnapshotDirectory(data)
        self.options = options
        self.tell = tell
        self.old = read_manifest(base)
        _check(self.old, encoder)
        _check_source(source)
        self.before = self.old.papers
        self.newest: date | None = None

    async def run(self) -> Manifest:
        who = self.encoder.identity
        with (
            self.snapshots.new_build() as directory,
            EmbeddingStore(self.data / "embeddings" / who.digest, who.dim) as store,
        ):
            self.tell(Progress("copy", 0, self.before, 0))
            changes = Changes(self.source, await asyncio.to_thread(take_digests, self.base, self.old))
            await asyncio.to_thread(take_catalogue, self.base, directory, self.old)
            self.newest = await asyncio.to_thread(newest_day, directory / CATALOGUE)
            embedding = EmbeddingPass(self.encoder, store, self.options.batch, self.options.in_flight)
            catalogue = CatalogueWriter(directory / CATALOGUE, snapshot_id(directory), continued=True)
            try:
                await changes.read(embedding, catalogue, self.tell)
                await asyncio.to_thread(changes.withdraw, catalogue)
                if not (changes.any or self._reanalysed):
                    return self.old
                self.tell(Progress("index", 0, len(catalogue), embedding.embedded))
                stale = await asyncio.to_thread(self._lexical, directory, catalogue, changes.rewritten)
                index = await self._vectors(directory, store, embedding, catalogue, changes)
                await asyncio.to_thread(catalogue.close)
            finally:
                catalogue.abandon()
            self.tell(Progress("publish", len(changes.digests), len(changes.digests), embedding.embedded))
            manifest = await asyncio.to_thread(self._publish, directory, index, changes, stale, embedding.embedded)
            if self.options.use:
                self.snapshots.use(manifest.id)
            return manifest

    @property
    def _reanalysed(self) -> bool:
        return self.old.analysis_version != ANALYSIS_VERSION

    def _lexical(self, directory: Path, catalogue: CatalogueWriter, rewritten: set[int]) -> int:
        """Writes the lexical index; returns how many texts still count in its statistics though they are gone."""
        count = len(catalogue)
        kept = [row for row in rewritten if row < min(self.before, count)]
        stale = (self.old.change.stale if self.old.change else 0) + len(kept) + max(0, self.before - count)
        if self._reanalysed or (stale and (count < REWRITE_BELOW or stale > STALE_SHARE * count)):
            write_lexical(directory, catalogue)
            return 0
        take_lexical(self.base, directory, self.old)
        change_lexical(directory, catalogue, self.before, kept)
        return stale

    async def _vectors(
        self,
        directory: Path,
        store: EmbeddingStore,
        embedding: EmbeddingPass,
        catalogue: CatalogueWriter,
        changes: Changes,
    ) -> IndexRecord:
        count, old, below = len(catalogue), self.old.index, self.options.exact_below

        async def positions_of(rows: Rows) -> Rows:
            def fetch(places: Sequence[int]) -> list[Paper]:
                return catalogue.papers(rows[list(places)].tolist())

            return await stored_positions(store, embedding, changes.digests["text"][rows].tolist(), fetch)

        if not retraining_due(count, old.trained_on, old.recipe, exact_below=below, chosen=old.chosen):
            kept = sorted(row for row in changes.revectored if row < min(self.before, count))
            rows = np.asarray([*kept, *range(self.before, count)], np.int64)
            positions = await positions_of(rows)

            def corpus(some: Rows) -> NDArray[np.float32]:
                return store.vectors(positions[np.searchsorted(rows, some)])

            await asyncio.to_thread(check_digest, self.base, VECTORS, self.old)
            if await asyncio.to_thread(changed_index, self.base, directory, count, rows, corpus):
                return carried_over(old, self.old.id)
        positions = await positions_of(np.arange(count))
        return await made_index(
            directory,
            count,
            vectors_of(store, positions),
            self.encoder,
            Sample.drawn(catalogue.papers, count),
            recipe=successor(old.recipe, old.k_factor, count, self.old.encoder.dim, exact_below=below),
            target=old.recall_target or self.options.recall_target,
            tuning=lambda: self.tell(Progress("tune", 0, count, embedding.embedded)),
        )

    def _publish(self, directory: Path, index: IndexRecord, changes: Changes, stale: int, embedded: int) -> Manifest:
        (directory / DIGESTS).write_bytes(changes.digests.tobytes())
        who = self.old.encoder
        claim = claimed(self.old, self.newest, self.source.harvest)
        manifest = Manifest(
            id=snapshot_id(directory),
            created=datetime.now(UTC).replace(microsecond=0),
            source=self.old.source,
            papers=len(changes.digests),
            rejected=changes.intake.rejected,
            embedded=embedded,
            encoder=who,
            passage_text_version=PASSAGE_TEXT_VERSION,
            analysis_version=ANALYSIS_VERSION,
            index=index,
            files=file_records(directory),
            change=Change(
                base=self.old.id,
                source=self.source.name,
                added=changes.added,
                replaced=changes.replaced,
                withdrawn=changes.withdrawn,
                unchanged=changes.unchanged,
                stale=stale,
                kept=changes.kept,
                unclaimed=claim.unclaimed,
            ),
            harvested=claim.until,
            subset=self.old.subset,
            repository=claim.repository,
        )
        write_manifest(directory, manifest)
        check_opens(directory, manifest.id)
        self.snapshots.publish(directory)
        return manifest


def _check_source(source: ChangedPapers) -> None:
    harvest = source.harvest
    if source.complete and harvest is not None and harvest.since is not None:
        raise SourceIncomplete(
            f"{source.name} has what changed since {harvest.since}, and is not the whole corpus: update without "
            "--complete."
        )


def _check(manifest: Manifest, encoder: Encoder) -> None:
    served = encoder.identity.digest
    if manifest.encoder.digest != served:
        raise EncoderMismatch(
            f"Snapshot {manifest.id} has vectors of encoder {manifest.encoder.digest[:12]}, and {served[:12]} is "
            "served: build the index again from its source, or promote the other encoder."
        )
    if manifest.passage_text_version != PASSAGE_TEXT_VERSION:
        raise SnapshotError(
            f"Snapshot {manifest.id} has vectors of another text of each paper (version "
            f"{manifest.passage_text_version}, now {PASSAGE_TEXT_VERSION}): build the index again from its source."
        )
