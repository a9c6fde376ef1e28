"""Errors of this package, as one tree.

PapersError
├── PaperFileError             a file of papers cannot be used; the message names it
│   ├── PaperFileNotFound      the file does not exist
│   ├── PaperFileUnreadable    the file cannot be read (a directory, empty, truncated, corrupt)
│   └── UnknownFormat          the file has none of the supported formats
├── MappingError               the mapping is missing, malformed, or does not fit the file
├── BadRecord                  one record is bad and the reading is strict
├── RemoteError                papers cannot be fetched from a server
└── SampleUnavailable          the sample corpus cannot be fetched
"""

from __future__ import annotations

from pathlib import Path


class PapersError(Exception):
    """Base of all errors that this package raises on purpose; the text can be shown to a user."""


class PaperFileError(PapersError):
    """A file of papers cannot be used.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, message: str) -> None:
        """Put the file's name before the message."""
        super().__init__(f"{path}: {message}")
        self.path = path


class PaperFileNotFound(PaperFileError):
    """The file does not exist."""


class PaperFileUnreadable(PaperFileError):
    """The file cannot be read to its end."""


class UnknownFormat(PaperFileError):
    """The file has none of the supported formats."""


class MappingError(PapersError):
    """The mapping from a record's fields to a paper's is missing, malformed or does not fit the file."""


class BadRecord(PapersError):
    """A record is bad and the reading is strict.

    Attributes:
        path: the file.
        line: the line, counted from 1, on which the record starts.
        reason: a value of `Reason`.
    """

    def __init__(self, path: Path, line: int, reason: str, detail: str | None) -> None:
        """Put the file's name and the line before the reason."""
        super().__init__(f"{path}:{line}: {reason.replace('_', ' ')}" + (f" ({detail})" if detail else ""))
        self.path = path
        self.line = line
        self.reason = reason


class RemoteError(PapersError):
    """Papers cannot be fetched from a server; the text names the address and the reason."""


class SampleUnavailable(PapersError):
    """The sample corpus cannot be fetched, or its digest is not the expected one."""
