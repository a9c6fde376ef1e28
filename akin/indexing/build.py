"""Build a snapshot: read papers, embed their texts, index them, and publish the result as one directory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from akin.indexing.embed import EmbeddingPass, EmbeddingWindow, PaperSource, embed_windows
from akin.indexing.embedding_store import EmbeddingStore
from akin.indexing.faiss_recipe import choose_recipe
from akin.indexing.options import BuildOptions, OnProgress, Progress
from akin.indexing.recall import QuerySample
from akin.indexing.snapshot_parts import RowWriter, publish, report_write_errors, write_vectors
from akin.papers import PASSAGE_TEXT_VERSION, Paper
from retrieval_service.adapters.english import ANALYSIS_VERSION
from retrieval_service.corpus.directory import SnapshotDirectory, snapshot_id
from retrieval_service.corpus.manifest import EncoderRecord, Manifest
from retrieval_service.errors import NoPapers
from retrieval_service.ports import Encoder, Rows

if TYPE_CHECKING:
    from akin.papers.remote import Harvest


async def build_snapshot(
    papers: Iterable[Paper],
    encoder: Encoder,
    data: Path,
    *,
    source_name: str,
    options: BuildOptions | None = None,
    progress: OnProgress | None = None,
    harvest: Harvest | None = None,
) -> Manifest:
    """Build and publish a snapshot, and make it the live one.

    Memory grows with the corpus only by some tens of bytes per paper and by the index. A build that is killed leaves
    the published snapshots unchanged, and the next build repeats at most the requests that were in flight.

    Args:
        papers: the papers; the report of a `PaperReader` goes into the manifest, and its size into the progress.
        encoder: makes the vectors.
        data: the data directory.
        source_name: name of the source in the manifest.
        options: options.
        progress: called from time to time.
        harvest: the harvest that wrote the source, if there is one.

    Returns:
        The manifest of the published snapshot.

    Raises:
        NoPapers: the source has no usable paper.
        BuildInProgress: another process is building in this data directory.
        EncoderUnavailable: Triton was away longer than the encoder's client waits; the vectors made so far are kept.
        SnapshotError: a file could not be written.
        PapersError: the source could not be read to its end.
    """
    options = options or BuildOptions()
    snapshots, identity, intake = SnapshotDirectory(data), encoder.identity, PaperSource(papers)
    with (
        report_write_errors(data),
        snapshots.new_build() as directory,
        EmbeddingStore(data / "embeddings" / identity.digest, identity.dim) as store,
    ):
        embedding = EmbeddingPass(encoder, store, options.batch, options.in_flight)
        rows = await asyncio.to_thread(RowWriter, directory, snapshot_id(directory))
        positions: list[Rows] = []
        sample = QuerySample()

        def report(stage: str, done: int) -> None:
            if progress is not None:
                total = intake.estimated_total if stage == "embed" else rows.count
                progress(Progress(stage, done, total, embedding.embedded))

        def write(window: EmbeddingWindow) -> None:
            sample.offer(rows.count, window.papers)
            rows.add(window.papers, window.digests)
            positions.append(window.positions)
            report("embed", rows.count)

        try:
            read = partial(_read_window, intake, rows)
            await embed_windows(embedding, read, write, lambda done: report("embed", rows.count + done))
            if not rows.count:
                raise NoPapers(f"{source_name} holds no usable paper{_reasons(intake)}.")
            report("index", 0)
            await asyncio.to_thread(rows.close)
        finally:
            rows.abandon()
        index = await write_vectors(
            directory,
            rows.count,
            store.by_row(np.concatenate(positions)),
            encoder,
            sample,
            recipe=choose_recipe(
                rows.count, identity.dim, exact_below=options.exact_below, memory_mb=options.memory_mb
            ),
            target=options.recall_target,
            on_tuning=lambda: report("tune", 0),
        )
        report("publish", rows.count)
        draft = Manifest(
            id="",
            created=datetime.now(UTC),
            source=source_name,
            papers=rows.count,
            rejected=intake.rejected,
            embedded=embedding.embedded,
            encoder=EncoderRecord(identity.version, identity.digest, identity.dim, identity.max_length),
            passage_text_version=PASSAGE_TEXT_VERSION,
            analysis_version=ANALYSIS_VERSION,
            index=index,
            files={},
            harvested=harvest.until if harvest else None,
            subset=harvest.subset if harvest else None,
            repository=harvest.url if harvest else None,
        )
        return await asyncio.to_thread(publish, snapshots, directory, draft, use=options.use)


def _read_window(intake: PaperSource, rows: RowWriter, in_flight: Sequence[EmbeddingWindow]) -> list[Paper]:
    """Return the next usable papers whose ids are not taken yet; an empty list at the end."""
    while window := intake.read_window():
        taken = {paper.id for earlier in in_flight for paper in earlier.papers}
        taken |= rows.catalogue.rows([paper.id for paper in window]).keys()
        if usable := [paper for paper in window if intake.accept(paper, taken)]:
            return usable
    return []


def _reasons(intake: PaperSource) -> str:
    rejected = intake.rejected
    return f" (rejected: {', '.join(f'{n} {reason}' for reason, n in rejected.items())})" if rejected else ""
