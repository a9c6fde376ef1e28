"""Read a Parquet file as JSON lines, so that the reader of these takes it: one line for each row."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import msgspec

from akin.papers.errors import PaperFileUnreadable

PARQUET = b"PAR1"
"""First bytes of a Parquet file."""

_ROWS = 1_000
_encode = msgspec.json.Encoder(enc_hook=str).encode


class ParquetLines(io.RawIOBase):
    """Rows of a Parquet file as lines of JSON; a bounded number of rows is in memory at a time.

    Attributes:
        taken: bytes of the file that are read so far, by the share of its rows.

    Raises:
        PaperFileUnreadable: pyarrow is not installed, or the file is not whole.
    """

    def __init__(self, path: Path) -> None:
        """Open the file and read its description."""
        try:
            from pyarrow import parquet
        except ImportError as error:
            raise PaperFileUnreadable(
                path, "is a Parquet file, which needs pyarrow: install akin with the extra `scale`"
            ) from error
        self.taken = 0
        self._size = path.stat().st_size
        try:
            self._file = parquet.ParquetFile(path)
        except (OSError, ValueError) as error:  # those of pyarrow are kinds of these
            raise PaperFileUnreadable(path, f"is not a whole Parquet file: {str(error).splitlines()[0]}") from error
        self._rest = b""
        self._lines = self._read()

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stub requires the abstract Buffer
        """Fill a buffer with the next bytes; return their number.

        Raises:
            OSError: A part of the file is damaged.
        """
        if not self._rest:
            try:
                self._rest = next(self._lines, b"")
            except ValueError as error:
                raise OSError(str(error).splitlines()[0]) from error
        count = min(len(self._rest), len(buffer))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _read(self) -> Iterator[bytes]:
        done, rows = 0, max(self._file.metadata.num_rows, 1)
        for batch in self._file.iter_batches(_ROWS):
            done += batch.num_rows
            self.taken = self._size * done // rows
            yield b"".join(_encode(row) + b"\n" for row in batch.to_pylist())
