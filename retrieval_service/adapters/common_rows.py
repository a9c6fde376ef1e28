"""Bitmaps of the papers that meet conditions which many meet, kept beside the lexical index they were made from.

Tantivy hands rows to Python as objects, one for each paper, under the interpreter's lock. For a word that a million
papers have, everybody would wait. Such words, names and phrases are found when an index is written, from a sample of
its papers; their bitmaps are read in place. A condition that has none is answered by the index itself.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from retrieval_service.errors import SnapshotInvalid
from retrieval_service.ports import Rows

COMMON_ROWS = "common.rows"
FEWEST = 5_000
"""Papers. A condition that no more than these meet has no bitmap, however small the corpus."""

SHARE = 1 / 32
"""Of all papers. There are many words that a smaller share of them have."""

SHARE_OF_PHRASES = 1 / 256
"""Of all papers. There are few phrases that so many have, and each takes longer to be looked up."""

SAMPLED = 8_000
"""Papers in the sample that conditions are sought in."""

_CHANCE = 0.75  # a sample may show less than there is
_MOST = 4_096  # conditions
_LONGEST_PHRASE = 4
_MAGIC = b"akin rows 1\n"
_SIZE = 8  # bytes of the header's length

Terms = tuple[tuple[int, str], ...]
"""Terms of one field that stand together, each with its distance from the first."""

Condition = tuple[str, Terms]
"""A field and what stands in it."""

Bits = NDArray[np.uint8]
"""A row a bit, as `numpy.packbits` makes them: an eighth of the memory to go through."""


class _Header(msgspec.Struct):
    """The header of a file of bitmaps."""

    index: str
    papers: int
    conditions: list[Condition]


class CommonRows:
    """The bitmaps of an index, opened for reading."""

    def __init__(self, directory: Path, *, stale: bool = False) -> None:
        """Open the bitmaps of an index; there are none where the file is missing or was made of another index.

        With `stale`, those of an earlier state of the index are opened too.

        Raises:
            SnapshotInvalid: The file is damaged.
        """
        self._places: dict[Condition, int] = {}
        path = directory / COMMON_ROWS
        try:
            header = _header(path)
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

    def of(self, condition: Condition | None) -> Bits | None:
        """Return which rows meet a condition, not to be changed; None where there is no bitmap of it."""
        place = self._places.get(condition) if condition is not None else None
        return None if place is None else self._bits[place]


def write_common_rows(
    directory: Path, papers: int, conditions: Iterable[Condition], meeting: Callable[[Condition, int], Rows | None]
) -> None:
    """Write the bitmaps of an index that is complete.

    Args:
        directory: The index's.
        papers: How many it has.
        conditions: Those that many papers may meet.
        meeting: Returns the rows that meet a condition, or None where they are fewer than a number.

    Raises:
        OSError: The disk takes no more.
    """
    header = _Header(index_digest(directory), papers, [])
    # Written aside: in an index that goes on from another's, the name stands for the other's own file.
    aside = directory / f"{COMMON_ROWS}.new"
    with aside.open("wb") as file:
        for condition in conditions:
            rows = meeting(condition, fewest(papers, len(condition[1])))
            if rows is not None:
                mask = np.zeros(papers, np.bool_)
                mask[rows] = True
                file.write(np.packbits(mask).tobytes())
                header.conditions.append(condition)
        content = msgspec.json.encode(header)
        file.write(content + len(content).to_bytes(_SIZE, "little") + _MAGIC)
    os.replace(aside, directory / COMMON_ROWS)


def fewest(papers: int, words: int = 1) -> int:
    """Return how many papers meet a condition of so many words that has a bitmap, at least."""
    return max(FEWEST, round((SHARE if words == 1 else SHARE_OF_PHRASES) * papers))


def likely_conditions(sample: Sequence[Sequence[Condition]], papers: int) -> list[Condition]:
    """Return the conditions that so many of a sample of papers meet that they may have a bitmap, commonest first.

    Args:
        sample: Of each paper what stands in each field: all terms in order, each with its place. A field may come
            several times.
        papers: How many the sample is of.
    """
    found: list[tuple[int, Condition]] = []
    common: set[Condition] = set()
    for length in range(1, _LONGEST_PHRASE + 1):
        counts: Counter[Condition] = Counter()
        for fields in sample:
            counts.update({phrase for field in fields for phrase in _phrases(field, length, common)})
        least, in_phrase = (
            max(2.0, _CHANCE * len(sample) * fewest(papers, words) / max(papers, 1)) for words in (length, length + 1)
        )
        found += [(count, condition) for condition, count in counts.items() if count >= least]
        common = {condition for condition, count in counts.items() if count >= in_phrase}
        if not common:
            break
    found.sort(key=lambda counted: (-counted[0], counted[1]))
    return [condition for _, condition in found[:_MOST]]


def index_digest(directory: Path) -> str:
    """Return what tells the state of a Tantivy index from any other: its segments, and what is deleted of them."""
    return blake2b((directory / "meta.json").read_bytes(), digest_size=16).hexdigest()


def _phrases(field: Condition, length: int, common: set[Condition]) -> Iterator[Condition]:
    """The phrases of a length in a field whose beginning and end, one term shorter, are common."""
    name, terms = field
    for at in range(len(terms) - length + 1):
        part = terms[at : at + length]
        if length == 1 or (_condition(name, part[:-1]) in common and _condition(name, part[1:]) in common):
            yield _condition(name, part)


def _condition(name: str, terms: Terms) -> Condition:
    return name, tuple((place - terms[0][0], term) for place, term in terms)


def _header(path: Path) -> _Header | None:
    """Return the header of a file; None where there is no file.

    Raises:
        ValueError: It is no such file, or cut off.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _SIZE - len(_MAGIC)))
            end = file.read()
            length = int.from_bytes(end[:_SIZE], "little")
            if end[_SIZE:] != _MAGIC or length > size:
                raise ValueError("it does not end as such a file does")
            file.seek(size - len(end) - length)
            header = msgspec.json.decode(file.read(length), type=_Header)
    except FileNotFoundError:
        return None
    if size != len(end) + length + len(header.conditions) * -(-header.papers // 8):
        raise ValueError("it is cut off")
    return header
