"""Removal of records that a harvest holds twice, because a list was started again."""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from akin.papers.readers.seen_ids import SeenIds
from akin.papers.remote.account import MOST_NAMED


class UniqueRecords(NamedTuple):
    """Numbers of a file without repeated records, as in the account of a harvest."""

    records: int
    deleted: int
    lost: int
    lost_ids: tuple[str, ...]


class _Line(msgspec.Struct):
    id: str = ""
    title: str | None = None
    abstract: str | None = None
    deleted: bool = False

    @property
    def is_lost(self) -> bool:
        """True for the line of a record that could not be read."""
        return not self.deleted and self.title is None and self.abstract is None


def keep_newest(source: Path, target: Path) -> UniqueRecords:
    """Copy a harvest's lines in their order; of several lines with one id copy the last that could be read."""
    if not source.stat().st_size:
        target.write_bytes(b"")
        return UniqueRecords(0, 0, 0, ())
    decode = msgspec.json.Decoder(_Line).decode
    seen, kept, unread = SeenIds(), array("Q"), list[tuple[int, str]]()
    deleted = 0
    lost_ids: list[str] = []
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for start, end in _lines_from_the_end(content):
            line = decode(content[start:end])
            if line.is_lost:
                unread.append((start, line.id))
            elif seen.add(line.id):
                kept.append(start)
                deleted += line.deleted
        records = len(kept) - deleted
        for start, paper_id in unread:
            if not paper_id or seen.add(paper_id):
                kept.append(start)
                lost_ids += [paper_id] if paper_id else []
        with target.open("wb") as unique:
            for start in sorted(kept):
                unique.write(content[start : content.find(b"\n", start) + 1])
    return UniqueRecords(records, deleted, len(kept) - records - deleted, tuple(lost_ids[-MOST_NAMED:][::-1]))


def _lines_from_the_end(content: mmap.mmap) -> Iterator[tuple[int, int]]:
    end = len(content) - 1  # of the last line, without its line break
    while end > 0:
        start = content.rfind(b"\n", 0, end) + 1
        yield start, end
        end = start - 1
