"""File of papers as numbered lines of bytes: plain, gzip or Parquet, read once as a stream."""

from __future__ import annotations

import gzip
import io
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from akin.papers.errors import PaperFileNotFound, PaperFileUnreadable
from akin.papers.readers.parquet_lines import PARQUET, ParquetLines

LONGEST_LINE = 8 << 20
"""Bytes; thirty times the longest record of arXiv, which lists the thousands of authors of a collaboration."""

HEAD = 256 << 10
"""Most bytes of the beginning that are used to detect the format."""

_BUFFER = 1 << 20
_GZIP = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"
_UNREADABLE = (
    (b"PK\x03\x04", "is a zip archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd; unpack it first, or recompress it with gzip"),
    (b"\xfd7zXZ", "is compressed with xz; unpack it first, or recompress it with gzip"),
    (b"BZh", "is compressed with bzip2; unpack it first, or recompress it with gzip"),
    (b"\xff\xfe", "is UTF-16; convert it to UTF-8 first"),
    (b"\xfe\xff", "is UTF-16; convert it to UTF-8 first"),
)


class _CountingFile(io.RawIOBase):
    """Raw file that counts the bytes read from it; works for pipes too."""

    def __init__(self, file: io.FileIO) -> None:
        self.file = file
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stub requires the abstract Buffer
        count = self.file.readinto(buffer) or 0
        self.taken += count
        return count

    def close(self) -> None:
        self.file.close()
        super().close()


class PaperFile:
    """Open file of papers.

    Attributes:
        path: the file.
        bytes_total: the size on disk, of a compressed file the compressed size; None for a pipe.

    Raises:
        PaperFileNotFound: the file does not exist.
        PaperFileUnreadable: the file is a directory, empty, cannot be read, or has an unsupported compression.
    """

    def __init__(self, path: Path) -> None:
        """Open the file and detect its compression."""
        self.path = path
        try:
            status = path.stat()
            if stat.S_ISDIR(status.st_mode):
                raise PaperFileUnreadable(path, "is a directory, not a file of papers")
            self.bytes_total = status.st_size if stat.S_ISREG(status.st_mode) else None
            self._raw: _CountingFile | ParquetLines = _CountingFile(io.FileIO(path))
        except FileNotFoundError:
            raise PaperFileNotFound(path, "does not exist") from None
        except OSError as error:
            raise PaperFileUnreadable(path, f"cannot be read: {error.strerror}") from error
        self._stream = io.BufferedReader(self._raw, _BUFFER)
        try:
            self._unpack()
        except BaseException:
            self.close()
            raise

    @property
    def bytes_read(self) -> int:
        """Bytes read from the disk so far; with read-ahead, up to a megabyte more than the current record's end."""
        return self._raw.taken

    def head(self) -> bytes:
        """Return at most `HEAD` bytes of the text's beginning, without its byte order mark, and consume none."""
        with _translate_errors(self.path):
            return self._stream.peek(HEAD)[:HEAD].removeprefix(_UTF8_BOM)

    def lines(self) -> Iterator[tuple[int, bytes | None]]:
        """Yield numbered lines with their ends; a line longer than `LONGEST_LINE` is skipped and yielded as None.

        Raises:
            PaperFileUnreadable: the file breaks off or is corrupt; the lines before that place were yielded.
        """
        readline = self._stream.readline
        number = 0
        with _translate_errors(self.path, lambda: number):
            while line := readline(LONGEST_LINE):
                number += 1
                if number == 1:
                    line = line.removeprefix(_UTF8_BOM)
                if len(line) < LONGEST_LINE or line.endswith(b"\n"):
                    yield number, line
                    continue
                while (rest := readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                    pass
                yield number, None

    def read(self) -> bytes:
        """Return the whole text, at most eight times `LONGEST_LINE`, for formats that are not lines."""
        with _translate_errors(self.path):
            content = self._stream.read(LONGEST_LINE * 8 + 1)
        if len(content) > LONGEST_LINE * 8:
            raise PaperFileUnreadable(self.path, "is larger than 64 MB, and its format is read as a whole; divide it")
        return content.removeprefix(_UTF8_BOM)

    def close(self) -> None:
        """Close the file; closing it twice is no error."""
        self._stream.close()
        self._raw.close()

    def _unpack(self) -> None:
        with _translate_errors(self.path):
            start = self._stream.peek(8)
            if start.startswith(_GZIP):
                self._stream = io.BufferedReader(gzip.GzipFile(fileobj=self._stream), _BUFFER)  # type: ignore[arg-type]
                start = self._stream.peek(8)
        if not start:
            raise PaperFileUnreadable(self.path, "is empty")
        if start.startswith(PARQUET) and self.bytes_total is not None:
            self._stream.close()
            self._raw = ParquetLines(self.path)
            self._stream = io.BufferedReader(self._raw, _BUFFER)  # type: ignore[arg-type]  # typed by the one before
        for magic, complaint in _UNREADABLE:
            if start.startswith(magic):
                raise PaperFileUnreadable(self.path, complaint)


@contextmanager
def _translate_errors(path: Path, line_number: Callable[[], int] | None = None) -> Iterator[None]:
    """Raise `PaperFileUnreadable` for the errors of the operating system and of gzip."""
    try:
        yield
    except (EOFError, OSError, zlib.error) as error:
        after = f" after line {line_number():,}" if line_number else ""
        if isinstance(error, EOFError):
            message = f"breaks off in the middle{after}: the gzip stream has no end; fetch or copy it again"
        elif isinstance(error, (gzip.BadGzipFile, zlib.error)):
            message = f"is corrupt{after}: {error}; fetch or copy it again"
        else:
            message = f"cannot be read{after}: {error.strerror or error}"
        raise PaperFileUnreadable(path, message) from error
