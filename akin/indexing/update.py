"""Update a snapshot: make a new one from a published one and the changes of a source.

Unchanged parts are used again: texts are not embedded again, the catalogue is copied, the files of the lexical index
are linked, and vectors are replaced row by row in the trained index. The answers are those of a snapshot that is built
from the same papers in the same order; `docs/corpus.md` defines this exactly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from akin.indexing.catalogue_writer import CatalogueWriter
from akin.indexing.changes import ChangedPapers, Changes
from akin.indexing.embed import WINDOW, EmbeddingPass, require_positions
from akin.indexing.embedding_store import EmbeddingStore
from akin.indexing.faiss_recipe import choose_next_recipe, retrain_reason
from akin.indexing.harvest_date import claim_harvest
from akin.indexing.options import BuildOptions, OnProgress, Progress
from akin.indexing.recall import QuerySample
from akin.indexing.references.carrying import carry_references
from akin.indexing.snapshot_parts import (
    change_lexical,
    change_vectors,
    copy_catalogue,
    hold_base,
    inherit_index_record,
    link_lexical,
    load_digests,
    publish,
    require_whole,
    write_lexical,
    write_vectors,
)
from akin.papers import PASSAGE_TEXT_VERSION
from retrieval_service.adapters.english import ANALYSIS_VERSION
from retrieval_service.adapters.learned_words import read_learned
from retrieval_service.adapters.sqlite_catalogue import newest_day
from retrieval_service.corpus.digests import DIGESTS
from retrieval_service.corpus.directory import SnapshotDirectory, snapshot_id
from retrieval_service.corpus.manifest import CATALOGUE, LEXICAL, VECTORS, Change, IndexRecord, Manifest, check_digest
from retrieval_service.errors import EncoderMismatch, SnapshotError, SourceIncomplete
from retrieval_service.ports import Encoder, Rows

REWRITE_BELOW = 100_000
"""Papers. A smaller corpus gets a whole new lexical index after every replacement or withdrawal: that takes seconds."""

STALE_SHARE = 0.002
"""Share of removed texts that a larger lexical index still counts in its statistics. Above it, it is written anew."""


async def update_snapshot(
    source: ChangedPapers,
    encoder: Encoder,
    data: Path,
    *,
    base: str | None = None,
    options: BuildOptions | None = None,
    progress: OnProgress | None = None,
) -> Manifest:
    """Make a snapshot from another one and changes, publish it and make it the live one.

    Args:
        source: the changes.
        encoder: embeds new texts; it must be the encoder of the snapshot's vectors.
        data: the data directory.
        base: id of the snapshot; default: the live one.
        options: options.
        progress: called from time to time.

    Returns:
        The manifest of the new snapshot, or of the old one if nothing changed.

    Raises:
        NoSnapshot: there is no snapshot to update.
        EncoderMismatch: the encoder is another one.
        NoPapers: every paper would be withdrawn.
        SourceIncomplete: the source should be the whole corpus, but is cut off or lacks too many papers.
        SnapshotInvalid: a file of the old snapshot is damaged.
        BuildInProgress: another process is building in this data directory.
        EncoderUnavailable: Triton was away longer than the encoder's client waits; the vectors made so far are kept.
        SnapshotError: a file could not be written, the snapshot is partial, or it ranks words by learned weights.
        PapersError: the source could not be read to its end.
    """
    with hold_base(data, base) as (path, old):
        _check_encoder(old, encoder)
        require_whole(old)
        _check_words(path, old)
        _check_source(source)
        update = _Update(source, encoder, data, path, old, options or BuildOptions(), progress or (lambda _: None))
        return await update.run()


@dataclass
class _Update:
    source: ChangedPapers
    encoder: Encoder
    data: Path
    base: Path
    old: Manifest
    options: BuildOptions
    report: OnProgress

    async def run(self) -> Manifest:
        identity, snapshots = self.encoder.identity, SnapshotDirectory(self.data)
        with (
            snapshots.new_build() as directory,
            EmbeddingStore(self.data / "embeddings" / identity.digest, identity.dim) as store,
        ):
            self.report(Progress("copy", 0, self.old.papers, 0))
            changes = Changes(self.source, await asyncio.to_thread(load_digests, self.base, self.old))
            await asyncio.to_thread(copy_catalogue, self.base, directory, self.old)
            newest = await asyncio.to_thread(newest_day, directory / CATALOGUE)
            embedding = EmbeddingPass(self.encoder, store, self.options.batch, self.options.in_flight)
            catalogue = CatalogueWriter(directory / CATALOGUE, snapshot_id(directory), continued=True)
            try:
                if self.old.passage_text_version < PASSAGE_TEXT_VERSION:
                    await asyncio.to_thread(changes.clean, catalogue)
                await changes.read(embedding, catalogue, self.report)
                await asyncio.to_thread(changes.withdraw, catalogue)
                if not changes.any and has_present_rules(self.old):
                    return self.old
                self.report(Progress("index", 0, len(catalogue), embedding.embedded))
                stale = await asyncio.to_thread(self._write_lexical, directory, catalogue, changes.rewritten)
                index = await self._write_vectors(directory, store, embedding, catalogue, changes)
                await asyncio.to_thread(catalogue.close)
            finally:
                catalogue.abandon()
            self.report(Progress("publish", len(changes.digests), len(changes.digests), embedding.embedded))
            (directory / DIGESTS).write_bytes(changes.digests.tobytes())
            papers = len(changes.digests)
            references = await asyncio.to_thread(carry_references, self.base, directory, self.old, papers)
            draft = self._draft(index, changes, newest, stale, embedding.embedded)
            draft = msgspec.structs.replace(draft, references=references)
            return await asyncio.to_thread(publish, snapshots, directory, draft, use=self.options.use)

    @property
    def _analysis_changed(self) -> bool:
        return self.old.analysis_version != ANALYSIS_VERSION

    def _write_lexical(self, directory: Path, catalogue: CatalogueWriter, rewritten: set[int]) -> int:
        """Write the lexical index; return how many removed texts its statistics still count."""
        count = len(catalogue)
        kept = [row for row in rewritten if row < min(self.old.papers, count)]
        stale = (self.old.change.stale if self.old.change else 0) + len(kept) + max(0, self.old.papers - count)
        if self._analysis_changed or (stale and (count < REWRITE_BELOW or stale > STALE_SHARE * count)):
            write_lexical(directory, catalogue)
            return 0
        link_lexical(self.base, directory, self.old)
        change_lexical(directory, catalogue, self.old.papers, kept)
        return stale

    async def _write_vectors(
        self,
        directory: Path,
        store: EmbeddingStore,
        embedding: EmbeddingPass,
        catalogue: CatalogueWriter,
        changes: Changes,
    ) -> IndexRecord:
        count, old, below = len(catalogue), self.old.index, self.options.exact_below

        async def positions_of(rows: Rows) -> Rows:
            return await _find_or_embed(store, embedding, changes.digests["text"][rows].tolist(), rows, catalogue)

        if not retrain_reason(count, old.trained_on, old.recipe, exact_below=below, measured=old.chosen):
            kept = sorted(row for row in changes.revectored if row < min(self.old.papers, count))
            rows = np.asarray([*kept, *range(self.old.papers, count)], np.int64)
            positions = await positions_of(rows)

            def corpus(some: Rows) -> NDArray[np.float32]:
                return store.vectors(positions[np.searchsorted(rows, some)])

            await asyncio.to_thread(check_digest, self.base, VECTORS, self.old)
            if await asyncio.to_thread(change_vectors, self.base, directory, count, rows, corpus):
                return inherit_index_record(old, self.old.id)
        return await write_vectors(
            directory,
            count,
            store.by_row(await positions_of(np.arange(count))),
            self.encoder,
            QuerySample.draw(catalogue.papers, count),
            recipe=choose_next_recipe(old.recipe, old.k_factor, count, self.old.encoder.dim, exact_below=below),
            target=old.recall_target or self.options.recall_target,
            on_tuning=lambda: self.report(Progress("tune", 0, count, embedding.embedded)),
        )

    def _draft(self, index: IndexRecord, changes: Changes, newest: date | None, stale: int, embedded: int) -> Manifest:
        claim = claim_harvest(self.old, newest, self.source.harvest)
        return msgspec.structs.replace(
            self.old,
            papers=len(changes.digests),
            rejected=changes.intake.rejected,
            embedded=embedded,
            passage_text_version=PASSAGE_TEXT_VERSION,
            analysis_version=ANALYSIS_VERSION,
            index=index,
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
                older=changes.older,
            ),
            harvested=claim.until,
            repository=claim.repository,
        )


def has_present_rules(manifest: Manifest) -> bool:
    """Return True if the present rules made the texts and the terms of a snapshot."""
    made = manifest.passage_text_version, manifest.analysis_version
    return made == (PASSAGE_TEXT_VERSION, ANALYSIS_VERSION)


async def _find_or_embed(
    store: EmbeddingStore, embedding: EmbeddingPass, texts: Sequence[bytes], rows: Rows, catalogue: CatalogueWriter
) -> Rows:
    """Return the store's position of every row's vector; embed again the papers whose vectors the store has lost.

    Args:
        store: the embeddings.
        embedding: makes missing vectors.
        texts: the digest of every row's text.
        rows: the rows.
        catalogue: has the papers of the rows.
    """
    positions = await asyncio.to_thread(store.positions, texts)
    missing = rows[positions < 0].tolist()
    for at in range(0, len(missing), WINDOW):
        window = embedding.start(catalogue.papers(missing[at : at + WINDOW]))
        try:
            await window.wait_until_stored(lambda _: None)
        except BaseException:
            await window.cancel()
            raise
    return await asyncio.to_thread(require_positions, store, texts) if missing else positions


def _check_words(base: Path, manifest: Manifest) -> None:
    if learned := read_learned(base / LEXICAL):
        raise SnapshotError(
            f"Snapshot {manifest.id} ranks words by the weights of {learned.source}, and an update has none for new "
            "papers: build the index again from its source with --word-weights (no text is embedded twice)."
        )


def _check_source(source: ChangedPapers) -> None:
    harvest = source.harvest
    if source.complete and harvest is not None and harvest.since is not None:
        raise SourceIncomplete(
            f"{source.name} has what changed since {harvest.since}, and is not the whole corpus: update without "
            "--complete."
        )
    if source.complete and harvest is not None and harvest.incomplete:
        raise SourceIncomplete(
            f"{source.name} is not the whole corpus ({harvest.incomplete}): update without --complete."
        )


def _check_encoder(manifest: Manifest, encoder: Encoder) -> None:
    served = encoder.identity.digest
    if manifest.encoder.digest != served:
        raise EncoderMismatch(
            f"Snapshot {manifest.id} has vectors of encoder {manifest.encoder.digest[:12]}, and {served[:12]} is "
            "served: build the index again from its source, or promote the other encoder."
        )
    if manifest.passage_text_version > PASSAGE_TEXT_VERSION:
        raise SnapshotError(
            f"Snapshot {manifest.id} has texts of a later release (version {manifest.passage_text_version}, here "
            f"{PASSAGE_TEXT_VERSION}): update it with that release, or build the index again from its source."
        )
