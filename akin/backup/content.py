"""Choose what a backup has, and keep it from being removed meanwhile.

Snapshots and versions of models never change once they are published, so that they can be copied while the service runs
and an update builds the next one. A snapshot is locked, as the service locks it. An embedding store only grows: as much
of it is copied as was complete at the start. Feedback is copied by SQLite itself, in one transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from akin.backup.manifest import FileRecord
from akin.errors import BackupError
from akin.feedback.store import FILE as FEEDBACK
from akin.registry.versions import (
    CONFIG,
    EVALUATIONS,
    HISTORY,
    MODEL,
    POINTER,
    RERANKER,
    Version,
    promoted_number,
    versions,
)
from akin.registry.versions import MANIFEST as MODEL_MANIFEST
from akin.stack_settings import Settings
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import MANIFEST, Manifest, read_manifest
from retrieval_service.corpus.map_files import MAPS
from retrieval_service.corpus.snapshot_lock import SnapshotLock
from retrieval_service.errors import SnapshotNotFound

_KEY_BYTES = 20
"""An entry of `keys.bin`, of which each has a vector (`akin/indexing/embedding_store.py`)."""


@dataclass(frozen=True)
class Wanted:
    """Choice of what is copied.

    Attributes:
        every: All snapshots and versions, instead of the live snapshot, its encoder and what serves.
        embeddings: The stored embeddings, without which an update embeds every text again.
        models: The versions of the encoder and of the reranker.
        keys: The hashes of the API's keys.
        feedback: What readers said of results.
        collection: The collected queries.
    """

    every: bool = False
    embeddings: bool = True
    models: bool = True
    keys: bool = True
    feedback: bool = True
    collection: bool = False


@dataclass(frozen=True)
class Source:
    """File to copy.

    Attributes:
        name: Its name in the backup.
        path: The file.
        bytes: The size to copy; None for all of it.
        known: Its published digest and size, which the copy must have; None if it has none.
        vanishes: True for a file that another process may delete at any time.
    """

    name: str
    path: Path
    bytes: int | None = None
    known: FileRecord | None = None
    vanishes: bool = False


def sources(settings: Settings, wanted: Wanted, kept: ExitStack, scratch: Path) -> tuple[str | None, list[Source]]:
    """Return the id of the live snapshot and the files to copy.

    Args:
        settings: Where they are.
        wanted: Which ones.
        kept: Takes the locks, and holds them until it is closed.
        scratch: Folder for a copy of the feedback.

    Raises:
        BackupError: There is nothing to copy.
        SnapshotError: A snapshot was removed, or cannot be read.
        EncoderError: A version of a model cannot be read.
    """
    live, manifests = _locked_snapshots(settings, wanted, kept)
    found = [each for manifest in manifests for each in _of_snapshot(settings.data, manifest)]
    if wanted.embeddings:
        found += _of_embeddings(settings.data, manifests)
    if wanted.models:
        digests = {manifest.encoder.digest for manifest in manifests}
        for model in (MODEL, RERANKER):
            found += _of_model(settings.repository / model, settings.repository, model, digests, wanted.every)
    if wanted.keys and settings.keys_file.is_file():
        found.append(Source("keys/keys.json", settings.keys_file))
    if wanted.feedback and (settings.feedback_folder / FEEDBACK).is_file():
        found.append(Source(f"feedback/{FEEDBACK}", _copied_feedback(settings.feedback_folder / FEEDBACK, scratch)))
    if wanted.collection:
        files = sorted(settings.collection_folder.glob("*.parquet"))
        found += [Source(f"collection/{path.name}", path, vanishes=True) for path in files]
    if not found:
        raise BackupError(f"{settings.data} and {settings.repository} hold nothing to back up.")
    return live, found


def _locked_snapshots(settings: Settings, wanted: Wanted, kept: ExitStack) -> tuple[str | None, list[Manifest]]:
    snapshots = SnapshotDirectory(settings.data)
    live = snapshots.current()
    names = dict.fromkeys([*([live] if live else []), *(snapshots.ids() if wanted.every else [])])
    manifests = []
    for name in names:
        path = snapshots.path(name)
        try:
            kept.enter_context(closing(SnapshotLock(path)))
        except SnapshotNotFound:
            if name == live:
                raise
            continue  # pruned meanwhile
        manifests.append(read_manifest(path))
    return live, manifests


def _of_snapshot(data: Path, manifest: Manifest) -> Iterator[Source]:
    folder = SnapshotDirectory(data).root / manifest.id
    for name, record in manifest.files.items():
        known = FileRecord(record.sha256, record.bytes)
        yield Source(f"snapshots/{manifest.id}/{name}", folder / name, known=known)
    yield Source(f"snapshots/{manifest.id}/{MANIFEST}", folder / MANIFEST)
    of_map = data / MAPS / manifest.id
    if of_map.is_dir():
        for path in sorted(of_map.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield Source(f"{MAPS}/{manifest.id}/{path.relative_to(of_map).as_posix()}", path)


def _of_embeddings(data: Path, manifests: list[Manifest]) -> Iterator[Source]:
    for digest, dim in {manifest.encoder.digest: manifest.encoder.dim for manifest in manifests}.items():
        keys, vectors = (data / "embeddings" / digest / name for name in ("keys.bin", "vectors.f16"))
        if keys.is_file() and vectors.is_file():
            # Keys first: a vector is written before its entry.
            count = keys.stat().st_size // _KEY_BYTES
            count = min(count, vectors.stat().st_size // (2 * dim))
            yield Source(f"embeddings/{digest}/keys.bin", keys, count * _KEY_BYTES)
            yield Source(f"embeddings/{digest}/vectors.f16", vectors, count * 2 * dim)


def _of_model(folder: Path, repository: Path, model: str, digests: set[str], every: bool) -> Iterator[Source]:
    there: list[Version] = versions(repository, model)
    chosen = [each for each in there if every or each.promoted or each.digest in digests]
    base = f"models/{model}"
    for version in chosen:
        own = folder / str(version.number)
        for name, record in version.manifest.get("files", {}).items():
            known = FileRecord(record["sha256"], record["bytes"])
            yield Source(f"{base}/{version.number}/{name}", own / name, known=known)
        yield Source(f"{base}/{version.number}/{MODEL_MANIFEST}", own / MODEL_MANIFEST)
        for path in sorted((folder / EVALUATIONS / version.digest).glob("*")):
            if path.is_file() and not path.is_symlink():
                yield Source(f"{base}/{EVALUATIONS}/{version.digest}/{path.name}", path)
    if promoted_number(repository, model) is not None:
        yield Source(f"{base}/{POINTER}", folder / POINTER)
    for name in (CONFIG, HISTORY):
        if chosen and (folder / name).is_file():
            yield Source(f"{base}/{name}", folder / name)


def _copied_feedback(path: Path, scratch: Path) -> Path:
    """Return a copy of the feedback as it is at one moment, which SQLite makes."""
    copy = scratch / FEEDBACK
    try:
        of = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        with closing(of), closing(sqlite3.connect(copy)) as to:
            of.backup(to)
    except sqlite3.Error as error:
        raise BackupError(f"{path} cannot be copied ({error}); leave it out with --no-feedback.") from error
    copy.chmod(0o600)
    return copy


def of_version(content: bytes) -> str:
    """Return the digest in the manifest of a model's version.

    Raises:
        BackupError: It is none.
    """
    try:
        return str(json.loads(content)["digest"])
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError("the backup has a version of a model without a manifest: it is not restored.") from error
