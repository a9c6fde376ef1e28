"""Parts of the messages of commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


def waiting_for(say: Callable[[str], None], doing: str, seconds: float) -> Callable[[int | None], None]:
    """Return a function that says which other command is waited for, for `hold_lock`.

    Args:
        say: Prints a line.
        doing: What the other command does, such as "sets up the server".
        seconds: The longest wait.
    """

    def waiting(process: int | None) -> None:
        other = f"process {process}" if process else "another command"
        length = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
        say(f"waiting for {other}, which {doing} (at most {length}; Ctrl-C ends the wait)")

    return waiting
