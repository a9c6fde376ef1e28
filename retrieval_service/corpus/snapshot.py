"""Open a published snapshot for searching, and verify one."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from retrieval_service.adapters.english import ANALYSIS_VERSION
from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.adapters.gpu_index import GpuOptions, NoGpu, put_on_gpu
from retrieval_service.adapters.milvus_collection import MilvusOptions, record_numbers
from retrieval_service.adapters.milvus_index import open_milvus
from retrieval_service.adapters.milvus_words import MilvusWords
from retrieval_service.adapters.partial_index import PartialIndex
from retrieval_service.adapters.reference_arrays import ReferenceArrays
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.adapters.tantivy_index import TantivyIndex
from retrieval_service.corpus.digests import DIGEST_ROW, DIGESTS
from retrieval_service.corpus.manifest import (
    CATALOGUE,
    COVERED,
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
from retrieval_service.ports import Catalogue, LexicalIndex, Rows, RowSet, VectorIndex

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """A published snapshot, opened for searching.

    Attributes:
        manifest: Its manifest.
        vectors: The vector index.
        lexical: The lexical index.
        catalogue: The papers.
        own_vectors: The index of its vectors in main memory; `vectors` may search them elsewhere.
        own_words: The index of its words on this machine; `lexical` may search them elsewhere.
        lock: Keeps the snapshot from being removed; None if it is not published yet.
        covered: The rows that have a vector; None if all have one.
        references: Who cites whom; None if no references were imported.
    """

    manifest: Manifest
    vectors: VectorIndex
    lexical: LexicalIndex
    catalogue: Catalogue
    own_vectors: FaissIndex
    own_words: TantivyIndex
    lock: SnapshotLock | None = None
    covered: RowSet | None = None
    references: ReferenceArrays | None = None

    def close(self) -> None:
        """Close all parts; no search may follow."""
        self.catalogue.close()
        self.vectors.close()
        if self.lock is not None:
            self.lock.close()


def open_snapshot(
    directory: Path, *, gpu: GpuOptions | None = None, milvus: MilvusOptions | None = None, **lexical_limits: int
) -> Snapshot:
    """Open a published snapshot, after checking that its parts are whole and belong together.

    Sizes and both ends of every file are checked, and the whole vector index, as FAISS trusts its numbers; then
    everything is parsed. `verify_snapshot` checks whole digests. A snapshot cannot be removed while it is open.

    Args:
        directory: The snapshot.
        gpu: Copies the vector index to GPUs; if it fails, the index stays in main memory; `status` has the reason.
        milvus: Searches the vectors in Milvus, which must have them; in main memory while it fails later.
        lexical_limits: The limits of a lexical search, `terms` and `postings`; see `TantivyIndex`.

    Raises:
        SnapshotNotFound: The snapshot was removed.
        SnapshotInvalid: A file is missing, damaged, of another snapshot or of a newer version; the message names it.
        VectorStoreUnusable: Milvus cannot be reached, or does not have the snapshot's vectors.
    """
    lock = SnapshotLock(directory)
    try:
        return replace(_open(directory, directory.name, gpu, milvus, hashes=True, **lexical_limits), lock=lock)
    except BaseException:
        lock.close()
        raise


def check_opens(building: Path, name: str) -> None:
    """Open a snapshot as the service would, so that a snapshot that it would refuse is not published.

    Args:
        building: The directory in which it is built.
        name: The id that it will have.

    Raises:
        SnapshotInvalid: The service would refuse it.
    """
    _open(building, name).close()


def _open(
    directory: Path,
    name: str,
    gpu: GpuOptions | None = None,
    milvus: MilvusOptions | None = None,
    *,
    hashes: bool = False,
    **lexical_limits: int,
) -> Snapshot:
    manifest = read_manifest(directory)
    if manifest.id != name:
        raise SnapshotInvalid(directory / MANIFEST, f"is of snapshot {manifest.id}")
    if manifest.analysis_version != ANALYSIS_VERSION:
        raise SnapshotInvalid(
            directory / LEXICAL,
            f"has terms of analysis {manifest.analysis_version}, not {ANALYSIS_VERSION}: convert it with "
            "akin index update, without a source (no text is embedded twice)",
        )
    for file, record in manifest.files.items():
        _check_ends(directory / file, record)
    catalogue = SqliteCatalogue(directory / CATALOGUE)
    try:
        if catalogue.snapshot_id != manifest.id:
            raise SnapshotInvalid(directory / CATALOGUE, f"is of snapshot {catalogue.snapshot_id}, not {manifest.id}")
        # After all checks that read less.
        if hashes and VECTORS in manifest.files:
            check_digest(directory, VECTORS, manifest)
        vectors = FaissIndex.open(directory / VECTORS, nprobe=manifest.index.nprobe, k_factor=manifest.index.k_factor)
        if vectors.dim != manifest.encoder.dim:
            raise SnapshotInvalid(
                directory / VECTORS, f"holds vectors of length {vectors.dim}, not {manifest.encoder.dim}"
            )
        lexical: LexicalIndex = (words := TantivyIndex(directory / LEXICAL, **lexical_limits))
        rows = read_covered(directory, manifest) if manifest.partial else None
        with_vectors = manifest.papers if rows is None else len(rows)
        papers = manifest.papers
        parts = ((CATALOGUE, catalogue, papers), (VECTORS, vectors, with_vectors), (LEXICAL, lexical, papers))
        for file, part, right in parts:
            if len(part) != right:
                raise SnapshotInvalid(directory / file, f"holds {len(part)} papers, not {right}")
        searched: VectorIndex = vectors
        if milvus is not None and with_vectors:
            # The words of a partial snapshot are those of all papers, its collection those of its vectors.
            milvus = milvus._replace(words=milvus.words and rows is None)
            records = _records(directory, manifest, rows)
            searched = (there := open_milvus(vectors, milvus, manifest.id, manifest.encoder.digest, records))
            if milvus.words:
                lexical = MilvusWords(words, there.collection)
        elif gpu is not None and with_vectors:
            searched = _on_gpu(vectors, gpu, manifest.id)  # a GPU has nothing to do for an index without vectors
        references = ReferenceArrays(directory, papers) if manifest.references is not UNSET else None
        covered = None
        if rows is not None:
            searched = part_of = PartialIndex(searched, rows, papers)
            covered = part_of.covered
        return Snapshot(manifest, searched, lexical, catalogue, vectors, words, covered=covered, references=references)
    except BaseException:
        catalogue.close()
        raise


def read_covered(directory: Path, manifest: Manifest) -> Rows:
    """Return the rows of a partial snapshot that have a vector, int64 [n], ascending.

    Raises:
        SnapshotInvalid: The file is missing, or its rows are not those of this snapshot.
    """
    path = directory / COVERED
    try:
        rows = np.fromfile(path, "<u4").astype(np.int64)
    except OSError as error:
        raise SnapshotInvalid(path, f"cannot be read ({error.strerror})") from error
    if len(rows) != manifest.with_vectors:
        raise SnapshotInvalid(path, f"names {len(rows)} papers with vectors, not {manifest.with_vectors}")
    if len(rows) and (rows[-1] >= manifest.papers or np.any(np.diff(rows) <= 0)):
        raise SnapshotInvalid(path, f"does not hold ascending rows below {manifest.papers}")
    return rows


def _records(directory: Path, manifest: Manifest, rows: Rows | None) -> NDArray[np.int64] | None:
    """Return what identifies the record of each vector's paper; None for a snapshot of an earlier release."""
    if DIGESTS not in manifest.files:
        return None
    found = record_numbers(np.memmap(directory / DIGESTS, DIGEST_ROW, "r"))
    return found if rows is None else found[rows]


def _on_gpu(vectors: FaissIndex, options: GpuOptions, snapshot_id: str) -> VectorIndex:
    try:
        index = put_on_gpu(vectors, options)
    except NoGpu as error:
        level = logging.WARNING if options.required else logging.INFO
        _log.log(level, "Vectors of snapshot %s are searched in main memory: %s.", snapshot_id, error)
        vectors.status = str(error) if options.required else None
        return vectors
    _log.info("Vectors of snapshot %s are searched on a GPU: %s.", snapshot_id, index.place)
    return index


def verify_snapshot(directory: Path) -> list[SnapshotInvalid]:
    """Return every fault of a snapshot, in digests and in what can be parsed; an empty list if it is whole."""
    try:
        manifest = read_manifest(directory)
    except SnapshotInvalid as error:
        return [error]
    faults = []
    there = snapshot_files(directory)
    for name, record in manifest.files.items():
        try:
            _check_ends(directory / name, record)
            check_digest(directory, name, manifest)
        except SnapshotInvalid as error:
            faults.append(error)
    faults += [SnapshotInvalid(there[name], "is not in the manifest") for name in there if name not in manifest.files]
    if not faults:
        # Parsing a damaged file finds nothing new, and may crash a library.
        try:
            open_snapshot(directory).close()
        except SnapshotInvalid as error:
            faults.append(error)
    return faults


def _check_ends(path: Path, record: FileRecord) -> None:
    try:
        found = path.stat().st_size
        if found != record.bytes:
            raise SnapshotInvalid(path, f"has {found} bytes, not {record.bytes}")
        if record.ends and ends_digest(path) != record.ends:
            raise SnapshotInvalid(path, "is damaged or of another snapshot: its digest is not the one in the manifest")
    except OSError as error:
        raise SnapshotInvalid(path, f"cannot be read ({error.strerror})") from error
