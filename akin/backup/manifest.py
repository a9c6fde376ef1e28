"""Define the layout of a backup: its manifest, and the names that files in it may have.

    snapshots/<id>/…, snapshots/CURRENT     the live snapshot, or all
    maps/<id>/…                             their maps
    embeddings/<digest>/…                   the stored embeddings of their encoders
    models/<model>/…                        versions of the encoder and of the reranker
    keys/keys.json, feedback/…, collection/…
    manifest.json, manifest.sha256          written last, so that a backup without them is incomplete

A backup is a TAR file with these names, or a folder.
"""

from __future__ import annotations

import re
from datetime import datetime
from hashlib import sha256

import msgspec

from akin.errors import BackupError

FORMAT = 1
MANIFEST, DIGEST = "manifest.json", "manifest.sha256"
PARTS = ("snapshots", "maps", "embeddings", "models", "keys", "feedback", "collection")
MOST_BYTES = 64 << 20
"""Size of a manifest: half a million files."""

_COMPONENT = re.compile(r"[A-Za-z0-9._+@=-]{1,200}")


class FileRecord(msgspec.Struct, frozen=True):
    """Digest, size and rights of a file."""

    sha256: str
    bytes: int
    mode: int = 0o644


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True):
    """Description of a backup.

    Attributes:
        format: Version of the layout.
        akin: Release that wrote it.
        created: Time of the copy.
        snapshot: Id of the live snapshot; None if there was none.
        files: All files by name, except the manifest and its digest.
    """

    format: int = FORMAT
    akin: str
    created: datetime
    snapshot: str | None
    files: dict[str, FileRecord]

    @property
    def bytes(self) -> int:
        """Return the size of all files."""
        return sum(record.bytes for record in self.files.values())


class _Format(msgspec.Struct):
    format: int


def encode(manifest: BackupManifest) -> tuple[bytes, bytes]:
    """Return the content of the manifest and of its digest."""
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
    return content, sha256(content).hexdigest().encode() + b"\n"


def decode(content: bytes, digest: bytes) -> BackupManifest:
    """Return the manifest of a backup, whose names are all safe to write below a folder.

    Raises:
        BackupError: It is damaged, of another format, or has a name that leads elsewhere.
    """
    if sha256(content).hexdigest() != digest.decode("ascii", "replace").strip():
        raise BackupError(f"{MANIFEST} is damaged: its digest is another one. Take another copy of the backup.")
    try:
        found = msgspec.json.decode(content, type=_Format).format
        if found != FORMAT:
            written = "a newer" if found > FORMAT else "an older"
            raise BackupError(
                f"the backup was written by {written} version of Akin (format {found}; this version reads {FORMAT}): "
                "restore it with that version."
            )
        manifest = msgspec.json.decode(content, type=BackupManifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackupError(f"{MANIFEST} is no manifest of a backup ({error}).") from error
    for name, record in manifest.files.items():
        require_name(name)
        if record.bytes < 0:
            raise BackupError(f"{MANIFEST}: {name} has a size below 0.")
    return manifest


def require_name(name: str) -> None:
    """Check that a file of a backup has a plain relative name in one of the parts.

    Raises:
        BackupError: It has another one, which could lead out of the folder.
    """
    parts = name.split("/")
    plain = all(_COMPONENT.fullmatch(part) and part.strip(".") for part in parts)
    own = len(parts) > 1 and parts[0] in PARTS and not parts[1].startswith(".")
    if not plain or not own or len(parts) > 12:
        raise BackupError(f"the backup has a file {name[:80]!r}, which no backup of Akin has: it is not restored.")
