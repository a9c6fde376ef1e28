"""Build a snapshot: read papers, index their words, embed their texts, and publish the result as one directory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from akin.indexing.embed import PaperSource
from akin.indexing.embedding_store import EmbeddingStore, text_digest
from akin.indexing.learned_weights import LearnedWeights
from akin.indexing.options import BuildOptions, OnProgress, Progress
from akin.indexing.recall import QuerySample
from akin.indexing.snapshot_parts import RowWriter, hold_base, load_digests, report_write_errors
from akin.indexing.update import has_present_rules
from akin.indexing.vector_steps import GoLive, VectorSteps
from akin.papers import PASSAGE_TEXT_VERSION, Paper, passage_text
from retrieval_service.adapters.english import ANALYSIS_VERSION
from retrieval_service.corpus.digests import DIGESTS, read_digests
from retrieval_service.corpus.directory import SnapshotDirectory, snapshot_id
from retrieval_service.corpus.manifest import EncoderRecord, IndexRecord, Manifest, read_manifest
from retrieval_service.errors import EncoderMismatch, NoPapers, SnapshotError
from retrieval_service.ports import Encoder

if TYPE_CHECKING:
    from akin.indexing.bulk.files import EmbeddingFolder
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
    go_live: GoLive | None = None,
) -> Manifest:
    """Build and publish a snapshot, and make it the live one.

    Memory grows with the corpus only by some tens of bytes per paper and by the index. A build that is killed leaves
    the published snapshots unchanged, and the next build repeats at most the requests that were in flight.

    With steps in the options, partial snapshots are published and made live before the whole one, unless a whole
    snapshot of the same source is live.

    Args:
        papers: the papers; the report of a `PaperReader` goes into the manifest, and its size into the progress.
        encoder: makes the vectors.
        data: the data directory.
        source_name: name of the source in the manifest.
        options: options.
        progress: called from time to time.
        harvest: the harvest that wrote the source, if there is one.
        go_live: makes a partial snapshot the live one; by default its name is written to CURRENT.

    Returns:
        The manifest of the whole snapshot.

    Raises:
        NoPapers: the source has no usable paper.
        BuildInProgress: another process is building in this data directory.
        EncoderUnavailable: Triton was away longer than the encoder's client waits; the vectors made so far are kept.
        SnapshotError: a file could not be written, the file of word weights is wrong or lacks a paper, or the folder of
            embeddings is damaged, not complete, or by another encoder.
        PapersError: the source could not be read to its end.
    """
    options, report = options or BuildOptions(), progress or (lambda _: None)
    snapshots, identity, intake = SnapshotDirectory(data), encoder.identity, PaperSource(papers)
    with (
        report_write_errors(data),
        snapshots.new_build() as directory,
        EmbeddingStore(data / "embeddings" / identity.digest, identity.dim) as store,
    ):
        given = await asyncio.to_thread(_open_embeddings, options.embeddings, identity.digest)
        before = _live_manifest(snapshots)
        sample = QuerySample()
        if not await _read_rows(intake, directory, sample, report, options.word_weights):
            raise NoPapers(f"{source_name} holds no usable paper{_reasons(intake)}.")
        texts = (await asyncio.to_thread(read_digests, directory / DIGESTS))["text"].copy()
        if given is not None:
            await asyncio.to_thread(given.copy_to, store, texts)
        draft = Manifest(
            id="",
            created=datetime.now(UTC),
            source=source_name,
            papers=len(texts),
            rejected=intake.rejected,
            embedded=0,
            encoder=EncoderRecord(identity.version, identity.digest, identity.dim, identity.max_length),
            passage_text_version=PASSAGE_TEXT_VERSION,
            analysis_version=ANALYSIS_VERSION,
            index=IndexRecord("", ""),
            files={},
            harvested=harvest.until if harvest else None,
            subset=harvest.subset if harvest else None,
            repository=harvest.url if harvest else None,
        )
        same = before if before is not None and before.source == source_name else None
        if same and not same.partial:
            # What is searched now stays whole until all papers of the new snapshot have vectors.
            options = replace(options, steps=())
        steps = VectorSteps(
            snapshots,
            directory,
            draft,
            texts,
            encoder,
            store,
            options,
            report,
            go_live,
        )
        # The partial snapshot of a build that was killed has vectors, which searches must not lose.
        continued = same is not None and same.encoder.digest == identity.digest
        return await steps.run(by_words=not continued, sample=sample)


async def complete_snapshot(
    encoder: Encoder,
    data: Path,
    *,
    options: BuildOptions | None = None,
    progress: OnProgress | None = None,
    go_live: GoLive | None = None,
) -> Manifest:
    """Add the missing vectors to the live snapshot, which is partial; publish a whole one and make it the live one.

    The source is not read again. Args, and errors that are not named here, are those of `build_snapshot`.

    Raises:
        NoSnapshot: there is no live snapshot.
        EncoderMismatch: another encoder made the vectors that the snapshot has.
        SnapshotInvalid: a file of the snapshot is damaged.
    """
    options, report = options or BuildOptions(steps=None), progress or (lambda _: None)
    snapshots, identity = SnapshotDirectory(data), encoder.identity
    with hold_base(data, None) as (path, old):
        if old.encoder.digest != identity.digest:
            raise EncoderMismatch(
                f"Snapshot {old.id} has vectors of encoder {old.encoder.digest[:12]}, and {identity.digest[:12]} is "
                f"served: build it again (akin index build {old.source}), or promote the other encoder."
            )
        if not has_present_rules(old):
            raise SnapshotError(
                f"Snapshot {old.id} is partial and of another release: build it again (akin index build {old.source}; "
                "nothing is embedded twice)."
            )
        with snapshots.new_build(), EmbeddingStore(data / "embeddings" / identity.digest, identity.dim) as store:
            texts = (await asyncio.to_thread(load_digests, path, old))["text"].copy()
            steps = VectorSteps(
                snapshots,
                path,
                msgspec.structs.replace(old, with_vectors=UNSET),
                texts,
                encoder,
                store,
                options,
                report,
                go_live,
                base=old,
            )
            return await steps.run(by_words=False)


async def _read_rows(
    intake: PaperSource, directory: Path, sample: QuerySample, report: OnProgress, word_weights: Path | None
) -> int:
    """Write the parts that hold the papers of a source (catalogue, lexical index, digests); return their number."""
    weights = await asyncio.to_thread(LearnedWeights, word_weights) if word_weights else None
    rows = await asyncio.to_thread(RowWriter, directory, snapshot_id(directory), weights)

    def write() -> bool:
        window = intake.read_window()
        taken = set(rows.catalogue.rows([paper.id for paper in window]))
        papers = [paper for paper in window if intake.accept(paper, taken)]
        sample.offer(rows.count, papers)
        rows.add(papers, [text_digest(passage_text(paper)) for paper in papers])
        report(Progress("read", rows.count, intake.estimated_total, 0))
        return bool(window)

    try:
        while await asyncio.to_thread(write):
            pass
        if rows.count:
            report(Progress("index", 0, rows.count, 0))
            await asyncio.to_thread(rows.close)
        return rows.count
    finally:
        rows.abandon()


def _open_embeddings(address: str | None, digest: str) -> EmbeddingFolder | None:
    """Return the vectors that a build is given; None if it is given none."""
    if address is None:
        return None
    from akin.indexing.bulk.files import EmbeddingFolder

    return EmbeddingFolder(address, digest)


def _live_manifest(snapshots: SnapshotDirectory) -> Manifest | None:
    """Return the manifest of the live snapshot; None if there is none that can be read."""
    try:
        name = snapshots.current()
        return read_manifest(snapshots.path(name)) if name else None
    except SnapshotError:
        return None


def _reasons(intake: PaperSource) -> str:
    rejected = intake.rejected
    return f" (rejected: {', '.join(f'{n} {reason}' for reason, n in rejected.items())})" if rejected else ""
