"""The parts of a snapshot that hold its papers row by row: catalogue, lexical index and digests.

A new snapshot writes them from its first paper on. One that is made from another takes them over: the catalogue is
copied, the lexical index's files, which never change once written, are linked, and each is checked against the digest
it was published with, so that damage is not published again as if it were whole.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexing.catalogue_writer import CatalogueWriter
from indexing.lexical_writer import LexicalWriter
from papers import Paper
from retrieval_service.corpus.digests import DIGESTS, digest_rows, read_digests
from retrieval_service.corpus.manifest import CATALOGUE, LEXICAL, Manifest, check_digest
from retrieval_service.errors import SnapshotInvalid

_FETCHED = 900


class Parts:
    """The parts of a new snapshot, written beside each other.

    Attributes:
        catalogue: the papers so far.
        count: how many.
    """

    def __init__(self, directory: Path, snapshot_id: str) -> None:
        """Makes the files."""
        self.catalogue = CatalogueWriter(directory / CATALOGUE, snapshot_id)
        self.count = 0
        try:
            self._digests = (directory / DIGESTS).open("wb")
            try:
                self._lexical = LexicalWriter(directory / LEXICAL)
            except BaseException:
                self._digests.close()
                raise
        except BaseException:
            self.catalogue.abandon()
            raise

    def add(self, papers: Sequence[Paper], texts: Sequence[bytes]) -> None:
        """Adds papers, whose texts have these digests, as the next rows."""
        self._lexical.add(self.count, papers)
        self.catalogue.add(papers)
        self._digests.write(digest_rows(papers, texts).tobytes())
        self.count += len(papers)

    def close(self) -> None:
        """Writes what is left and closes the files."""
        self._digests.close()
        self._lexical.close()
        self.catalogue.close()

    def abandon(self) -> None:
        """Closes the files as they are."""
        self._lexical.abandon()
        self.catalogue.abandon()
        with contextlib.suppress(OSError):  # what a full disk did not take
            self._digests.close()


def take_catalogue(base: Path, directory: Path, manifest: Manifest) -> None:
    """Copies the catalogue of a published snapshot.

    Raises:
        SnapshotInvalid: it is not as it was published.
    """
    shutil.copyfile(base / CATALOGUE, directory / CATALOGUE)
    check_digest(base, CATALOGUE, manifest, copy=directory / CATALOGUE)


def take_lexical(base: Path, directory: Path, manifest: Manifest) -> None:
    """Links the lexical index of a published snapshot, or copies it where links cannot be made.

    Raises:
        SnapshotInvalid: it is not as it was published.
    """
    (directory / LEXICAL).mkdir()
    for name in manifest.files:
        if not name.startswith(f"{LEXICAL}/"):
            continue
        check_digest(base, name, manifest)
        # The JSON files say which segments there are and are written anew; a segment's files never are.
        if not name.endswith(".json"):
            try:
                os.link(base / name, directory / name)
                continue
            except OSError:
                pass  # another file system, or one without links
        shutil.copyfile(base / name, directory / name)


def take_digests(base: Path, manifest: Manifest) -> NDArray[np.void]:
    """The digests of a published snapshot's rows.

    Raises:
        SnapshotInvalid: they are not as they were published, or the snapshot is older than digests.
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


def papers_in_rows(catalogue: CatalogueWriter, rows: Sequence[int]) -> Iterator[list[Paper]]:
    """The papers of these rows, in runs."""
    for at in range(0, len(rows), _FETCHED):
        yield catalogue.papers(rows[at : at + _FETCHED])


def write_lexical(directory: Path, catalogue: CatalogueWriter) -> None:
    """Writes the whole lexical index from the catalogue."""
    with LexicalWriter(directory / LEXICAL) as lexical:
        first = 0
        for papers in papers_in_rows(catalogue, range(len(catalogue))):
            lexical.add(first, papers)
            first += len(papers)
        lexical.close()


def change_lexical(directory: Path, catalogue: CatalogueWriter, before: int, rewritten: Sequence[int]) -> int:
    """Brings a taken-over lexical index up to the catalogue.

    Args:
        directory: the new snapshot's.
        catalogue: as it is to be searched.
        before: rows the index has.
        rewritten: those of them that hold another paper, or another version.

    Returns:
        How many rows were taken out: the index goes on counting their words in its statistics.
    """
    count = len(catalogue)
    kept = sorted(row for row in rewritten if row < min(before, count))
    gone = [*kept, *range(count, before)]
    wanted = [*kept, *range(before, count)]
    with LexicalWriter(directory / LEXICAL, continued=True) as lexical:
        lexical.delete(gone)
        at = 0
        for papers in papers_in_rows(catalogue, wanted):
            for row, paper in zip(wanted[at : at + len(papers)], papers, strict=True):
                lexical.add(row, [paper])
            at += len(papers)
        lexical.close()
    return len(gone)
