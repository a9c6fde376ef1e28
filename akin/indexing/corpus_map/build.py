"""Build the map of a snapshot, from its vectors and its catalogue, and put it in place at once.

Vectors are read from the snapshot's own index, so that a map needs nothing but the snapshot. Of a large corpus an even
sample is laid out; the other papers are placed among it, batch by batch. Memory is bounded by the sample: at most twice
its vectors, whatever the corpus has.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from akin.indexing.corpus_map.folder import MapDraft, new_map
from akin.indexing.corpus_map.groups import group_papers, primary_categories, years_of
from akin.indexing.corpus_map.labels import make_labels
from akin.indexing.corpus_map.layout import FEW, METHOD, METHOD_OF_FEW, lay_out, require_layout
from akin.indexing.corpus_map.neighbours import Neighbourhood
from akin.indexing.corpus_map.tiles import to_coordinates
from akin.indexing.options import OnProgress, Progress
from akin.indexing.snapshot_parts import hold_base
from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.corpus.manifest import CATALOGUE, VECTORS, Manifest, check_digest
from retrieval_service.corpus.map_files import MapManifest
from retrieval_service.corpus.snapshot import read_covered
from retrieval_service.errors import SnapshotError
from retrieval_service.ports import Rows, Vectors

SAMPLE = 100_000
"""Papers that are laid out, at most; the others are placed among them."""
_BATCH = 8_192
_LEAST_LENGTH = 1e-6
_NOISE = 3e-4


@dataclass(frozen=True)
class MapOptions:
    """Options of a build.

    Attributes:
        sample: Papers that are laid out, at most.
        seed: Seed of the sample, of the layout and of the tiles.
    """

    sample: int = SAMPLE
    seed: int = 1


def build_map(
    data: Path, snapshot: str | None, options: MapOptions = MapOptions(), progress: OnProgress = lambda _: None
) -> MapManifest:
    """Build the map of a snapshot, in place of the one that it has, and return its description.

    Args:
        data: The data folder.
        snapshot: The snapshot's id; None for the live one.
        options: The options.
        progress: Called with the progress of each step.

    Raises:
        NoSnapshot: There is no snapshot.
        SnapshotError: openTSNE is not installed, or the vectors of the snapshot cannot be read back.
        BuildInProgress: Another process builds a map.
    """
    require_layout()

    def step(note: str) -> Any:
        return lambda done, total: progress(Progress("map", done, total, 0, note))

    with hold_base(data, snapshot) as (base, manifest), new_map(data, base) as folder:
        catalogue = SqliteCatalogue(base / CATALOGUE)
        with closing(catalogue):
            vectors = RowVectors(base, manifest)
            rng = np.random.default_rng(options.seed)
            usable = vectors.rows
            count = min(options.sample, len(usable))
            sample = np.sort(usable[rng.choice(len(usable), count, replace=False)])
            read = vectors.of(sample, step("reading"))
            sample, read = _with_direction(sample, read)
            # Equal texts have equal vectors: a trace of noise gives each of them other neighbours.
            read += np.float32(_NOISE) * rng.standard_normal(read.shape, np.float32)
            read /= np.linalg.norm(read, axis=1, keepdims=True)
            near = Neighbourhood(read, options.seed)
            threads = faiss.omp_get_max_threads()
            places = np.zeros((manifest.papers, 2), np.float32)
            placed = np.zeros(manifest.papers, np.bool_)
            laid_out = lay_out(read, near, options.seed, threads, step("comparing"), step("laying out"))
            places[sample], placed[sample] = laid_out, True
            del read
            others = np.setdiff1d(usable, sample, assume_unique=True)
            for first in range(0, len(others), _BATCH):
                rows, some = _with_direction(others[first : first + _BATCH], vectors.of(others[first : first + _BATCH]))
                if len(sample) and len(rows):
                    places[rows], placed[rows] = near.place(some, laid_out), True
                step("placing")(min(first + _BATCH, len(others)), len(others))
            coordinates = to_coordinates(places, placed)
            grouping = group_papers(primary_categories(base / CATALOGUE), manifest.papers)
            years, first_year, last_year = years_of(catalogue.days)
            step("naming")(0, len(sample))
            titles = [title for some in _batches(sample) for title, _ in catalogue.texts(some)]
            labels = make_labels(coordinates, grouping, placed, sample, titles, options.seed)
            draft = MapDraft(coordinates, grouping.of_rows, years, tuple(labels))
            return folder.finish(
                draft,
                MapManifest(
                    snapshot=manifest.id,
                    digest="",
                    created=datetime.now(UTC).replace(microsecond=0),
                    papers=manifest.papers,
                    placed=int(np.count_nonzero(placed)),
                    sampled=len(sample),
                    seed=options.seed,
                    method=METHOD if len(sample) >= FEW else METHOD_OF_FEW,
                    grouped_by=grouping.by,
                    groups=grouping.groups,
                    first_year=first_year,
                    last_year=last_year,
                    labels=(),
                    tiles=(),
                    files={},
                ),
            )


class RowVectors:
    """Vectors of a snapshot's rows, from its index.

    Attributes:
        rows: The rows that have a vector, int64, ascending.
    """

    def __init__(self, base: Path, manifest: Manifest) -> None:
        """Open the index of a snapshot.

        Raises:
            SnapshotInvalid: It is damaged.
        """
        self.rows: Rows = read_covered(base, manifest) if manifest.partial else np.arange(manifest.papers)
        check_digest(base, VECTORS, manifest)
        self.index = FaissIndex.open(base / VECTORS, nprobe=manifest.index.nprobe, k_factor=manifest.index.k_factor)

    def of(self, rows: Rows, on_step: Any = lambda done, total: None) -> Vectors:
        """Return the vectors of some rows, all of which have one, float32 [n, dim].

        Raises:
            SnapshotError: The index is of a kind whose rows cannot be read back.
        """
        found = np.empty((len(rows), self.index.dim), np.float32)
        places = np.searchsorted(self.rows, rows)
        for first in range(0, len(rows), _BATCH):
            some = slice(first, first + _BATCH)
            found[some] = self._read(places[some])
            on_step(min(first + _BATCH, len(rows)), len(rows))
        return found

    def _read(self, places: Rows) -> Vectors:
        try:
            return self.index.vectors(places)  # type: ignore[arg-type]  # an array of rows is a sequence to FAISS
        except RuntimeError as error:
            raise SnapshotError(
                "The vectors of this snapshot's index cannot be read back: make another index with akin index tune, "
                "or build it again."
            ) from error


def _with_direction(rows: Rows, vectors: Vectors) -> tuple[Rows, Vectors]:
    """Return the rows whose vectors point somewhere, and these vectors in unit length."""
    length = np.linalg.norm(vectors, axis=1)
    usable = np.isfinite(length) & (length > _LEAST_LENGTH)
    if not usable.all():
        rows, vectors, length = rows[usable], vectors[usable], length[usable]
    vectors /= length[:, None]
    return rows, vectors


def _batches(rows: NDArray[np.int64]) -> Any:
    for first in range(0, len(rows), 900):
        yield rows[first : first + 900].tolist()
