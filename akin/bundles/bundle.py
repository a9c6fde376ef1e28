"""Describe a bundle: its kind, its name, and each file with its digest."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from akin.bundles.places import NothingThere, Place
from akin.errors import BucketError

LATEST = "LATEST"
BUNDLES = "bundles"
FILES = "files"
_FORMAT = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True)
class FileRecord:
    """Content of a file: its SHA-256 and its size."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Source:
    """Address of bundles, and the digest of one of them; without a digest, the latest is meant."""

    address: str
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.address}@{self.digest}" if self.digest else self.address


@dataclass(frozen=True)
class Bundle:
    """Set of files that belong together.

    Attributes:
        kind: What they are: `snapshot`, `models`, `version` or `run`.
        name: Name of the set, such as the id of a snapshot.
        files: Path of each file, relative and with slashes, and its content.
    """

    kind: str
    name: str
    files: Mapping[str, FileRecord] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the description, which covers every file."""
        return hashlib.sha256(self.encode()).hexdigest()

    @property
    def size(self) -> int:
        """Return the bytes of all files."""
        return sum(record.size for record in self.files.values())

    def encode(self) -> bytes:
        """Return the description; the same files give the same bytes."""
        files = {path: {"sha256": each.sha256, "bytes": each.size} for path, each in sorted(self.files.items())}
        content = {"format": _FORMAT, "kind": self.kind, "name": self.name, "files": files}
        return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=True).encode() + b"\n"

    @classmethod
    def decode(cls, content: bytes, whence: str) -> Bundle:
        """Return the bundle of a description that may come from anyone.

        Raises:
            BucketError: It is no description, of a newer release, or names a path outside of its folder.
        """
        try:
            data: dict[str, Any] = json.loads(content)
            if data["format"] != _FORMAT:
                raise BucketError(
                    f"{whence} has format {data['format']!r}, and this release reads {_FORMAT}: update Akin."
                )
            files = {path: _record(path, each) for path, each in data["files"].items()}
            kind, name = data["kind"], data["name"]
            if not (isinstance(kind, str) and isinstance(name, str) and _NAME.fullmatch(name)):
                raise ValueError("kind and name must be texts without slashes")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BucketError(f"{whence} is no description of a bundle ({error}): push it again.") from error
        for path in files:
            if any(other != path and other.startswith(f"{path}/") for other in files):
                raise BucketError(f"{whence} is no description of a bundle ({path!r} is a file and a folder).")
        return cls(kind, name, files)


def _record(path: str, record: Mapping[str, Any]) -> FileRecord:
    parts = path.split("/")
    if len(path) > 1000 or "\\" in path or any(part in ("", ".", "..") or ":" in part for part in parts):
        raise ValueError(f"{path!r} is no path below a folder")
    if any(ord(sign) < 32 or 0xD800 <= ord(sign) <= 0xDFFF for sign in path):
        raise ValueError(f"{path!r} has signs that a path must not have")
    sha256, size = record["sha256"], record["bytes"]
    if not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        raise ValueError(f"the digest of {path!r} is no SHA-256")
    if not (isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 1 << 50):
        raise ValueError(f"the size of {path!r} is no number of bytes")
    return FileRecord(sha256, size)


def parse_source(text: str) -> Source:
    """Return the address and the digest of a text such as `gs://bucket/folder@<digest>`.

    Raises:
        BucketError: The part after the @ is no digest.
    """
    address, sign, digest = text.strip().partition("@")
    if sign and not _SHA256.fullmatch(digest):
        raise BucketError(f"{text!r}: after @ must stand the 64 signs of a bundle's digest, as `akin push` prints it.")
    return Source(address.rstrip("/"), digest)


def latest(place: Place) -> str:
    """Return the digest of the bundle that was pushed last.

    Raises:
        NothingThere: Nothing was pushed there.
        BucketError: It cannot be read, or is no digest.
    """
    try:
        text = place.read(LATEST, 1000).decode("ascii", "replace").strip()
    except NothingThere as error:
        raise NothingThere(f"nothing was pushed to {place.address}: {error}") from error
    if not _SHA256.fullmatch(text):
        raise BucketError(f"{place.address}/{LATEST} holds no digest ({text[:40]!r}): push again.")
    return text


def read_bundle(place: Place, digest: str = "", kind: str = "") -> Bundle:
    """Return a bundle by its digest, or the latest one.

    Raises:
        NothingThere: There is none, or not this one.
        BucketError: It cannot be read, is another than its digest says, or of another kind.
    """
    digest = digest or latest(place)
    name = f"{BUNDLES}/{digest}.json"
    content = place.read(name)
    if hashlib.sha256(content).hexdigest() != digest:
        raise BucketError(f"{place.address}/{name} is damaged: its digest is another. Push it again.")
    bundle = Bundle.decode(content, f"{place.address}/{name}")
    if kind and bundle.kind != kind:
        raise BucketError(f"{place.address} holds a bundle of the kind {bundle.kind!r}, not {kind!r}: another address?")
    return bundle
