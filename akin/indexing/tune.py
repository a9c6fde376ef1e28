"""Choose a snapshot's index by measurement.

Candidates are built, searched and compared. The cheapest one that reaches the recall is the new snapshot's index. The
old snapshot stays unchanged, and no paper is embedded.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
import numpy as np

from akin.indexing.embedding_store import EmbeddingStore
from akin.indexing.faiss_recipe import Recipe, candidates, check_served, refusal_reason
from akin.indexing.faiss_writer import VectorsOf, build_index, centroids_of, read_index, write_index
from akin.indexing.options import OnProgress, Progress
from akin.indexing.recall import Queries, QuerySample, embed_queries, measure, measure_curve
from akin.indexing.references.carrying import link_references
from akin.indexing.snapshot_parts import copy_rows, hold_base, load_digests, publish, require_whole
from retrieval_service.adapters.faiss_index import FaissIndex, first_line
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import CATALOGUE, VECTORS, CurvePoint, IndexRecord, Manifest, check_digest
from retrieval_service.corpus.snapshot import open_snapshot
from retrieval_service.errors import SnapshotError, SnapshotInvalid
from retrieval_service.ports import Encoder, Vectors

# A recipe with refinement is measured with its usual number of candidates times each of these.
_REFINE_FACTORS = (0.5, 1.0, 2.0)
_EXACT_QUERIES = 16
# Times that differ by less than this factor count as equal, and the smaller index is chosen.
_NOISE = 1.25


@dataclass(frozen=True)
class TuneOptions:
    """Requirements of an index, and the candidates.

    Attributes:
        recall: recall@10 against exact search that the index must reach.
        memory_mb: most megabytes for the index; None for no limit.
        recipes: the candidates; None for those that suit the corpus.
        queries: the queries; None for titles of papers, or beginnings of abstracts, each without its own paper.
        use: make the new snapshot the live one.
    """

    recall: float = 0.95
    memory_mb: float | None = None
    recipes: tuple[Recipe, ...] | None = None
    queries: tuple[str, ...] | None = None
    use: bool = True


async def tune_snapshot(
    wanted: TuneOptions, encoder: Encoder, data: Path, *, base: str | None = None, progress: OnProgress | None = None
) -> Manifest:
    """Measure candidates for a snapshot's index, and publish a snapshot with the cheapest one that reaches the recall.

    Args:
        wanted: the requirements, and the candidates.
        encoder: embeds the queries; it must be the encoder of the snapshot's vectors.
        data: the data directory.
        base: id of the snapshot; default: the live one.
        progress: called for each candidate.

    Returns:
        The manifest of the new snapshot, with all measurements.

    Raises:
        NoSnapshot: there is no snapshot.
        SnapshotInvalid: a file of the old snapshot is damaged.
        SnapshotError: stored embeddings are missing, the encoder is another one, a file could not be written, or the
            snapshot is partial.
        BuildInProgress: another process is building in this data directory.
        EncoderUnavailable: the queries cannot be embedded.
    """
    report = progress or (lambda _: None)
    with hold_base(data, base) as (path, old):
        snapshots = SnapshotDirectory(data)
        _check_encoder(old, encoder)
        require_whole(old)
        recipes = _choose_recipes(wanted, old)
        # Check the old snapshot first: the new one reuses all its parts except the index.
        (await asyncio.to_thread(open_snapshot, path)).close()
        folder = data / "embeddings" / old.encoder.digest
        with snapshots.new_build() as directory, EmbeddingStore(folder, old.encoder.dim) as store:
            digests = await asyncio.to_thread(load_digests, path, old)
            positions = await asyncio.to_thread(store.positions, digests["text"].tolist())
            if missing := int(np.count_nonzero(positions < 0)):
                raise SnapshotError(f"{folder}: lacks the embeddings of {missing:,} papers: build the index again.")
            corpus = store.by_row(positions)
            report(Progress("tune", 0, None, 0, "exact search"))
            texts, own, description = _choose_queries(wanted, path, old)
            queries = await embed_queries(encoder, texts, own, old.papers, corpus)
            comparison = _Comparison(wanted, old, path, directory, corpus, queries, description, report)
            index = await asyncio.to_thread(comparison.run, recipes)
            report(Progress("publish", old.papers, old.papers, 0))
            draft = msgspec.structs.replace(old, embedded=0, index=index)
            await asyncio.to_thread(copy_rows, path, directory, old)
            await asyncio.to_thread(link_references, path, directory, old)
            return await asyncio.to_thread(publish, snapshots, directory, draft, use=wanted.use)


def _check_encoder(manifest: Manifest, encoder: Encoder) -> None:
    if manifest.encoder.digest != encoder.identity.digest:
        raise SnapshotError(
            f"Snapshot {manifest.id} has vectors of encoder {manifest.encoder.digest[:12]}, and "
            f"{encoder.identity.digest[:12]} is served: promote the other encoder, or build the index again."
        )


def _choose_recipes(wanted: TuneOptions, manifest: Manifest) -> Sequence[Recipe]:
    """Return the candidates.

    Raises:
        SnapshotError: a recipe that the options name cannot be built or searched.
    """
    papers, dim = manifest.papers, manifest.encoder.dim
    if wanted.recipes is None:
        return [recipe for recipe in candidates(papers, dim) if refusal_reason(recipe, papers, dim) is None]
    for recipe in wanted.recipes:
        if why := refusal_reason(recipe, papers, dim):
            raise SnapshotError(f"{recipe.factory} is no index for snapshot {manifest.id}: {why}.")
    return wanted.recipes


def _choose_queries(wanted: TuneOptions, base: Path, manifest: Manifest) -> tuple[Sequence[str], Any, str]:
    """Return the texts of the queries, the row of each one's own paper or -1, and their description."""
    if wanted.queries is not None:
        return wanted.queries, np.full(len(wanted.queries), -1, np.int64), f"{len(wanted.queries):,} queries given"
    with closing(SqliteCatalogue(base / CATALOGUE)) as catalogue:
        sample = QuerySample.draw(catalogue.papers, manifest.papers)
    return sample.texts, sample.rows, sample.description


def choose_point(points: Sequence[CurvePoint], recall: float, memory_mb: float | None) -> tuple[CurvePoint, str]:
    """Return the measured point to serve with, and the reason for it.

    Of the points that reach the recall in the memory, it is the smallest of the fastest. If there are none, it is the
    one with the best recall that fits the memory, or the smallest if none fits.

    Args:
        points: the measurements; not empty.
        recall: recall@10 to reach.
        memory_mb: most megabytes for the index; None for no limit.
    """
    room = f" in {memory_mb:g} MB" if memory_mb is not None else ""
    fitting = [point for point in points if memory_mb is None or point.memory_mb <= memory_mb]
    if not fitting:
        smallest = min(points, key=lambda point: (point.memory_mb, -point.recall_at_10))
        return smallest, f"no candidate fits{room}; this is the smallest"
    if enough := [point for point in fitting if point.recall_at_10 >= recall]:
        fastest = min(point.ms for point in enough)
        fast = [point for point in enough if point.ms <= fastest * _NOISE]
        best = min(fast, key=lambda point: (point.memory_mb, point.ms))
        return best, f"fast and small among {len(points)} measured indexes that reach recall@10 {recall:g}{room}"
    best = max(fitting, key=lambda point: (point.recall_at_10, -point.ms))
    return best, f"no measured index reaches recall@10 {recall:g}{room}; this one has the highest"


class _NotBuilt(Exception):
    """FAISS cannot build an index of a candidate's recipe."""


@dataclass
class _Comparison:
    """Comparison of candidates; the file of the best one becomes the vector index of the new snapshot."""

    wanted: TuneOptions
    old: Manifest
    base: Path
    directory: Path
    corpus: VectorsOf
    queries: Queries
    description: str
    report: OnProgress
    points: list[CurvePoint] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    centroids: dict[int, Vectors] = field(default_factory=dict)

    def run(self, recipes: Sequence[Recipe]) -> IndexRecord:
        """Build and measure every candidate, keep the file of the best one, and return its record.

        Raises:
            SnapshotError: no candidate can be served.
        """
        best: tuple[CurvePoint, str, Recipe] | None = None
        for number, recipe in enumerate(recipes):
            self.report(Progress("tune", number, len(recipes), 0, recipe.factory))
            path = self.directory / f".candidate-{number}"
            try:
                index, seconds = self._build(recipe)
                write_index(index, path)
                check_served(path, nprobe=1, k_factor=recipe.k_factor)
            except _NotBuilt as error:
                self._skip(recipe, str(error), number, len(recipes))
                continue
            except SnapshotInvalid as error:
                if error.path != path:
                    raise  # a file of the old snapshot
                path.unlink()
                self._skip(recipe, str((error.detail or {})["reason"]), number, len(recipes))
                continue
            size, built = round(path.stat().st_size / 1e6, 1), round(seconds, 1)
            self.points += [
                msgspec.structs.replace(point, recipe=recipe.factory, memory_mb=size, build_s=built)
                for point in self._measure(index, recipe)
            ]
            del index
            chosen, why = choose_point(self.points, self.wanted.recall, self.wanted.memory_mb)
            if best is None or chosen.recipe == recipe.factory:
                os.replace(path, self.directory / VECTORS)
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
            trained_on=self.old.papers if recipe.nlist or recipe.exact else None,
            queries=self.description,
        )

    def _skip(self, recipe: Recipe, why: str, number: int, count: int) -> None:
        self.skipped.append(f"{recipe.factory}: {why}")
        self.report(Progress("tune", number, count, 0, f"{recipe.factory} left out: {why}"))

    def _build(self, recipe: Recipe) -> tuple[Any, float]:
        """Return the index and the seconds it took; candidates with equally many lists share their centroids."""
        nlist = recipe.nlist
        if nlist is not None and nlist == self.old.index.nlist and nlist not in self.centroids:
            check_digest(self.base, VECTORS, self.old)
            known = centroids_of(read_index(self.base / VECTORS))
            if known is not None:
                self.centroids[nlist] = known
        started = perf_counter()
        try:
            index = build_index(
                recipe, self.old.papers, self.old.encoder.dim, self.corpus, centroids=self.centroids.get(nlist or 0)
            )
        except RuntimeError as error:
            raise _NotBuilt(f"cannot be made of the {self.old.papers:,} papers ({first_line(error)})") from error
        seconds = perf_counter() - started
        if nlist is not None and nlist not in self.centroids and (found := centroids_of(index)) is not None:
            self.centroids[nlist] = found
        return index, seconds

    def _measure(self, index: Any, recipe: Recipe) -> list[CurvePoint]:
        if recipe.exact:
            # A few queries are enough to measure the time; an exact index finds everything.
            recall, ms = measure(FaissIndex(index), self.queries.first(_EXACT_QUERIES))
            return [CurvePoint(0, recall, ms)]
        factors = [recipe.k_factor * times for times in _REFINE_FACTORS] if recipe.refined else [1.0]
        return [
            point
            for factor in factors
            for point in measure_curve(index, replace(recipe, k_factor=factor), self.queries, self.wanted.recall)
        ]
