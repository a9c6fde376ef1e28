"""Building a snapshot: papers stream in, are embedded once, and come out as one published directory."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from papers import PASSAGE_TEXT_VERSION, Paper, PaperReader, passage_text
from retrieval_service.adapters.english import ANALYSIS_VERSION
from retrieval_service.adapters.faiss_recipe import EXACT_BELOW, Point, build_index, recipe_for, tune, write_index
from retrieval_service.adapters.sqlite_catalogue import CatalogueWriter
from retrieval_service.adapters.tantivy_index import TantivyWriter
from retrieval_service.errors import NoPapers, SnapshotError
from retrieval_service.ports import Encoder, Rows, Vectors
from retrieval_service.snapshot.embedding import Embedding, EmbeddingPass
from retrieval_service.snapshot.embeddings import EmbeddingStore
from retrieval_service.snapshot.manifest import (
    CATALOGUE,
    LEXICAL,
    VECTORS,
    CurvePoint,
    EncoderRecord,
    IndexRecord,
    Manifest,
    file_records,
    write_manifest,
)
from retrieval_service.snapshot.shelf import Shelf, snapshot_id

# Requests are cut from a window sorted by length, so that texts of one length travel together.
_WINDOW = 2048
_WINDOWS_UNDER_WAY = 2
_TUNING_QUERIES = 256


@dataclass(frozen=True)
class Progress:
    """How far a build is.

    Attributes:
        stage: "embed", "index", "tune" or "publish".
        done: papers that are through this stage.
        total: papers there will be, estimated while the source is read; None when that cannot be told.
        embedded: texts embedded so far; the others were known.
    """

    stage: str
    done: int
    total: int | None
    embedded: int


@dataclass(frozen=True)
class BuildOptions:
    """What may be chosen about a build.

    Attributes:
        batch: texts in one request to the encoder.
        in_flight: requests under way at once.
        exact_below: corpora of fewer papers get an exact index.
        recall_target: recall@10 of an approximate one against exact search.
        use: make the snapshot the live one.
    """

    batch: int = 64
    in_flight: int = 4
    exact_below: int = EXACT_BELOW
    recall_target: float = 0.95
    use: bool = True


async def build_snapshot(
    papers: Iterable[Paper],
    encoder: Encoder,
    data: Path,
    *,
    source_name: str,
    options: BuildOptions | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Manifest:
    """Builds and publishes a snapshot, and makes it the live one.

    Memory does not grow with the corpus but for a few bytes a paper. Killed at any moment, it leaves the published
    snapshots as they were, and the next build repeats at most the embeddings that were under way.

    Args:
        papers: the papers; of a `PaperReader` the report goes into the manifest and the size into the progress.
        encoder: makes the vectors.
        data: the data directory.
        source_name: what the manifest calls the source.
        options: how.
        progress: is told now and then how far it is.

    Returns:
        The manifest of the published snapshot.

    Raises:
        NoPapers: there was not one usable paper.
        BuildInProgress: another process is building in this data directory.
        EncoderUnavailable: Triton went away for longer than it is waited for; what was embedded is kept.
        SnapshotError: a file could not be written.
        PapersError: the source broke off.
    """
    build = _Build(papers, encoder, data, source_name, options or BuildOptions(), progress)
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
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.reader = papers if isinstance(papers, PaperReader) else None
        self.papers = iter(papers)
        self.encoder = encoder
        self.identity = encoder.identity
        self.data = data
        self.shelf = Shelf(data)
        self.source_name = source_name
        self.options = options
        self.tell = progress or (lambda _: None)
        self.rejected: Counter[str] = Counter()
        self.count = 0
        self.positions: list[Rows] = []
        self.titles = _Sample(_TUNING_QUERIES)

    async def run(self) -> Manifest:
        with (
            self.shelf.building() as directory,
            EmbeddingStore(self.data / "embeddings" / self.identity.digest, self.identity.dim) as store,
        ):
            embedding = EmbeddingPass(self.encoder, store, self.options.batch, self.options.in_flight)
            catalogue = CatalogueWriter(directory / CATALOGUE, snapshot_id(directory))
            try:
                lexical = await asyncio.to_thread(TantivyWriter, directory / LEXICAL)
                await self._stream(embedding, catalogue, lexical)
                if not self.count:
                    raise NoPapers(f"{self.source_name} holds no usable paper{self._reasons()}.")
                self._report("index", 0, embedding)
                await asyncio.to_thread(lexical.close)
                await asyncio.to_thread(catalogue.close)
            finally:
                catalogue.abandon()
            index = await self._index(directory, store, embedding)
            self._report("publish", self.count, embedding)
            manifest = await asyncio.to_thread(self._publish, directory, index, embedding.embedded)
            if self.options.use:
                self.shelf.use(manifest.id)
            return manifest

    async def _stream(self, embedding: EmbeddingPass, catalogue: CatalogueWriter, lexical: TantivyWriter) -> None:
        """Reads, embeds and writes; while one window is written and embedded, the next is read and embedded."""
        under_way: deque[Embedding] = deque()
        taken: set[str] = set()
        try:
            while window := await asyncio.to_thread(self._window, catalogue, taken, under_way):
                under_way.append(embedding.start(window, [passage_text(paper) for paper in window]))
                if len(under_way) >= _WINDOWS_UNDER_WAY:
                    await self._finish(under_way.popleft(), embedding, catalogue, lexical)
            while under_way:
                await self._finish(under_way.popleft(), embedding, catalogue, lexical)
        finally:
            for unfinished in under_way:
                await unfinished.cancel()

    def _window(self, catalogue: CatalogueWriter, taken: set[str], under_way: Iterable[Embedding]) -> list[Paper]:
        """The next papers that can be taken; empty at the end of the source."""
        while some := list(islice(self.papers, _WINDOW)):
            taken.clear()
            taken.update(paper.id for window in under_way for paper in window.papers)
            taken |= catalogue.known([paper.id for paper in some])
            usable = []
            for paper in some:
                if not passage_text(paper):
                    self.rejected["no_text"] += 1
                elif paper.id in taken:
                    self.rejected["duplicate_id"] += 1
                else:
                    taken.add(paper.id)
                    usable.append(paper)
            if usable:
                return usable
        return []

    async def _finish(
        self, window: Embedding, embedding: EmbeddingPass, catalogue: CatalogueWriter, lexical: TantivyWriter
    ) -> None:
        done = self.count
        try:
            self.positions.append(
                await window.positions(lambda embedded: self._report("embed", done + embedded, embedding))
            )
        except BaseException:
            await window.cancel()
            raise

        def write() -> None:
            lexical.add(self.count, window.papers)
            catalogue.add(window.papers)

        await asyncio.to_thread(write)
        self.titles.offer(paper.title for paper in window.papers)
        self.count += len(window.papers)
        self._report("embed", self.count, embedding)

    async def _index(self, directory: Path, store: EmbeddingStore, embedding: EmbeddingPass) -> IndexRecord:
        positions = np.concatenate(self.positions)

        def vectors(rows: Rows) -> Vectors:
            return store.vectors(positions[rows])

        recipe = recipe_for(self.count, exact_below=self.options.exact_below)
        index: Any = await asyncio.to_thread(build_index, recipe, self.count, self.identity.dim, vectors)
        nprobe: int | None = None
        curve: list[Point] = []
        if recipe.nlist is not None:
            self._report("tune", 0, embedding)
            # Titles are what people search by, and no title alone is in the index.
            queries = (await self.encoder.embed_queries(self.titles.chosen())).vectors
            target = self.options.recall_target
            nprobe, curve = await asyncio.to_thread(tune, index, recipe, queries, vectors, target)
        await asyncio.to_thread(write_index, index, directory / VECTORS)
        return IndexRecord(
            recipe=recipe.factory,
            why=recipe.why,
            nlist=recipe.nlist,
            nprobe=nprobe,
            k_factor=recipe.k_factor,
            recall_target=self.options.recall_target if recipe.nlist is not None else None,
            curve=tuple(CurvePoint(point.nprobe, point.recall_at_10, point.ms) for point in curve),
        )

    def _publish(self, directory: Path, index: IndexRecord, embedded: int) -> Manifest:
        who = self.identity
        manifest = Manifest(
            id=snapshot_id(directory),
            created=datetime.now(UTC).replace(microsecond=0),
            source=self.source_name,
            papers=self.count,
            rejected=self._rejected(),
            embedded=embedded,
            encoder=EncoderRecord(who.version, who.digest, who.dim, who.max_length),
            passage_text_version=PASSAGE_TEXT_VERSION,
            analysis_version=ANALYSIS_VERSION,
            index=index,
            files=file_records(directory),
        )
        write_manifest(directory, manifest)
        self.shelf.publish(directory)
        return manifest

    def _rejected(self) -> dict[str, int]:
        total = Counter(self.rejected)
        if self.reader is not None:
            total.update({str(reason): count for reason, count in self.reader.report.rejected.items()})
        return dict(sorted(total.items()))

    def _reasons(self) -> str:
        rejected = self._rejected()
        return f" (rejected: {', '.join(f'{n} {reason}' for reason, n in rejected.items())})" if rejected else ""

    def _report(self, stage: str, done: int, embedding: EmbeddingPass) -> None:
        self.tell(Progress(stage, done, self._total() if stage == "embed" else self.count, embedding.embedded))

    def _total(self) -> int | None:
        reader = self.reader
        if reader is None or not reader.bytes_total or not reader.bytes_read:
            return None
        return round(reader.report.kept * reader.bytes_total / reader.bytes_read)


class _Sample:
    """A uniform random sample of a stream (Vitter's algorithm R), the same for the same stream."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._seen = 0
        self._kept: list[str] = []
        self._random = np.random.default_rng(1)

    def offer(self, texts: Iterable[str]) -> None:
        for text in filter(None, texts):
            self._seen += 1
            if len(self._kept) < self._size:
                self._kept.append(text)
            elif (place := int(self._random.integers(self._seen))) < self._size:
                self._kept[place] = text

    def chosen(self) -> list[str]:
        return self._kept
