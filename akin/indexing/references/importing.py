"""Import references: publish a snapshot with the parts of another one and the arrays of who cites whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from akin.indexing.options import OnProgress, Progress
from akin.indexing.references.collecting import Collector
from akin.indexing.references.identities import CorpusRows
from akin.indexing.references.pairs import PairFiles, write_lists
from akin.indexing.references.sources import SourceFile, find_files
from akin.indexing.snapshot_parts import copy_rows, hold_base, link_files, publish, require_whole
from retrieval_service.adapters.reference_arrays import CITED_BY, CITES, FOLDER, ROW_TYPE, TOTALS, ReferenceArrays
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import CATALOGUE, Manifest, ReferencesRecord, check_digest, snapshot_files
from retrieval_service.errors import NoPapers

ROWS_AT_ONCE = 1 << 16
"""Rows whose pairs are read at a time."""


def reference_files(manifest: Manifest) -> list[str]:
    """Return the names of the files with references in a snapshot."""
    return [name for name in manifest.files if name.startswith(f"{FOLDER}/")]


def import_references(
    paths: Sequence[Path],
    data: Path,
    *,
    base: str | None = None,
    add: bool = False,
    use: bool = True,
    progress: OnProgress | None = None,
) -> Manifest:
    """Read files of citations, and publish a snapshot that has them beside all parts of another one.

    Nothing is embedded or indexed again. Pairs are sorted on the disk, so that memory holds the ids of the corpus and a
    part of the pairs. The result does not depend on the order of files and of records.

    Args:
        paths: files or folders.
        data: the data directory.
        base: id of the snapshot; default: the live one.
        add: keep the references that the snapshot has.
        use: make the new snapshot the live one.
        progress: called from time to time with bytes.

    Returns:
        The manifest of the new snapshot.

    Raises:
        PaperFileError: a file is missing, has no known format, breaks off, or most of its lines are no records.
        NoPapers: no pair of papers of the corpus is in the files.
        NoSnapshot: there is no snapshot.
        SnapshotError: the snapshot is partial, or a file could not be written.
        SnapshotInvalid: a file of the old snapshot is damaged.
        BuildInProgress: another process is building in this data directory.
    """
    report = progress or (lambda _: None)
    with hold_base(data, base) as (path, old):
        require_whole(old)
        snapshots = SnapshotDirectory(data)
        with snapshots.new_build() as directory:
            with TemporaryDirectory(dir=directory, prefix=".pairs-") as aside:
                record = _write_arrays(find_files(paths), path, directory, Path(aside), old, add, report)
            report(Progress("publish", 0, None, 0))
            copy_rows(path, directory, old)
            there = snapshot_files(directory)
            link_files(path, directory, old, [name for name in old.files if name not in there])
            draft = msgspec.structs.replace(old, embedded=0, references=record)
            return publish(snapshots, directory, draft, use=use)


def _write_arrays(
    files: Sequence[SourceFile], base: Path, directory: Path, aside: Path, old: Manifest, add: bool, report: OnProgress
) -> ReferencesRecord:
    """Write the arrays of a new snapshot and return their record."""
    for file in files:
        file.bytes_total = file.path.stat().st_size
    whole = sum(file.bytes_total for file in files)

    def on_read(_: SourceFile) -> None:
        report(Progress("references", sum(file.bytes_read for file in files), whole, 0))

    pairs = PairFiles(aside / CITES, old.papers)
    collector = Collector(CorpusRows(base / CATALOGUE), pairs, aside, on_read)
    collector.read(files)
    own = len(collector.matched)
    before = old.references if add and old.references is not UNSET else None
    totals = collector.totals
    if before is not None:
        for name in reference_files(old):
            check_digest(base, name, old)
        known = ReferenceArrays(base, own)
        for first in range(0, own, ROWS_AT_ONCE):
            pairs.add(*known.pairs(first, min(first + ROWS_AT_ONCE, own)))
        if before.totals:
            totals = np.maximum(totals, known.totals)
    report(Progress("sort", 0, None, 0))
    written = write_arrays(pairs, aside / CITED_BY, directory, totals)
    if not written.pairs:
        names = ", ".join(file.path.name for file in files[:5])
        raise NoPapers(
            f"No pair of papers of this corpus is in {names}: {int(collector.matched.sum()):,} of {own:,} papers are "
            "known there. Ids are recognised as OpenAlex or Semantic Scholar write them, or as the corpus does."
        )
    count = collector.counts
    return ReferencesRecord(
        imported=datetime.now(UTC).date().isoformat(),
        sources=tuple(dict.fromkeys([*(before.sources if before else ()), *(file.path.name for file in files)])),
        pairs=written.pairs,
        papers=written.papers,
        known=int(np.count_nonzero(collector.matched)),
        at_import=own,
        totals=collector.states_totals or bool(before and before.totals),
        outside=count["outside"],
        own=count["self"],
        repeated=written.repeated,
        broken=sum(file.broken for file in files),
    )


class Written(NamedTuple):
    """Numbers of what was written: pairs, papers that cite or are cited, and repeated pairs that were left out."""

    pairs: int
    papers: int
    repeated: int


def write_arrays(pairs: PairFiles, aside: Path, directory: Path, totals: NDArray[np.int64]) -> Written:
    """Write the arrays of a snapshot.

    Args:
        pairs: citing and cited rows.
        aside: folder to make for the pairs the other way round.
        directory: the new snapshot's.
        totals: citations of each row as a source states them, int64 [papers]; 0 if none does.
    """
    folder, papers = directory / FOLDER, len(totals)
    folder.mkdir()
    transposed = PairFiles(aside, papers)
    cites, repeated = write_lists(pairs, folder, CITES, papers, transposed)
    cited_by, _ = write_lists(transposed, folder, CITED_BY, papers)
    (folder / TOTALS).write_bytes(np.maximum(totals, cited_by).astype(ROW_TYPE).tobytes())
    return Written(int(cites.sum()), int(np.count_nonzero(cites + cited_by)), repeated)
