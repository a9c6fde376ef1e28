"""A published snapshot, opened for searching, and its verification."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from retrieval_service.adapters.english import ANALYSIS_VERSION
from retrieval_service.adapters.faiss_gpu import GpuIndex, NoGpu, on_gpu
from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.adapters.tantivy_index import TantivyIndex
from retrieval_service.corpus.manifest import (
    CATALOGUE,
    LEXICAL,
    MANIFEST,
    VECTORS,
    FileRecord,
    Manifest,
    check_digest,
    ends_digest,
    read_manifest,
    snapshot_files,
)
from retrieval_service.corpus.snapshot_lock import SnapshotLock
from retrieval_service.errors import SnapshotInvalid
from retrieval_service.ports import Catalogue, LexicalIndex, VectorIndex

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """A corpus ready to be searched.

    Attributes:
        manifest: what it is.
        vectors: its vector index.
        lexical: its lexical index.
        catalogue: its papers.
        without_gpu: why its vectors are not on a GPU although they should be.
        hold: keeps it from being removed.
    """

    manifest: Manifest
    vectors: VectorIndex
    lexical: LexicalIndex
    catalogue: Catalogue
    without_gpu: str | None = None
    hold: SnapshotLock | None = None

    def close(self) -> None:
        """Closes what is open; nothing may be searched any more."""
        if isinstance(self.catalogue, SqliteCatalogue):
            self.catalogue.close()
        if isinstance(self.vectors, GpuIndex):
            self.vectors.close()
        if self.hold is not None:
            self.hold.close()

    def on_gpu(self, *, every: bool, float16: bool) -> Snapshot:
        """The same with its vectors on one GPU, or on every one; as it is, and a line in the log, where that fails."""
        if not isinstance(self.vectors, FaissIndex):
            return self
        try:
            return replace(self, vectors=on_gpu(self.vectors, every=every, float16=float16))
        except NoGpu as error:
            _log.warning("Vectors of snapshot %s are searched in main memory: %s.", self.manifest.id, error)
            return replace(self, without_gpu=str(error))


def open_snapshot(directory: Path, *, lexical_terms: int = 64, lexical_postings: int = 3_000_000) -> Snapshot:
    """Opens a published snapshot after checking that its parts are whole and belong together.

    Sizes and both ends of every file are checked, and everything is parsed; whole digests are for `verify_snapshot`.

    As long as it is open, it is not removed.

    Raises:
        SnapshotNotFound: it is gone.
        SnapshotInvalid: a file is missing, damaged, of another snapshot or of a newer version; the message names it.
    """
    hold = SnapshotLock(directory)
    try:
        return replace(_opened(directory, directory.name, lexical_terms, lexical_postings), hold=hold)
    except BaseException:
        hold.close()
        raise


def check_opens(building: Path, name: str) -> None:
    """Open a snapshot that is about to be published as the service would, so that nothing it refuses is published.

    Args:
        building: the directory it is built in.
        name: the id that it will have.

    Raises:
        SnapshotInvalid: the service would refuse it.
    """
    _opened(building, name, 64, 3_000_000).close()


def _opened(directory: Path, name: str, lexical_terms: int, lexical_postings: int) -> Snapshot:
    manifest = read_manifest(directory)
    if manifest.id != name:
        raise SnapshotInvalid(directory / MANIFEST, f"is of snapshot {manifest.id}")
    if manifest.analysis_version != ANALYSIS_VERSION:
        raise SnapshotInvalid(
            directory / LEXICAL,
            f"has terms of analysis {manifest.analysis_version}, not {ANALYSIS_VERSION}: build the index again "
            "(no text is embedded twice)",
        )
    for name, record in manifest.files.items():
        _check_ends(directory / name, record)
    catalogue = SqliteCatalogue(directory / CATALOGUE)
    try:
        if catalogue.snapshot_id != manifest.id:
            raise SnapshotInvalid(directory / CATALOGUE, f"is of snapshot {catalogue.snapshot_id}, not {manifest.id}")
        vectors = FaissIndex.open(directory / VECTORS, nprobe=manifest.index.nprobe, k_factor=manifest.index.k_factor)
        if vectors.dim != manifest.encoder.dim:
            raise SnapshotInvalid(
                directory / VECTORS, f"holds vectors of length {vectors.dim}, not {manifest.encoder.dim}"
            )
        lexical = TantivyIndex(directory / LEXICAL, terms=lexical_terms, postings=lexical_postings)
        for name, part in ((CATALOGUE, catalogue), (VECTORS, vectors), (LEXICAL, lexical)):
            if len(part) != manifest.papers:
                raise SnapshotInvalid(directory / name, f"holds {len(part)} papers, not {manifest.papers}")
    except BaseException:
        catalogue.close()
        raise
    return Snapshot(manifest, vectors, lexical, catalogue)


def verify_snapshot(directory: Path) -> list[SnapshotInvalid]:
    """Everything that is wrong with a snapshot, from digests to what can be parsed; empty when it is whole."""
    try:
        manifest = read_manifest(directory)
    except SnapshotInvalid as error:
        return [error]
    wrong = []
    there = snapshot_files(directory)
    for name, record in manifest.files.items():
        try:
            _check_ends(directory / name, record)
            check_digest(directory, name, manifest)
        except SnapshotInvalid as error:
            wrong.append(error)
    wrong += [SnapshotInvalid(there[name], "is not in the manifest") for name in there if name not in manifest.files]
    if not wrong:
        # Parsing says nothing more about files that are damaged, and a library may not survive it.
        try:
            open_snapshot(directory).close()
        except SnapshotInvalid as error:
            wrong.append(error)
    return wrong


def _check_ends(path: Path, record: FileRecord) -> None:
    try:
        found = path.stat().st_size
        if found != record.bytes:
            raise SnapshotInvalid(path, f"has {found} bytes, not {record.bytes}")
        if record.ends and ends_digest(path) != record.ends:
            raise SnapshotInvalid(path, "is damaged or of another snapshot: its digest is not the one in the manifest")
    except OSError as error:
        raise SnapshotInvalid(path, f"cannot be read ({error.strerror})") from error
