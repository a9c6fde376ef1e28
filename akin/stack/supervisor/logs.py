"""Rotate log files, so that they do not grow without limit.

The parts write to their logs directly, also without a supervisor. So a full log is copied and then emptied, while its
writers keep it open; they append (`O_APPEND`), so that they continue at its new end. Lines that are written during the
copy are copied too; only a line written between the last read and the emptying is lost.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

LARGEST = 10_000_000
KEPT = 5


def rotate_all(folder: Path, largest: int = LARGEST, kept: int = KEPT) -> list[Path]:
    """Rotate every log of a folder that has grown too large, and return these logs.

    Args:
        folder: The folder of the logs, `*.log`.
        largest: The size in bytes from which a log is rotated.
        kept: The number of earlier parts to keep of each, as `name.log.1` (the newest) and so on.

    Raises:
        OSError: A copy could not be written; that log is unchanged.
    """
    rotated = []
    for log in sorted(folder.glob("*.log")):
        if log.stat().st_size >= largest:
            rotate(log, kept)
            rotated.append(log)
    return rotated


def rotate(log: Path, kept: int = KEPT) -> None:
    """Move the content of an open log to `name.log.1`, and renumber the earlier parts.

    Raises:
        OSError: The copy could not be written; the log is unchanged.
    """
    copy = log.with_name(f"{log.name}.copy")
    try:
        with log.open("r+b") as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
            for number in range(kept - 1, 0, -1):
                earlier = log.with_name(f"{log.name}.{number}")
                if earlier.exists():
                    earlier.replace(log.with_name(f"{log.name}.{number + 1}"))
            copy.replace(log.with_name(f"{log.name}.1"))
            # Copy the lines that came meanwhile; empty the log right after the last read.
            while more := source.read():
                target.write(more)
                target.flush()
            source.truncate(0)
    finally:
        copy.unlink(missing_ok=True)
