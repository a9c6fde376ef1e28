"""Digests of the text and the record of every row of a snapshot, 32 bytes a row: `digests.bin`.

A row's *text* digest is the key of its stored embedding, so that a new index needs neither texts nor an encoder. Its
*record* digest covers everything in the catalogue, so that an update detects a changed paper without reading the
catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from akin.papers import Paper
from retrieval_service.errors import SnapshotInvalid

DIGESTS = "digests.bin"
DIGEST_ROW = np.dtype([("text", "V16"), ("record", "V16")])

_encode = msgspec.json.Encoder().encode


def record_digest(paper: Paper) -> bytes:
    """Return a digest of 16 bytes over all fields of a paper."""
    return blake2b(_encode(paper), digest_size=16).digest()


def digest_rows(papers: Iterable[Paper], texts: Sequence[bytes]) -> NDArray[np.void]:
    """Return the rows [n] for papers and the digests of their texts."""
    rows = np.empty(len(texts), DIGEST_ROW)
    for place, (paper, text) in enumerate(zip(papers, texts, strict=True)):
        rows[place] = (text, record_digest(paper))
    return rows


def read_digests(path: Path) -> NDArray[np.void]:
    """Read the rows of a snapshot into memory.

    Raises:
        SnapshotInvalid: The file is missing or incomplete.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SnapshotInvalid(path, f"cannot be read ({error.strerror})") from error
    if len(content) % DIGEST_ROW.itemsize:
        raise SnapshotInvalid(path, f"has {len(content)} bytes, which is not a multiple of {DIGEST_ROW.itemsize}")
    return np.frombuffer(bytearray(content), DIGEST_ROW)
