"""Write, copy and publish the parts of a new snapshot: catalogue, lexical index, digests and vector index.

A build writes all parts. An update or a tuning takes parts of another snapshot: it copies the catalogue and links the
files of the lexical index, which never change once written. Each file is first compared with the digest that it was
published with, so that damage is not published again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from akin.indexing.catalogue_writer import CatalogueWriter
from akin.indexing.faiss_recipe import Recipe
from akin.indexing.faiss_writer import RowsCannotChange, VectorsOf, build_index, change_rows, read_index, write_index
from akin.indexing.learned_weights import LearnedWeights
from akin.indexing.lexical_writer import LexicalWriter
from akin.indexing.recall import QuerySample, embed_queries, measure_curve
from akin.papers import Paper
from retrieval_service.corpus.digests import DIGESTS, digest_rows, read_digests
from retrieval_service.corpus.directory import SnapshotDirectory, snapshot_id
from retrieval_service.corpus.manifest import (
    CATALOGUE,
    LEXICAL,
    VECTORS,
    CurvePoint,
    IndexRecord,
    Manifest,
    check_digest,
    file_records,
    read_manifest,
    write_manifest,
)
from retrieval_service.corpus.snapshot import check_opens
from retrieval_service.corpus.snapshot_lock import SnapshotLock
from retrieval_service.errors import NoSnapshot, SnapshotError, SnapshotInvalid
from retrieval_service.ports import Catalogue, Encoder, Rows

_PAPERS_AT_ONCE = 900


class RowWriter:
    """Writes the parts that hold the papers row by row.

    Attributes:
        catalogue: the papers so far.
        count: their number.
    """

    def __init__(self, directory: Path, snapshot_id: str, weights: LearnedWeights | None = None) -> None:
        """Create the files; with `weights`, the lexical index ranks by them."""
        self.count = 0
        with contextlib.ExitStack() as on_error:
            self.catalogue = CatalogueWriter(directory / CATALOGUE, snapshot_id)
            on_error.callback(self.catalogue.abandon)
            self._digests = on_error.enter_context((directory / DIGESTS).open("wb"))
            self._lexical = LexicalWriter(directory / LEXICAL, weights=weights)
            on_error.pop_all()

    def add(self, papers: Sequence[Paper], texts: Sequence[bytes]) -> None:
        """Add papers, whose texts have these digests, as the next rows."""
        self._lexical.add(self.count, papers)
        self.catalogue.add(papers)
        self._digests.write(digest_rows(papers, texts).tobytes())
        self.count += len(papers)

    def close(self) -> None:
        """Write the rest and close the files."""
        self._digests.close()
        self._lexical.close()
        self.catalogue.close()

    def abandon(self) -> None:
        """Close the files without writing the rest."""
        self._lexical.abandon()
        self.catalogue.abandon()
        with contextlib.suppress(OSError):  # bytes that a full disk did not take
            self._digests.close()


def copy_catalogue(base: Path, directory: Path, manifest: Manifest) -> None:
    """Copy the catalogue of a published snapshot.

    Raises:
        SnapshotInvalid: it is not as it was published.
    """
    shutil.copyfile(base / CATALOGUE, directory / CATALOGUE)
    check_digest(base, CATALOGUE, manifest, copy=directory / CATALOGUE)


def link_lexical(base: Path, directory: Path, manifest: Manifest) -> None:
    """Link the lexical index of a published snapshot, or copy it if the file system has no links.

    Raises:
        SnapshotInvalid: it is not as it was published.
    """
    (directory / LEXICAL).mkdir()
    for name in manifest.files:
        if not name.startswith(f"{LEXICAL}/"):
            continue
        # The JSON files list the segments and are written again; the files of a segment never change.
        if name.endswith(".json"):
            check_digest(base, name, manifest)
            shutil.copyfile(base / name, directory / name)
        else:
            link_files(base, directory, manifest, [name])


def link_files(base: Path, directory: Path, manifest: Manifest, names: Iterable[str]) -> None:
    """Link files of a published snapshot, or copy them if the file system has no links.

    Raises:
        SnapshotInvalid: one of them is not as it was published.
    """
    for name in names:
        check_digest(base, name, manifest)
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(base / name, directory / name)
        except OSError:  # another file system, or one without links
            shutil.copyfile(base / name, directory / name)


def copy_rows(base: Path, directory: Path, manifest: Manifest) -> None:
    """Copy the parts of a published snapshot that hold its papers: catalogue, lexical index and digests.

    Raises:
        SnapshotInvalid: one of them is not as it was published.
    """
    copy_catalogue(base, directory, manifest)
    CatalogueWriter(directory / CATALOGUE, snapshot_id(directory), continued=True).close()
    link_lexical(base, directory, manifest)
    (directory / DIGESTS).write_bytes((base / DIGESTS).read_bytes())


def require_whole(manifest: Manifest) -> None:
    """Raise a `SnapshotError` if papers of a snapshot have no vector yet."""
    if manifest.partial:
        raise SnapshotError(
            f"Snapshot {manifest.id} is partial: {manifest.with_vectors:,} of {manifest.papers:,} papers have vectors. "
            "Complete it first: akin index update, without a source."
        )


def load_digests(base: Path, manifest: Manifest) -> NDArray[np.void]:
    """Return the digests of a published snapshot's rows.

    Raises:
        SnapshotInvalid: they are not as they were published, or an earlier version wrote the snapshot without them.
    """
    if DIGESTS not in manifest.files:
        raise SnapshotInvalid(
            base / DIGESTS,
            "is missing: the snapshot is of an earlier version; build it again (nothing is embedded twice)",
        )
    check_digest(base, DIGESTS, manifest)
    rows = read_digests(base / DIGESTS)
    if len(rows) != manifest.papers:
        raise SnapshotInvalid(base / DIGESTS, f"holds {len(rows)} rows, not {manifest.papers}")
    return rows


def write_lexical(directory: Path, catalogue: CatalogueWriter) -> None:
    """Write the whole lexical index from the catalogue."""
    with LexicalWriter(directory / LEXICAL) as lexical:
        lexical.add(0, fetch_papers(catalogue, range(len(catalogue))))
        lexical.close()


def change_lexical(directory: Path, catalogue: CatalogueWriter, before: int, rewritten: Sequence[int]) -> None:
    """Change a lexical index of another snapshot to match the catalogue.

    Args:
        directory: the new snapshot's.
        catalogue: the papers of the new snapshot.
        before: number of rows in the lexical index.
        rewritten: those of its rows that hold another paper, or another version of their paper.
    """
    count = len(catalogue)
    kept = sorted(row for row in rewritten if row < min(before, count))
    wanted = [*kept, *range(before, count)]
    with LexicalWriter(directory / LEXICAL, continued=True) as lexical:
        lexical.delete([*kept, *range(count, before)])
        for row, paper in zip(wanted, fetch_papers(catalogue, wanted), strict=True):
            lexical.add(row, [paper])
        lexical.close()


def fetch_papers(catalogue: CatalogueWriter | Catalogue, rows: Sequence[int]) -> Iterator[Paper]:
    """Yield the papers of some rows, a bounded number of which is in memory at a time."""
    for at in range(0, len(rows), _PAPERS_AT_ONCE):
        yield from catalogue.papers(rows[at : at + _PAPERS_AT_ONCE])


async def write_vectors(
    directory: Path,
    papers: int,
    corpus: VectorsOf,
    encoder: Encoder,
    sample: QuerySample,
    *,
    recipe: Recipe,
    target: float,
    on_tuning: Callable[[], None],
) -> IndexRecord:
    """Build the vector index by a recipe, choose how wide it is searched, write it and return its record.

    Args:
        directory: the new snapshot's.
        papers: number of papers.
        corpus: returns the vectors of some rows.
        encoder: embeds the queries.
        sample: queries from the corpus.
        recipe: the recipe.
        target: recall@10 that an approximate index must reach.
        on_tuning: called when the measurements begin.
    """
    index: Any = await asyncio.to_thread(build_index, recipe, papers, encoder.identity.dim, corpus)
    curve: list[CurvePoint] = []
    if not recipe.exact:
        on_tuning()
        queries = await embed_queries(encoder, sample.texts, sample.rows, papers, corpus)
        curve = await asyncio.to_thread(measure_curve, index, recipe, queries, target)
    await asyncio.to_thread(write_index, index, directory / VECTORS)
    return _index_record(recipe, papers, target, curve, sample.description)


def _index_record(recipe: Recipe, papers: int, target: float, curve: Sequence[CurvePoint], queries: str) -> IndexRecord:
    if recipe.exact:
        return IndexRecord(recipe=recipe.factory, why=recipe.why)
    serves = curve[-1]
    recall = f"recall@10 is {serves.recall_at_10:g} at nprobe {serves.nprobe}"
    if serves.recall_at_10 < target:
        recall += f", below the target of {target:g}; a larger nprobe does not improve it"
    return IndexRecord(
        recipe=recipe.factory,
        why=f"{recipe.why}; {recall}",
        nlist=recipe.nlist,
        nprobe=serves.nprobe,
        k_factor=recipe.k_factor,
        recall_target=target,
        curve=tuple(curve),
        trained_on=papers,
        queries=queries,
    )


def change_vectors(base: Path, directory: Path, papers: int, rows: Rows, corpus: VectorsOf) -> bool:
    """Write the vector index of another snapshot with some rows changed; return False if its type does not allow that.

    Args:
        base: the other snapshot.
        directory: the new snapshot's.
        papers: number of papers in the new snapshot.
        rows: rows whose vectors differ, ascending.
        corpus: returns the vectors of some of these rows.
    """
    index = read_index(base / VECTORS)
    try:
        change_rows(index, papers, rows, corpus)
    except RowsCannotChange:
        return False
    write_index(index, directory / VECTORS)
    return True


def inherit_index_record(index: IndexRecord, base: str) -> IndexRecord:
    """Return the record of an index whose rows were changed: it names the snapshot that its curve was measured in."""
    if not index.curve or index.queries.endswith("]"):
        return index
    return msgspec.structs.replace(index, queries=f"{index.queries} [measured in {base}]")


def publish(snapshots: SnapshotDirectory, directory: Path, draft: Manifest, *, use: bool) -> Manifest:
    """Write the manifest of a new snapshot, open the snapshot as the service does, and publish it.

    Args:
        snapshots: the published snapshots.
        directory: the new one's.
        draft: the manifest; its id, its time and its files are filled in here.
        use: make the snapshot the live one.

    Returns:
        The manifest.

    Raises:
        SnapshotInvalid: the service would refuse the snapshot; it is not published.
    """
    manifest = msgspec.structs.replace(
        draft,
        id=snapshot_id(directory),
        created=datetime.now(UTC).replace(microsecond=0),
        files=file_records(directory),
    )
    write_manifest(directory, manifest)
    check_opens(directory, manifest.id)
    snapshots.publish(directory)
    if use:
        snapshots.use(manifest.id)
    return manifest


@contextlib.contextmanager
def hold_base(data: Path, base: str | None) -> Iterator[tuple[Path, Manifest]]:
    """Lock the snapshot that another one is made from, so that it is not removed; yield its directory and manifest.

    Args:
        data: the data directory.
        base: id of the snapshot; None for the live one.

    Raises:
        NoSnapshot: there is no snapshot.
        SnapshotError: a file could not be written.
    """
    snapshots = SnapshotDirectory(data)
    name = base or snapshots.current()
    if name is None:
        raise NoSnapshot("There is no snapshot yet; make the first with: akin index build SOURCE")
    path = snapshots.path(name)
    with report_write_errors(data), contextlib.closing(SnapshotLock(path)):
        yield path, read_manifest(path)


@contextlib.contextmanager
def report_write_errors(data: Path) -> Iterator[None]:
    """Raise a `SnapshotError` for an error of the disk or of SQLite."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise SnapshotError(f"The snapshot could not be written below {data}: {error}") from error
