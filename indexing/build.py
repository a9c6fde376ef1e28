"""Building a snapshot: papers stream in, are embedded once, and come out as one published directory."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from indexing.embed import Embedding, EmbeddingPass
from indexing.embedding_store import EmbeddingStore
from indexing.faiss_recipe import recipe_for
from indexing.options import BuildOptions, Progress, Tell
from indexing.row_parts import Parts
from indexing.stream import Intake, stream
from indexing.vector_part import Sample, made_index, vectors_of
from papers import PASSAGE_TEXT_VERSION, Paper
from retrieval_service.adapters.english import ANALYSIS_VERSION
from retrieval_service.corpus.directory import SnapshotDirectory, snapshot_id
from retrieval_service.corpus.manifest import EncoderRecord, IndexRecord, Manifest, file_records, write_manifest
from retrieval_service.corpus.snapshot import check_opens
from retrieval_service.errors import NoPapers, SnapshotError
from retrieval_service.ports import Encoder, Rows

if TYPE_CHECKING:
    from papers.remote import Harvest


async def build_snapshot(
    papers: Iterable[Paper],
    encoder: Encoder,
    data: Path,
    *,
    source_name: str,
    options: BuildOptions | None = None,
    progress: Tell | None = None,
    harvest: Harvest | None = None,
) -> Manifest:
    """Builds and publishes a snapshot, and makes it the live one.

    Memory does not grow with the corpus but for some tens of bytes a paper, and the index. Killed at any moment, it
    leaves the published snapshots as they were, and the next build repeats at most the embeddings that were under way.

    Args:
        papers: the papers; of a `PaperReader` the report goes into the manifest and the size into the progress.
        encoder: makes the vectors.
        data: the data directory.
        source_name: what the manifest calls the source.
        options: how.
        progress: is told now and then how far it is.
        harvest: what the source is, where it was harvested.

    Returns:
        The manifest of the published snapshot.

    Raises:
        NoPapers: there was not one usable paper.
        BuildInProgress: another process is building in this data directory.
        EncoderUnavailable: Triton went away for longer than it is waited for; what was embedded is kept.
        SnapshotError: a file could not be written.
        PapersError: the source broke off.
    """
    build = _Build(papers, encoder, data, source_name, options or BuildOptions(), progress, harvest)
    try:
        return await build.run()
    except (OSError, sqlite3.Error) as error:
        raise SnapshotError(f"The snapshot could not be written below {data}: {error}") from error


class _Build:
    def __init__(
        self,
        papers: Iterable[Paper],
        encoder: Encoder,
        data: Path,
        source_name: str,
        options: BuildOptions,
        progress: Tell | None,
        harvest: Harvest | None,
    ) -> None:
        self.intake = Intake(papers)
        self.encoder = encoder
        self.identity = encoder.identity
        self.data = data
        self.snapshots = SnapshotDirectory(data)
        self.source_name = source_name
        self.options = options
        self.tell = progress or (lambda _: None)
        self.harvest = harvest
        self.count = 0
        self.positions: list[Rows] = []
        self.sample = Sample()

    async def run(self) -> Manifest:
        with (
            self.snapshots.new_build() as directory,
            EmbeddingStore(self.data / "embeddings" / self.identity.digest, self.identity.dim) as store,
        ):
            embedding = EmbeddingPass(self.encoder, store, self.options.batch, self.options.in_flight)
            parts = await asyncio.to_thread(Parts, directory, snapshot_id(directory))
            try:
                await self._stream(embedding, parts)
                if not self.count:
                    raise NoPapers(f"{self.source_name} holds no usable paper{self._reasons()}.")
                self._report("index", 0, embedding)
                await asyncio.to_thread(parts.close)
            finally:
                parts.abandon()
            index = await made_index(
                directory,
                self.count,
                vectors_of(store, np.concatenate(self.positions)),
                self.encoder,
                self.sample,
                recipe=recipe_for(
                    self.count,
                    self.identity.dim,
                    exact_below=self.options.exact_below,
                    memory_mb=self.options.memory_mb,
                ),
                target=self.options.recall_target,
                tuning=lambda: self._report("tune", 0, embedding),
            )
            self._report("publish", self.count, embedding)
            manifest = await asyncio.to_thread(self._publish, directory, index, embedding.embedded)
            if self.options.use:
                self.snapshots.use(manifest.id)
            return manifest

    async def _stream(self, embedding: EmbeddingPass, parts: Parts) -> None:
        taken: set[str] = set()

        def following(under_way: Sequence[Embedding]) -> list[Paper]:
            while some := self.intake.some():
                taken.clear()
                taken.update(paper.id for window in under_way for paper in window.papers)
                taken.update(parts.catalogue.known([paper.id for paper in some]))
                if usable := [paper for paper in some if self.intake.usable(paper, taken)]:
                    return usable
            return []

        def write(window: Embedding) -> None:
            parts.add(window.papers, window.digests)
            self.positions.append(window.positions)
            self.sample.offer(self.count, window.papers)
            self.count = parts.count
            self._report("embed", self.count, embedding)

        await stream(embedding, following, write, lambda done: self._report("embed", self.count + done, embedding))

    def _publish(self, directory: Path, index: IndexRecord, embedded: int) -> Manifest:
        who = self.identity
        manifest = Manifest(
            id=snapshot_id(directory),
            created=datetime.now(UTC).replace(microsecond=0),
            source=self.source_name,
            papers=self.count,
            rejected=self.intake.rejected,
            embedded=embedded,
            encoder=EncoderRecord(who.version, who.digest, who.dim, who.max_length),
            passage_text_version=PASSAGE_TEXT_VERSION,
            analysis_version=ANALYSIS_VERSION,
            index=index,
            files=file_records(directory),
            harvested=self.harvest.until if self.harvest else None,
            subset=self.harvest.subset if self.harvest else None,
            repository=self.harvest.url if self.harvest else None,
        )
        write_manifest(directory, manifest)
        check_opens(directory, manifest.id)
        self.snapshots.publish(directory)
        return manifest

    def _reasons(self) -> str:
        rejected = self.intake.rejected
        return f" (rejected: {', '.join(f'{n} {reason}' for reason, n in rejected.items())})" if rejected else ""

    def _report(self, stage: str, done: int, embedding: EmbeddingPass) -> None:
        total = self.intake.estimated if stage == "embed" else self.count
        self.tell(Progress(stage, done, total, embedding.embedded))
