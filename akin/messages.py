"""Parts of the messages of commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from akin.errors import PapersUnusable


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, "1 paper" or "2,000 papers"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def megabytes(size: int) -> str:
    """Return a number of bytes in megabytes, rounded up."""
    return f"{-(-size // 1_000_000):,} MB"


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Convert errors of the disk while a file that the caller named is written to `PapersUnusable`."""
    try:
        yield
    except ConnectionError:
        raise
    except OSError as error:
        raise PapersUnusable(f"cannot write {path}: {error.strerror or error}. Name another file.") from error
