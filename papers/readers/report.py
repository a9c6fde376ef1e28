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


class Flaw(msgspec.Struct, frozen=True):
    """A bad record: why it is bad and enough of it to find it again.

    Attributes:
        reason: why.
        id: the record's id when it could be told.
        excerpt: how the record begins.
        detail: what exactly is wrong, when there is more to say.
    """

    reason: Reason
    id: str | None
    excerpt: str
    detail: str | None = None


class Withdrawn(msgspec.Struct, frozen=True):
    """A record that says a paper is gone."""

    id: str


def flaw(reason: Reason, record: bytes | str, paper_id: str | None = None, detail: str | None = None) -> Flaw:
    """A flaw whose excerpt is cut from the record, with what is not UTF-8 made visible."""
    if isinstance(record, str):
        record = record[:_EXCERPT].encode("utf-8", "surrogateescape")
    return Flaw(reason, paper_id, record[: _EXCERPT * 2].decode("utf-8", "backslashreplace")[:_EXCERPT].strip(), detail)


@dataclass
class Report:
    """The account of a reading, up to date while it goes on.

    Attributes:
        kept: papers given out.
        rejected: bad records by reason.
        undated: papers among those kept whose source tells no day.
        withdrawn: ids of papers that the source says are gone, and that do not come again after that.
    """

    kept: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)
    undated: int = 0
    withdrawn: dict[str, None] = field(default_factory=dict)

    @property
    def rejected_total(self) -> int:
        """Bad records of every kind."""
        return self.rejected.total()


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
