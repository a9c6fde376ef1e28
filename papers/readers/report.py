"""The account of a reading: what was kept, what was not and why."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import msgspec

_EXCERPT = 200


class Reason(StrEnum):
    """Why a record is bad."""

    BROKEN_JSON = "broken_json"
    BROKEN_CSV = "broken_csv"
    NOT_AN_OBJECT = "not_an_object"
    INVALID_UTF8 = "invalid_utf8"
    LINE_TOO_LONG = "line_too_long"
    WRONG_TYPE = "wrong_type"
    WRONG_COLUMNS = "wrong_columns"
    NO_ID = "no_id"
    NO_TITLE = "no_title"
    NO_ABSTRACT = "no_abstract"
    NO_TEXT = "no_text"
    DUPLICATE_ID = "duplicate_id"


BROKEN = frozenset({Reason.BROKEN_JSON, Reason.BROKEN_CSV, Reason.INVALID_UTF8, Reason.LINE_TOO_LONG})
"""Reasons that a record has when the file ends in the middle of it."""


class Flaw(msgspec.Struct, frozen=True):
    """A bad record: why it is bad and enough of it to find it again.

    Attributes:
        reason: why.
        id: the record's id when it could be told.
        guessed: the record cannot be parsed, and the id is what looks like one in it.
        excerpt: how the record begins.
        detail: what exactly is wrong, when there is more to say.
    """

    reason: Reason
    id: str | None
    excerpt: str
    detail: str | None = None
    guessed: bool = False


class Withdrawn(msgspec.Struct, frozen=True):
    """A record that says a paper is gone."""

    id: str


def flaw(
    reason: Reason,
    record: bytes | str,
    paper_id: str | None = None,
    detail: str | None = None,
    *,
    guessed: bool = False,
) -> Flaw:
    """A flaw whose excerpt is cut from the record, with what is not UTF-8 made visible."""
    if isinstance(record, str):
        record = record[:_EXCERPT].encode("utf-8", "surrogateescape")
    excerpt = record[: _EXCERPT * 2].decode("utf-8", "backslashreplace")[:_EXCERPT].strip()
    return Flaw(reason, paper_id, excerpt, detail, guessed)


@dataclass
class Report:
    """The account of a reading, up to date while it goes on.

    Attributes:
        kept: papers given out.
        rejected: bad records by reason.
        undated: papers among those kept whose source tells no day.
        withdrawn: ids of papers that the source says are gone, and that do not come again after that.
        rejected_ids: the ids of bad records, where they could be told.
        guessed_ids: what looks like an id in records that cannot be parsed.
        without_id: bad records of which no id can be told.
        cut_off: the end is missing, as far as can be told: the last record breaks off.
    """

    kept: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)
    undated: int = 0
    withdrawn: dict[str, None] = field(default_factory=dict)
    rejected_ids: set[str] = field(default_factory=set)
    guessed_ids: set[str] = field(default_factory=set)
    without_id: int = 0
    cut_off: bool = False

    @property
    def rejected_total(self) -> int:
        """Bad records of every kind."""
        return self.rejected.total()

    def reject(self, bad: Flaw) -> None:
        """Count a bad record, and note its id."""
        self.rejected[bad.reason] += 1
        if bad.id is None:
            self.without_id += 1
        elif bad.guessed:
            self.guessed_ids.add(bad.id)
        else:
            self.rejected_ids.add(bad.id)
        if bad.id is not None:
            self.withdrawn.pop(bad.id, None)


class RejectsFile:
    """The bad records as JSON lines: `line`, `reason`, and where known `id` and `detail`, then `excerpt`.

    The file is made with the first bad record; a stale one of an earlier reading is removed at once.
    """

    def __init__(self, path: Path) -> None:
        """Removes a stale file at this path."""
        self._path = path
        self._file: BinaryIO | None = None
        path.unlink(missing_ok=True)

    def write(self, line: int, bad: Flaw) -> None:
        """Appends one record.

        Raises:
            OSError: the file cannot be written.
        """
        if self._file is None:
            os.makedirs(self._path.parent, exist_ok=True)
            self._file = self._path.open("wb")
        entry = {"line": line, "reason": bad.reason, "id": bad.id, "detail": bad.detail, "excerpt": bad.excerpt}
        self._file.write(msgspec.json.encode(entry) + b"\n")

    def close(self) -> None:
        """Writes out what is buffered; further records are an error of the caller's."""
        if self._file is not None:
            self._file.close()
