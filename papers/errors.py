"""What can go wrong with papers, as one tree.

PapersError
├── PaperFileError            a file of papers, named in the message
│   ├── PaperFileNotFound     nothing is there
│   ├── PaperFileUnreadable   it is there and cannot be read (a directory, empty, truncated, corrupt)
│   └── UnknownFormat      it can be read and is no format known here
├── MappingError           the mapping does not fit this file, or is none
├── BadRecord              one record is bad and the reading is strict
├── RemoteError            papers elsewhere that cannot be fetched
└── SampleUnavailable      the sample corpus could not be fetched
"""

from __future__ import annotations

from pathlib import Path


class PapersError(Exception):
    """Anything this package raises on purpose; its text is written for a person."""


class PaperFileError(PapersError):
    """A file of papers cannot be used.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, message: str) -> None:
        """Names the file before the message."""
        super().__init__(f"{path}: {message}")
        self.path = path


class PaperFileNotFound(PaperFileError):
    """There is no such file."""


class PaperFileUnreadable(PaperFileError):
    """The file cannot be read to its end."""


class UnknownFormat(PaperFileError):
    """The file is none of the formats known here."""


class MappingError(PapersError):
    """The mapping from a record's fields to a paper's is missing, malformed or does not fit the file."""


class BadRecord(PapersError):
    """A record is bad and the reading is strict.

    Attributes:
        path: the file.
        line: the line, counted from 1, on which the record starts.
        reason: why, in the words the report counts by.
    """

    def __init__(self, path: Path, line: int, reason: str, detail: str | None) -> None:
        """Names the file and line before the reason."""
        super().__init__(f"{path}:{line}: {reason.replace('_', ' ')}" + (f" ({detail})" if detail else ""))
        self.path = path
        self.line = line
        self.reason = reason


class RemoteError(PapersError):
    """Papers elsewhere cannot be fetched: the network, the server, or what it sent; the text says which and why."""


class SampleUnavailable(PapersError):
    """The sample corpus could not be fetched or is not the one expected."""
