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
_BLOCK = 1 << 20


class EncoderRecord(msgspec.Struct, frozen=True):
    """The encoder that made the vectors."""

    version: int
    digest: str
    dim: int
    max_length: int | None = None


class CurvePoint(msgspec.Struct, frozen=True):
    """One point of the measured trade: lists looked into, recall@10 against exact search, ms for a query."""

    nprobe: int
    recall_at_10: float
    ms: float


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
    """

    recipe: str
    why: str
    nlist: int | None = None
    nprobe: int | None = None
    k_factor: float = 1.0
    recall_target: float | None = None
    curve: tuple[CurvePoint, ...] = ()


class FileRecord(msgspec.Struct, frozen=True):
    """A file as it was published."""

    sha256: str
    bytes: int


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
        name: FileRecord(file_digest(path), path.stat().st_size)
        for name, path in sorted(snapshot_files(directory).items())
    }


def snapshot_files(directory: Path) -> Mapping[str, Path]:
    """The files of a snapshot but its manifest, by their path in it."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.name not in LOCK_FILES)
    return {path.relative_to(directory).as_posix(): path for path in files if path.name != MANIFEST}


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
