"""Digest files."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

# Reading and hashing release the interpreter's lock; with large blocks it is needed only every few milliseconds.
_BLOCK = 8 << 20


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex.

    Raises:
        OSError: It cannot be read.
    """
    digest = sha256()
    with path.open("rb", buffering=0) as file:
        block = memoryview(bytearray(min(_BLOCK, path.stat().st_size + 1)))
        while size := file.readinto(block):
            digest.update(block[:size])
    return digest.hexdigest()
