"""Carry references over to a snapshot that was made from another one, by the ids of the papers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from akin.indexing.references.importing import ROWS_AT_ONCE, reference_files, write_arrays
from akin.indexing.references.pairs import PairFiles
from akin.indexing.snapshot_parts import link_files
from retrieval_service.adapters.reference_arrays import CITES, ReferenceArrays
from retrieval_service.corpus.manifest import CATALOGUE, Manifest, ReferencesRecord, check_digest


def link_references(base: Path, directory: Path, old: Manifest) -> None:
    """Link the references of a snapshot whose rows the new one has unchanged.

    Raises:
        SnapshotInvalid: a file is not as it was published.
    """
    link_files(base, directory, old, reference_files(old))


def carry_references(base: Path, directory: Path, old: Manifest, papers: int) -> ReferencesRecord | UnsetType:
    """Write the references of an updated snapshot; return their record, UNSET if the old snapshot has none.

    Pairs stay of which both papers stay. New papers have none until the next import.

    Args:
        base: the old snapshot.
        directory: the new one's, whose catalogue is written.
        old: the manifest of the old one.
        papers: number of papers of the new one.

    Raises:
        SnapshotInvalid: a file of the old snapshot is not as it was published.
    """
    if old.references is UNSET:
        return UNSET
    for name in reference_files(old):
        check_digest(base, name, old)
    arrays, rows = ReferenceArrays(base, old.papers), new_rows(base, directory, old.papers)
    totals = np.zeros(papers, np.int64)
    stay = rows >= 0
    if old.references.totals:
        totals[rows[stay]] = arrays.totals[stay]
    with TemporaryDirectory(dir=directory, prefix=".pairs-") as aside:
        pairs = PairFiles(Path(aside) / CITES, papers)
        for first in range(0, old.papers, ROWS_AT_ONCE):
            citing, cited = (rows[some] for some in arrays.pairs(first, min(first + ROWS_AT_ONCE, old.papers)))
            both = (citing >= 0) & (cited >= 0)
            pairs.add(citing[both], cited[both])
        written = write_arrays(pairs, Path(aside) / "transposed", directory, totals)
    return msgspec.structs.replace(old.references, pairs=written.pairs, papers=written.papers)


def new_rows(base: Path, directory: Path, papers: int) -> NDArray[np.int64]:
    """Return the new row of each old row, int64 [papers]; -1 for a paper that is gone."""
    rows = np.full(papers, -1, np.int64)
    with closing(sqlite3.connect(f"{(directory / CATALOGUE).absolute().as_uri()}?mode=ro", uri=True)) as db:
        db.execute("ATTACH ? AS old", (f"{(base / CATALOGUE).absolute().as_uri()}?mode=ro&immutable=1",))
        moved = db.execute("SELECT old.paper.row, main.paper.row FROM old.paper JOIN main.paper USING (id)")
        while some := moved.fetchmany(ROWS_AT_ONCE):
            before, after = np.asarray(some, np.int64).T
            rows[before] = after
    return rows
