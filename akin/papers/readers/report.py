"""Report of a reading: the papers kept, and the records rejected with their reasons."""

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
    """Reason for which a record is rejected."""

    BROKEN_JSON = "broken_json"
    BROKEN_CSV = "broken_csv"
    BROKEN_ENTRY = "broken_entry"
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
    OLDER_VERSION = "older_version"
    UNPRINTABLE_ID = "unprintable_id"


BROKEN = frozenset(
    {Reason.BROKEN_JSON, Reason.BROKEN_CSV, Reason.BROKEN_ENTRY, Reason.INVALID_UTF8, Reason.LINE_TOO_LONG}
)
"""Reasons that the last record can have if the file ends in the middle of it."""


class Flaw(msgspec.Struct, frozen=True):
    """Bad record: the reason, and enough of the record to find it again.

    Attributes:
        reason: why the record is rejected.
        id: the record's id, if it can be determined.
        excerpt: the beginning of the record.
        detail: the exact fault, if the reason does not state it.
        guessed: True if the record cannot be parsed, and the id is a text in it that looks like one.
    """

    reason: Reason
    id: str | None
    excerpt: str
    detail: str | None = None
    guessed: bool = False


class Withdrawn(msgspec.Struct, frozen=True):
    """Record that a paper was withdrawn."""

    id: str


class Joined(msgspec.Struct, frozen=True):
    """Entry of a library that was joined with an earlier one of the same work, which starts on line `into`."""

    into: int


def flaw(
    reason: Reason,
    record: bytes | str,
    paper_id: str | None = None,
    detail: str | None = None,
    *,
    guessed: bool = False,
) -> Flaw:
    """Return a flaw with the beginning of the record as excerpt; bytes that are not UTF-8 are escaped."""
    if isinstance(record, str):
        record = record[:_EXCERPT].encode("utf-8", "surrogateescape")
    excerpt = record[: _EXCERPT * 2].decode("utf-8", "backslashreplace")[:_EXCERPT].strip()
    return Flaw(reason, paper_id, excerpt, detail, guessed)


@dataclass
class Report:
    """Counts of a reading, up to date while it goes on.

    Attributes:
        kept: papers yielded.
        rejected: bad records by reason.
        undated: kept papers without any day.
        withdrawn: ids of papers withdrawn by a record that no later record of the same id follows.
        rejected_ids: ids of bad records, if they can be determined.
        guessed_ids: texts that look like an id in records that cannot be parsed.
        without_id: bad records whose id cannot be determined.
        restored_ids: papers whose arXiv id had lost zeros in a spreadsheet, which were put back.
        doubtful_ids: papers whose id looks like an arXiv id that lost its archive or digits; it stays as it is.
        joined: entries of a library that were joined with an earlier one of the same work.
        cut_off: True if the last record is incomplete, so that the end of the file seems to be missing.
    """

    kept: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)
    undated: int = 0
    withdrawn: dict[str, None] = field(default_factory=dict)
    rejected_ids: set[str] = field(default_factory=set)
    guessed_ids: set[str] = field(default_factory=set)
    without_id: int = 0
    cut_off: bool = False
    restored_ids: int = 0
    doubtful_ids: int = 0
    joined: int = 0

    @property
    def rejected_total(self) -> int:
        """Number of bad records of all kinds."""
        return self.rejected.total()

    def reject(self, bad: Flaw) -> None:
        """Count a bad record, and add its id to the report."""
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
    """File of the bad records as JSON lines with `line`, `reason`, `id`, `detail` and `excerpt`.

    The first bad record creates the file; the file of an earlier reading is removed at once.
    """

    def __init__(self, path: Path) -> None:
        """Remove the file of an earlier reading at this path."""
        self._path = path
        self._file: BinaryIO | None = None
        path.unlink(missing_ok=True)

    def write(self, line: int, bad: Flaw) -> None:
        """Append one record.

        Raises:
            OSError: the file cannot be written.
        """
        if self._file is None:
            os.makedirs(self._path.parent, exist_ok=True)
            self._file = self._path.open("wb")
        entry = {"line": line, "reason": bad.reason, "id": bad.id, "detail": bad.detail, "excerpt": bad.excerpt}
        self._file.write(msgspec.json.encode(entry) + b"\n")

    def close(self) -> None:
        """Write the buffered records and close the file; `write` must not be called afterwards."""
        if self._file is not None:
            self._file.close()
