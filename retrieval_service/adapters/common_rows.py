"""Bitmaps of the papers that meet common conditions, in a file beside the lexical index that they were made from.

Tantivy returns rows to Python as objects, one for each paper, under the interpreter's lock. For a word that a million
papers have, all threads would wait. `indexing` finds such words, names and phrases when it writes an index; the service
reads their bitmaps in place. A condition without a bitmap is searched for in the index.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from retrieval_service.errors import SnapshotInvalid
from retrieval_service.ports import Rows

COMMON_ROWS = "common.rows"
_MAGIC = b"akin rows 1\n"
_SIZE = 8  # bytes of the header's length

Terms = tuple[tuple[int, str], ...]
"""Adjacent terms of one field, each with its distance from the first."""

Condition = tuple[str, Terms]
"""A field and adjacent terms in it."""

Bits = NDArray[np.uint8]
"""A bit for each row, as `numpy.packbits` makes them: an eighth of a mask's memory."""


class _Header(msgspec.Struct):
    """The header of a file of bitmaps."""

    index: str
    papers: int
    conditions: list[Condition]


class CommonRows:
    """The bitmaps of an index, opened for reading."""

    def __init__(self, directory: Path, *, stale: bool = False) -> None:
        """Open the bitmaps of an index; there are none if the file is missing or was made of another index.

        With `stale`, bitmaps of an earlier state of the index are opened too.

        Raises:
            SnapshotInvalid: The file is damaged.
        """
        self._places: dict[Condition, int] = {}
        path = directory / COMMON_ROWS
        try:
            header = _read_header(path)
            if header is None or not (stale or header.index == index_digest(directory)):
                return
            if header.conditions:
                self._bits = np.memmap(path, np.uint8, "r", 0, (len(header.conditions), -(-header.papers // 8)))
        except (OSError, ValueError, msgspec.DecodeError) as error:
            raise SnapshotInvalid(path, f"cannot be read ({error}); build the snapshot again") from error
        self._places = {condition: place for place, condition in enumerate(header.conditions)}

    def __len__(self) -> int:
        """Return how many conditions have a bitmap."""
        return len(self._places)

    @property
    def conditions(self) -> list[Condition]:
        """The conditions that have a bitmap."""
        return list(self._places)

    def bits(self, condition: Condition | None) -> Bits | None:
        """Return the read-only bitmap of the rows that meet a condition; None if it has no bitmap."""
        place = self._places.get(condition) if condition is not None else None
        return None if place is None else self._bits[place]


def write_common_rows(directory: Path, papers: int, common: Iterable[tuple[Condition, Rows]]) -> None:
    """Write the bitmaps of an index that is complete.

    Args:
        directory: The index's directory.
        papers: The number of its papers.
        common: Conditions with the rows that meet them.

    Raises:
        OSError: The disk is full, or cannot be written to.
    """
    header = _Header(index_digest(directory), papers, [])
    # Written under another name first: in an index that continues another, the name is a link to the other's file.
    aside = directory / f"{COMMON_ROWS}.new"
    with aside.open("wb") as file:
        for condition, rows in common:
            mask = np.zeros(papers, np.bool_)
            mask[rows] = True
            file.write(np.packbits(mask).tobytes())
            header.conditions.append(condition)
        content = msgspec.json.encode(header)
        file.write(content + len(content).to_bytes(_SIZE, "little") + _MAGIC)
    os.replace(aside, directory / COMMON_ROWS)


def index_digest(directory: Path) -> str:
    """Return a digest of the state of a Tantivy index: its segments, and the deletions in them."""
    return blake2b((directory / "meta.json").read_bytes(), digest_size=16).hexdigest()


def _read_header(path: Path) -> _Header | None:
    """Return the header of a file; None if there is no file.

    Raises:
        ValueError: The file is of another kind, or incomplete.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _SIZE - len(_MAGIC)))
            end = file.read()
            length = int.from_bytes(end[:_SIZE], "little")
            if end[_SIZE:] != _MAGIC or length > size:
                raise ValueError("its last bytes are not those of a file of bitmaps")
            file.seek(size - len(end) - length)
            header = msgspec.json.decode(file.read(length), type=_Header)
    except FileNotFoundError:
        return None
    if size != len(end) + length + len(header.conditions) * -(-header.papers // 8):
        raise ValueError("it is incomplete")
    return header
