"""A file of papers as numbered lines of bytes: plain or gzip, told by its first bytes, read once, never held whole."""

from __future__ import annotations

import gzip
import io
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from papers.errors import PaperFileNotFound, PaperFileUnreadable

LONGEST_LINE = 8 << 20
"""Bytes. Thirty times the longest record arXiv has, that of a collaboration with thousands of authors."""

HEAD = 256 << 10
"""Bytes at most that are looked at, ahead of reading, to tell the format."""

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
    """A raw file that counts the bytes taken from it, which works on pipes too."""

    def __init__(self, file: io.FileIO) -> None:
        self.file = file
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stub asks for the abstract Buffer
        count = self.file.readinto(buffer) or 0
        self.taken += count
        return count

    def close(self) -> None:
        self.file.close()
        super().close()


class PaperFile:
    """An open file of papers.

    Attributes:
        path: the file.
        bytes_total: its size on disk, compressed if it is; None for a pipe.

    Raises:
        PaperFileNotFound: there is no such file.
        PaperFileUnreadable: it is a directory, empty, may not be read, or is packed in a way not understood.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file and sees how it is packed."""
        self.path = path
        try:
            status = path.stat()
            if stat.S_ISDIR(status.st_mode):
                raise PaperFileUnreadable(path, "is a directory, not a file of papers")
            self.bytes_total = status.st_size if stat.S_ISREG(status.st_mode) else None
            self._raw = _CountingFile(io.FileIO(path))
        except FileNotFoundError:
            raise PaperFileNotFound(path, "no such file") from None
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
        """Bytes taken from the disk so far; read-ahead puts it up to a megabyte before the record in hand."""
        return self._raw.taken

    def head(self) -> bytes:
        """The beginning of the text without its byte order mark, at most `HEAD` bytes; nothing is consumed."""
        with self._in_words():
            return self._stream.peek(HEAD)[:HEAD].removeprefix(_UTF8_BOM)

    def lines(self) -> Iterator[tuple[int, bytes | None]]:
        """Numbered lines with their ends; None stands for one longer than `LONGEST_LINE`, which is skipped.

        Raises:
            PaperFileUnreadable: the file breaks off or is corrupt; the lines before were given out.
        """
        readline = self._stream.readline
        number = 0
        with self._in_words(lambda: number):
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
        """Everything, for the one format that is not lines; at most eight times `LONGEST_LINE`."""
        with self._in_words():
            content = self._stream.read(LONGEST_LINE * 8 + 1)
        if len(content) > LONGEST_LINE * 8:
            raise PaperFileUnreadable(self.path, "is one JSON array too large to hold; write one record a line instead")
        return content.removeprefix(_UTF8_BOM)

    def close(self) -> None:
        """Closes the file; closing twice is fine."""
        self._stream.close()
        self._raw.close()

    def _unpack(self) -> None:
        with self._in_words():
            start = self._stream.peek(8)
            if start.startswith(_GZIP):
                self._stream = io.BufferedReader(gzip.GzipFile(fileobj=self._stream), _BUFFER)  # type: ignore[arg-type]
                start = self._stream.peek(8)
        if not start:
            raise PaperFileUnreadable(self.path, "is empty")
        for magic, complaint in _UNREADABLE:
            if start.startswith(magic):
                raise PaperFileUnreadable(self.path, complaint)

    def _in_words(self, lines: object = None) -> _InWords:
        return _InWords(self.path, lines)


class _InWords:
    """Turns what the operating system and gzip raise into `PaperFileUnreadable`."""

    def __init__(self, path: Path, lines: object) -> None:
        self._path = path
        self._lines = lines

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        after = f" after line {self._lines():,}" if callable(self._lines) else ""
        if isinstance(error, EOFError):
            message = f"breaks off in the middle{after}: the gzip stream has no end; fetch or copy it again"
        elif isinstance(error, (gzip.BadGzipFile, zlib.error)):
            message = f"is corrupt{after}: {error}; fetch or copy it again"
        elif isinstance(error, OSError):
            message = f"cannot be read{after}: {error.strerror or error}"
        else:
            return
        raise PaperFileUnreadable(self._path, message) from error
