"""A snapshot's manifest: what it was made of, how, and the digest of every file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import msgspec

from retrieval_service.adapters.tantivy_index import LOCK_FILES
from retrieval_service.errors import SnapshotInvalid

SCHEMA = 1
MANIFEST, VECTORS, LEXICAL, CATALOGUE = "manifest.json", "vectors.faiss", "lexical", "catalogue.sqlite"
# Neither reading nor hashing a block holds the interpreter's lock; it is wanted once in some milliseconds.
_BLOCK = 8 << 20
_END = 1 << 16


class EncoderRecord(msgspec.Struct, frozen=True):
    """The encoder that made the vectors."""

    version: int
    digest: str
    dim: int
    max_length: int | None = None


class CurvePoint(msgspec.Struct, frozen=True):
    """One point of the measured trade.

    Attributes:
        nprobe: lists looked into; of a graph the candidates kept in hand, of an exact index 0.
        recall_at_10: against exact search.
        ms: for a query, on one thread.
        recipe: of the index that was searched; empty where it is the snapshot's own.
        k_factor: candidates refined for each result asked.
        memory_mb: of the index, in megabytes; 0 where it was not noted.
        build_s: seconds it took to make; 0 where it was not noted.
    """

    nprobe: int
    recall_at_10: float
    ms: float
    recipe: str = ""
    k_factor: float = 1.0
    memory_mb: float = 0.0
    build_s: float = 0.0


class IndexRecord(msgspec.Struct, frozen=True):
    """How the vector index was made and is searched.

    Attributes:
        recipe: in the words of FAISS's index factory.
        why: the reason it was chosen.
        nlist: number of inverted lists; None for an exact index.
        nprobe: lists a search looks into unless told otherwise.
        k_factor: candidates refined for each result asked.
        recall_target: the recall@10 that `nprobe` was chosen to meet.
        curve: what was measured.
        trained_on: how many papers there were when the lists, or by measurement an exact index, were chosen.
        queries: what was asked when the curve was measured.
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
        """Whether measurements of several recipes chose this one, and not the size of the corpus."""
        return any(point.recipe for point in self.curve)


class FileRecord(msgspec.Struct, frozen=True):
    """A file as it was published.

    Attributes:
        sha256: of all of it.
        bytes: its size.
        ends: SHA-256 of its first and last 64 KiB, quick to check at every start; empty where it was not noted.
    """

    sha256: str
    bytes: int
    ends: str = ""


class Change(msgspec.Struct, frozen=True):
    """How a snapshot differs from the one it was made from.

    Attributes:
        base: the id of that snapshot.
        source: where the changes came from.
        added: papers that are new.
        replaced: papers of which another version or other metadata came.
        withdrawn: papers that are gone.
        unchanged: papers that came again as they were.
        stale: texts that are gone and whose words still count in the lexical index's statistics, since it was last
            written whole.
        kept: papers that the source, though it was to be the whole corpus, did not hold, and that stay because some of
            its records could not be read.
        unclaimed: why the day up to which arXiv's changes are in the snapshot did not move with a harvest; empty where
            it did, and where there was none.
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


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot is.

    Attributes:
        schema: of this manifest.
        id: the snapshot's name.
        created: when it was published.
        source: what it was read from.
        papers: how many it has.
        rejected: records of the source that were not taken, by reason.
        embedded: texts embedded for this build; the others' vectors were kept from earlier ones.
        encoder: what made the vectors.
        passage_text_version: what text of a paper was embedded.
        analysis_version: how the lexical index's text became terms.
        index: how the vector index was made.
        files: every file but this one, by its path in the snapshot.
        change: how it differs from the snapshot it was made from; None when it was built from its source.
        harvested: the day up to which arXiv's changes are in it, as the repository dates its answers.
        subset: the set of arXiv's that it was built of; None for everything, and where it was built of another source.
        repository: the address that was harvested; None where nothing was, and where it was not noted.
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


class _Schema(msgspec.Struct):
    schema: int


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a snapshot.

    Raises:
        SnapshotInvalid: it is missing, damaged, or of a newer schema than this code reads.
    """
    path = directory / MANIFEST
    try:
        content = path.read_bytes()
        schema = msgspec.json.decode(content, type=_Schema).schema
        if schema != SCHEMA:
            written = "a newer" if schema > SCHEMA else "an older"
            raise SnapshotInvalid(path, f"was written by {written} version (schema {schema}; this one reads {SCHEMA})")
        return msgspec.json.decode(content, type=Manifest)
    except FileNotFoundError as error:
        raise SnapshotInvalid(path, "is missing") from error
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotInvalid(path, f"is not a manifest ({error})") from error


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Writes the manifest of a snapshot."""
    (directory / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


def file_records(directory: Path) -> dict[str, FileRecord]:
    """Digest and size of every file of a snapshot but its manifest."""
    return {
        name: FileRecord(file_digest(path), path.stat().st_size, ends_digest(path))
        for name, path in sorted(snapshot_files(directory).items())
    }


def snapshot_files(directory: Path) -> Mapping[str, Path]:
    """The files of a snapshot but its manifest, by their path in it."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.name not in LOCK_FILES)
    return {path.relative_to(directory).as_posix(): path for path in files if path.name != MANIFEST}


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    digest = sha256()
    block = memoryview(bytearray(_BLOCK))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(block):
            digest.update(block[:size])
    return digest.hexdigest()


def check_digest(base: Path, name: str, manifest: Manifest, *, copy: Path | None = None) -> None:
    """Refuses a file of a published snapshot that is not as it was published.

    Args:
        base: the snapshot.
        name: the file in it.
        manifest: the snapshot's.
        copy: where it was copied to, to check that instead.

    Raises:
        SnapshotInvalid: it is missing or differs.
    """
    try:
        found = file_digest(copy or base / name)
    except OSError as error:
        raise SnapshotInvalid(base / name, f"cannot be read ({error.strerror})") from error
    if found != manifest.files[name].sha256:
        raise SnapshotInvalid(base / name, "is damaged: its digest is not the one in the manifest")


def ends_digest(path: Path) -> str:
    """The SHA-256 of a file's first and last 64 KiB, in hex: tells another file of the same size from this one."""
    with path.open("rb") as file:
        digest = sha256(file.read(_END))
        file.seek(max(file.tell(), path.stat().st_size - _END))
        digest.update(file.read(_END))
    return digest.hexdigest()
