"""Choosing a snapshot's index by measurement.

Candidates are made, searched and compared, and the cheapest that is good enough becomes the index of a new snapshot.
The old one stays as it is, and no paper is embedded.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
import numpy as np

from indexing.catalogue_writer import CatalogueWriter
from indexing.embedding_store import EmbeddingStore
from indexing.faiss_recall import Point, Queries, fewest, measure
from indexing.faiss_recipe import Recipe, VectorsOf, build_index, candidates, centroids_of, write_index
from indexing.faiss_rows import read_whole
from indexing.faiss_servable import check_served, unservable
from indexing.options import Progress, Tell
from indexing.row_parts import take_catalogue, take_digests, take_lexical
from indexing.vector_part import Sample, asked, vectors_of
from retrieval_service.adapters.faiss_index import FaissIndex, first_line
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.corpus.digests import DIGESTS
from retrieval_service.corpus.directory import SnapshotDirectory, snapshot_id
from retrieval_service.corpus.manifest import (
    CATALOGUE,
    VECTORS,
    CurvePoint,
    IndexRecord,
    Manifest,
    file_records,
    read_manifest,
    write_manifest,
)
from retrieval_service.corpus.snapshot import check_opens, open_snapshot
from retrieval_service.corpus.snapshot_lock import SnapshotLock
from retrieval_service.errors import NoSnapshot, SnapshotError, SnapshotInvalid
from retrieval_service.ports import Encoder, Vectors

# Times the candidates that a recipe refines for each result when nothing was measured.
_REFINED = (0.5, 1.0, 2.0)
_EXACT_QUERIES = 16
# Times nearer to each other than this are noise; memory decides between them.
_ALIKE = 1.25


@dataclass(frozen=True)
class TuneOptions:
    """What an index should be.

    Attributes:
        recall: recall@10 against exact search.
        memory_mb: the megabytes it may take; None for any number.
        recipes: the candidates; None for those that suit the corpus.
        queries: what is asked; None for titles of papers, or beginnings of abstracts, each without its own paper.
        use: make the new snapshot the live one.
    """

    recall: float = 0.95
    memory_mb: float | None = None
    recipes: tuple[Recipe, ...] | None = None
    queries: tuple[str, ...] | None = None
    use: bool = True


async def tune_snapshot(
    wanted: TuneOptions, encoder: Encoder, data: Path, *, base: str | None = None, progress: Tell | None = None
) -> Manifest:
    """Measures candidates for a snapshot's index and publishes a snapshot with the cheapest that is good enough.

    Args:
        wanted: what is good enough, and the candidates.
        encoder: of the queries; it must be the one that made the snapshot's vectors.
        data: the data directory.
        base: the id of the snapshot; default: the live one.
        progress: is told which candidate is in hand.

    Returns:
        The manifest of the new snapshot, with all that was measured.

    Raises:
        NoSnapshot: there is none.
        SnapshotInvalid: a file of the old snapshot is damaged.
        SnapshotError: the stored embeddings are missing, the encoder is another, or a file could not be written.
        BuildInProgress: another process is building in this data directory.
        EncoderUnavailable: the queries cannot be embedded.
    """
    snapshots = SnapshotDirectory(data)
    name = base or snapshots.current()
    if name is None:
        raise NoSnapshot("There is no snapshot to tune; make the first with: akin index build SOURCE")
    path = snapshots.path(name)
    try:
        with closing(SnapshotLock(path)):
            return await _Tuning(wanted, encoder, data, path, progress or (lambda _: None)).run()
    except (OSError, sqlite3.Error) as error:
        raise SnapshotError(f"The snapshot could not be written below {data}: {error}") from error


def cheapest(points: Sequence[CurvePoint], recall: float, memory_mb: float | None) -> tuple[CurvePoint, str]:
    """The point to serve by, and why: of the fastest that meet the recall in the memory the smallest, or the nearest.

    Args:
        points: what was measured; not empty.
        recall: recall@10 to meet.
        memory_mb: the megabytes the index may take; None for any number.
    """
    room = f" in {memory_mb:g} MB" if memory_mb is not None else ""
    fitting = [point for point in points if memory_mb is None or point.memory_mb <= memory_mb]
    if not fitting:
        smallest = min(points, key=lambda point: (point.memory_mb, -point.recall_at_10))
        return smallest, f"no candidate fits{room}; this is the smallest"
    if enough := [point for point in fitting if point.recall_at_10 >= recall]:
        fastest = min(point.ms for point in enough)
        alike = [point for point in enough if point.ms <= fastest * _ALIKE]
        best = min(alike, key=lambda point: (point.memory_mb, point.ms))
        return best, f"fast and small among {len(points)} measured ways to find {recall:g} of the ten nearest{room}"
    best = max(fitting, key=lambda point: (point.recall_at_10, -point.ms))
    return best, f"no measured way finds {recall:g} of the ten nearest{room}; this one finds most"


class _NotMade(Exception):
    """FAISS cannot make an index of a candidate's recipe."""


class _Tuning:
    def __init__(self, wanted: TuneOptions, encoder: Encoder, data: Path, base: Path, tell: Tell) -> None:
        self.wanted = wanted
        self.encoder = encoder
        self.data = data
        self.base = base
        self.snapshots = SnapshotDirectory(data)
        self.tell = tell
        self.old = read_manifest(base)
        self.points: list[CurvePoint] = []
        self.skipped: list[str] = []
        self.asked_with = ""
        self.centroids: dict[int, Vectors] = {}
        if self.old.encoder.digest != encoder.identity.digest:
            raise SnapshotError(
                f"Snapshot {self.old.id} has vectors of encoder {self.old.encoder.digest[:12]}, and "
                f"{encoder.identity.digest[:12]} is served: promote the other encoder, or build the index again."
            )

    async def run(self) -> Manifest:
        old = self.old
        folder = self.data / "embeddings" / old.encoder.digest
        recipes = self._recipes()
        # What the service refuses of this snapshot it would refuse of the new one, which takes over all but the index.
        (await asyncio.to_thread(open_snapshot, self.base)).close()
        with self.snapshots.new_build() as directory, EmbeddingStore(folder, old.encoder.dim) as store:
            digests = await asyncio.to_thread(take_digests, self.base, old)
            positions = await asyncio.to_thread(store.positions, digests["text"].tolist())
            if missing := int(np.count_nonzero(positions < 0)):
                raise SnapshotError(f"{folder}: lacks the embeddings of {missing:,} papers: build the index again.")
            corpus = vectors_of(store, positions)
            queries = await self._queries(corpus)
            index = await asyncio.to_thread(self._measure_all, directory, recipes, corpus, queries)
            self.tell(Progress("publish", old.papers, old.papers, 0))
            manifest = await asyncio.to_thread(self._publish, directory, index)
            if self.wanted.use:
                self.snapshots.use(manifest.id)
            return manifest

    def _recipes(self) -> Sequence[Recipe]:
        """Return the candidates.

        Raises:
            SnapshotError: one that was asked for cannot be made or served.
        """
        papers, dim = self.old.papers, self.old.encoder.dim
        if self.wanted.recipes is None:
            return [recipe for recipe in candidates(papers, dim) if unservable(recipe, papers, dim) is None]
        for recipe in self.wanted.recipes:
            if why := unservable(recipe, papers, dim):
                raise SnapshotError(f"{recipe.factory} is no index for snapshot {self.old.id}: {why}.")
        return self.wanted.recipes

    async def _queries(self, corpus: VectorsOf) -> Queries:
        self.tell(Progress("tune", 0, None, 0, "exact search"))
        if self.wanted.queries is not None:
            self.asked_with = f"{len(self.wanted.queries):,} queries given"
            own = np.full(len(self.wanted.queries), -1, np.int64)
            return await asked(self.encoder, self.wanted.queries, own, self.old.papers, corpus)
        catalogue = SqliteCatalogue(self.base / CATALOGUE)
        try:
            sample = Sample.drawn(catalogue.papers, self.old.papers)
        finally:
            catalogue.close()
        self.asked_with = sample.described
        return await asked(self.encoder, sample.texts, sample.rows, self.old.papers, corpus)

    def _measure_all(
        self, directory: Path, recipes: Sequence[Recipe], corpus: VectorsOf, queries: Queries
    ) -> IndexRecord:
        """Make and measure every candidate that can be served; the file of the best so far is kept.

        Raises:
            SnapshotError: none can be.
        """
        papers = self.old.papers
        best: tuple[CurvePoint, str, Recipe] | None = None
        for number, recipe in enumerate(recipes):
            self.tell(Progress("tune", number, len(recipes), 0, recipe.factory))
            path = directory / f".candidate-{number}"
            try:
                index, seconds = self._made(recipe, corpus)
                write_index(index, path)
                check_served(path, nprobe=1, k_factor=recipe.k_factor)
            except _NotMade as error:
                self._skip(recipe, str(error), number, len(recipes))
                continue
            except SnapshotInvalid as error:
                if error.path != path:
                    raise  # a file of the old snapshot
                path.unlink()
                self._skip(recipe, str((error.detail or {})["reason"]), number, len(recipes))
                continue
            for point in self._measured(index, recipe, queries):
                self.points.append(
                    CurvePoint(
                        nprobe=point.breadth,
                        recall_at_10=point.recall_at_10,
                        ms=point.ms,
                        recipe=recipe.factory,
                        k_factor=point.k_factor,
                        memory_mb=round(path.stat().st_size / 1e6, 1),
                        build_s=round(seconds, 1),
                    )
                )
            del index
            chosen, why = cheapest(self.points, self.wanted.recall, self.wanted.memory_mb)
            if best is None or chosen.recipe == recipe.factory:
                os.replace(path, directory / VECTORS)
                best = (chosen, why, recipe)
            else:
                path.unlink()
                best = (chosen, why, best[2])
        if best is None:
            raise SnapshotError(f"No candidate can be an index of {self.old.id}: {'; '.join(self.skipped)}.")
        chosen, why, recipe = best
        return IndexRecord(
            recipe=recipe.factory,
            why="; ".join([f"{why}: {recipe.why}", *(f"left out {skipped}" for skipped in self.skipped)]),
            nlist=recipe.nlist,
            nprobe=chosen.nprobe or None,
            k_factor=chosen.k_factor,
            recall_target=self.wanted.recall,
            curve=tuple(self.points),
            trained_on=papers if recipe.nlist or recipe.exact else None,
            queries=self.asked_with,
        )

    def _skip(self, recipe: Recipe, why: str, number: int, count: int) -> None:
        self.skipped.append(f"{recipe.factory}: {why}")
        self.tell(Progress("tune", number, count, 0, f"{recipe.factory} left out: {why}"))

    def _made(self, recipe: Recipe, corpus: VectorsOf) -> tuple[Any, float]:
        """The index, and the seconds it took; lists' centres are the same for all candidates with as many lists."""
        nlist = recipe.nlist
        if nlist is not None and nlist == self.old.index.nlist and nlist not in self.centroids:
            known = centroids_of(read_whole(self.base / VECTORS))
            if known is not None:
                self.centroids[nlist] = known
        started = perf_counter()
        try:
            index = build_index(
                recipe, self.old.papers, self.old.encoder.dim, corpus, centroids=self.centroids.get(nlist or 0)
            )
        except RuntimeError as error:
            raise _NotMade(f"cannot be made of the {self.old.papers:,} papers ({first_line(error)})") from error
        seconds = perf_counter() - started
        if nlist is not None and nlist not in self.centroids and (found := centroids_of(index)) is not None:
            self.centroids[nlist] = found
        return index, seconds

    def _measured(self, index: Any, recipe: Recipe, queries: Queries) -> list[Point]:
        if recipe.exact:
            # A few queries tell how long it takes; what it finds hardly needs measuring.
            some = Queries(
                queries.vectors[:_EXACT_QUERIES], queries.own[:_EXACT_QUERIES], queries.truth[:_EXACT_QUERIES]
            )
            recall, ms = measure(FaissIndex(index), some)
            return [Point(0, 1.0, recall, ms)]
        factors = [recipe.k_factor * times for times in _REFINED] if recipe.refined else [1.0]
        return [
            point
            for factor in factors
            for point in fewest(index, replace(recipe, k_factor=factor), queries, self.wanted.recall)
        ]

    def _publish(self, directory: Path, index: IndexRecord) -> Manifest:
        old, name = self.old, snapshot_id(directory)
        take_catalogue(self.base, directory, old)
        CatalogueWriter(directory / CATALOGUE, name, continued=True).close()
        take_lexical(self.base, directory, old)
        (directory / DIGESTS).write_bytes((self.base / DIGESTS).read_bytes())
        manifest = msgspec.structs.replace(
            old,
            id=name,
            created=datetime.now(UTC).replace(microsecond=0),
            embedded=0,
            index=index,
            files=file_records(directory),
        )
        write_manifest(directory, manifest)
        check_opens(directory, name)
        self.snapshots.publish(directory)
        return manifest
