"""What every row of a snapshot was made of, in 32 bytes: `digests.bin`.

A row's *text* digest is the one its embedding is kept under, so a new index needs no text, let alone an encoder. Its
*record* digest is over everything the catalogue keeps, so an update tells a changed paper from an unchanged one without
reading the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from papers import Paper
from retrieval_service.errors import SnapshotInvalid

DIGESTS = "digests.bin"
DIGEST_ROW = np.dtype([("text", "V16"), ("record", "V16")])

_encode = msgspec.json.Encoder().encode


def record_digest(paper: Paper) -> bytes:
    """16 bytes over everything that is known of a paper."""
    return blake2b(_encode(paper), digest_size=16).digest()


def digest_rows(papers: Iterable[Paper], texts: Sequence[bytes]) -> NDArray[np.void]:
    """The rows [n] of papers whose texts have these digests."""
    rows = np.empty(len(texts), DIGEST_ROW)
    for place, (paper, text) in enumerate(zip(papers, texts, strict=True)):
        rows[place] = (text, record_digest(paper))
    return rows


def read_digests(path: Path) -> NDArray[np.void]:
    """The rows of a snapshot, in memory.

    Raises:
        SnapshotInvalid: the file is missing or cut off.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SnapshotInvalid(path, f"cannot be read ({error.strerror})") from error
    if len(content) % DIGEST_ROW.itemsize:
        raise SnapshotInvalid(path, f"has {len(content)} bytes, which is no whole number of rows")
    return np.frombuffer(bytearray(content), DIGEST_ROW)
