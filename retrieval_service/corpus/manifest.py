"""A snapshot's manifest: its source, its encoder, its index, and the digest of every file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import UNSET, UnsetType

from akin.storage.digest import file_digest
from retrieval_service.adapters.tantivy_index import LOCK_FILES
from retrieval_service.errors import SnapshotInvalid

SCHEMA = 1
MANIFEST, VECTORS, LEXICAL, CATALOGUE = "manifest.json", "vectors.faiss", "lexical", "catalogue.sqlite"
COVERED = "covered.rows"
"""File of a partial snapshot: the rows that have a vector, ascending, uint32; row i is the vector i of the index."""
_END = 1 << 16


class EncoderRecord(msgspec.Struct, frozen=True):
    """The encoder that made the vectors."""

    version: int
    digest: str
    dim: int
    max_length: int | None = None


class CurvePoint(msgspec.Struct, frozen=True):
    """One point of the measured curve of recall against time.

    Attributes:
        nprobe: Lists that a search reads; a graph's candidates (`efSearch`); 0 for an exact index.
        recall_at_10: Recall against exact search.
        ms: Milliseconds for a query, on one thread.
        recipe: The recipe of the index that was searched; empty for the snapshot's own.
        k_factor: Candidates that are refined for each result.
        memory_mb: Size of the index, in megabytes; 0 if unknown.
        build_s: Seconds that the index took to make; 0 if unknown.
    """

    nprobe: int
    recall_at_10: float
    ms: float
    recipe: str = ""
    k_factor: float = 1.0
    memory_mb: float = 0.0
    build_s: float = 0.0


class IndexRecord(msgspec.Struct, frozen=True):
    """The recipe of the vector index and its search parameters.

    Attributes:
        recipe: A string for FAISS's index factory.
        why: The reason for its choice.
        nlist: Number of inverted lists; None for an exact index.
        nprobe: Lists that a search reads by default.
        k_factor: Candidates that are refined for each result.
        recall_target: The recall@10 that `nprobe` was chosen to reach.
        curve: The measured points.
        trained_on: Number of papers when the lists were trained, or when measurements chose an exact index.
        queries: The queries that the curve was measured with.
    """

    recipe: str
    why: str
    nlist: int | None = None
    nprobe: int | None = None
    k_factor: float = 1.0
    recall_target: float | None = None
    curve: tuple[CurvePoint, ...] = ()
    trained_on: int | None = None
    queries: str = ""

    @property
    def chosen(self) -> bool:
        """True if measurements of several recipes chose this one, False if the size of the corpus did."""
        return any(point.recipe for point in self.curve)


class FileRecord(msgspec.Struct, frozen=True):
    """The published state of a file.

    Attributes:
        sha256: SHA-256 of the whole file.
        bytes: Its size.
        ends: SHA-256 of its first and last 64 KiB, which is quick to check at every start; empty if unknown.
    """

    sha256: str
    bytes: int
    ends: str = ""


class Change(msgspec.Struct, frozen=True):
    """The difference between a snapshot and the one it was made from, in numbers of papers.

    Attributes:
        base: The id of the earlier snapshot.
        source: The source of the changes.
        added: New papers.
        replaced: Papers with a new version or other metadata.
        withdrawn: Papers that were removed.
        unchanged: Papers that the source contains unchanged.
        stale: Removed texts whose words still count in the lexical index's statistics, since the index was last written
            from scratch.
        kept: Papers that are not in a source that is to be the whole corpus, and that stay because some of its records
            could not be read.
        unclaimed: Why a harvest did not advance the day up to which the snapshot has arXiv's changes; empty if it
            did, or if there was no harvest.
        older: Papers of which the source has an older version than the snapshot, whose version stays.
    """

    base: str
    source: str
    added: int = 0
    replaced: int = 0
    withdrawn: int = 0
    unchanged: int = 0
    stale: int = 0
    kept: int = 0
    unclaimed: str = ""
    older: int = 0


class ReferencesRecord(msgspec.Struct, frozen=True):
    """The references between the papers of a snapshot, and where they are from.

    Attributes:
        imported: The day of the import.
        sources: Names of the files.
        pairs: Pairs of a citing and a cited paper, both in the corpus.
        papers: Papers that cite or are cited.
        known: Papers that the sources know.
        at_import: Papers of the corpus at the time of the import; later ones have no references.
        totals: True if a source stated how often papers are cited; otherwise citations within the corpus are counted.
        outside: References to papers outside the corpus.
        own: References of a paper to itself, which were left out.
        repeated: Repeated pairs, which were left out.
        broken: Lines that could not be read.
    """

    imported: str
    sources: tuple[str, ...]
    pairs: int
    papers: int
    known: int
    at_import: int
    totals: bool
    outside: int
    own: int
    repeated: int
    broken: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The description of a snapshot.

    Attributes:
        schema: Version of the manifest's layout.
        id: The snapshot's name.
        created: The time of publication.
        source: The source that it was built from.
        papers: Number of papers.
        rejected: Number of records of the source that were not used, by reason.
        embedded: Number of texts that were embedded for this build; the other vectors were stored before.
        encoder: The encoder that made the vectors.
        passage_text_version: Version of the rules that make the embedded text of a paper.
        analysis_version: Version of the rules that make the lexical index's terms.
        index: The vector index.
        files: All files except this one, by path in the snapshot.
        change: Difference from the snapshot it was made from; None when it was built from its source.
        harvested: The day up to which the snapshot has arXiv's changes, in the repository's own dates.
        subset: The arXiv set that it was built from; None for all sets, and for other sources.
        repository: The address of the harvested repository; None if there is none or it is unknown.
        with_vectors: Number of papers that have a vector, in a partial snapshot; a whole one has no such field.
        references: The references between its papers; a snapshot without any has no such field.
    """

    schema: int = SCHEMA
    id: str
    created: datetime
    source: str
    papers: int
    rejected: dict[str, int]
    embedded: int
    encoder: EncoderRecord
    passage_text_version: int
    analysis_version: int
    index: IndexRecord
    files: dict[str, FileRecord]
    change: Change | None = None
    harvested: str | None = None
    subset: str | None = None
    repository: str | None = None
    with_vectors: int | UnsetType = UNSET
    references: ReferencesRecord | UnsetType = UNSET

    @property
    def partial(self) -> bool:
        """True if some papers have no vector yet: the snapshot is a step of a build that was not at its end."""
        return self.with_vectors is not UNSET


class _Schema(msgspec.Struct):
    schema: int


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest of a snapshot.

    Raises:
        SnapshotInvalid: The manifest is missing, damaged, or of another schema than this code reads.
    """
    path = directory / MANIFEST
    try:
        content = path.read_bytes()
        schema = msgspec.json.decode(content, type=_Schema).schema
        if schema != SCHEMA:
            written = "a newer" if schema > SCHEMA else "an older"
            raise SnapshotInvalid(
                path, f"was written by {written} version of Akin (schema {schema}; this version reads {SCHEMA})"
            )
        return msgspec.json.decode(content, type=Manifest)
    except FileNotFoundError as error:
        raise SnapshotInvalid(path, "is missing") from error
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotInvalid(path, f"is not a manifest ({error})") from error


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write the manifest of a snapshot."""
    (directory / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


def file_records(directory: Path) -> dict[str, FileRecord]:
    """Return digest and size of every file of a snapshot except its manifest, by path."""
    return {
        name: FileRecord(file_digest(path), path.stat().st_size, ends_digest(path))
        for name, path in sorted(snapshot_files(directory).items())
    }


def snapshot_files(directory: Path) -> Mapping[str, Path]:
    """Return the files of a snapshot except its manifest, by path in the snapshot."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.name not in LOCK_FILES)
    return {path.relative_to(directory).as_posix(): path for path in files if path.name != MANIFEST}


def check_digest(base: Path, name: str, manifest: Manifest, *, copy: Path | None = None) -> None:
    """Raise SnapshotInvalid if a file of a snapshot differs from its published state.

    Args:
        base: The snapshot.
        name: The file's path in it.
        manifest: The snapshot's manifest.
        copy: A copy of the file, which is checked instead.

    Raises:
        SnapshotInvalid: The file is missing or differs.
    """
    try:
        found = file_digest(copy or base / name)
    except OSError as error:
        raise SnapshotInvalid(base / name, f"cannot be read ({error.strerror})") from error
    if found != manifest.files[name].sha256:
        raise SnapshotInvalid(base / name, "is damaged: its digest is not the one in the manifest")


def ends_digest(path: Path) -> str:
    """Return the SHA-256 of a file's first and last 64 KiB, in hex, to detect another file of the same size."""
    with path.open("rb") as file:
        digest = sha256(file.read(_END))
        file.seek(max(file.tell(), path.stat().st_size - _END))
        digest.update(file.read(_END))
    return digest.hexdigest()
