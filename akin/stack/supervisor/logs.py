"""Log files that do not grow for ever.

The parts write to their logs themselves, and go on when the supervisor dies; so a full log is copied aside and then
emptied, while its writers keep it open. They add to its end wherever that is (`O_APPEND`). What is written while the
copy is made is copied too; only a line that comes in the instant between the last look and the emptying is lost.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

LARGEST = 10_000_000
KEPT = 5


def rotate_all(folder: Path, largest: int = LARGEST, kept: int = KEPT) -> list[Path]:
    """Rotate every log of a folder that has grown too large, and return those.

    Args:
        folder: Holds the logs, `*.log`.
        largest: The size in bytes from which on a log is rotated.
        kept: How many earlier parts of each are kept, as `name.log.1` (the newest) and so on.

    Raises:
        OSError: A copy could not be written; that log is as it was.
    """
    rotated = []
    for log in sorted(folder.glob("*.log")):
        if log.stat().st_size >= largest:
            rotate(log, kept)
            rotated.append(log)
    return rotated


def rotate(log: Path, kept: int = KEPT) -> None:
    """Move the content of a log that is being written to `name.log.1`, and the earlier parts on by one.

    Raises:
        OSError: The copy could not be written; the log is as it was.
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
            # What came in the meantime; then, with nothing in between, the emptying.
            while more := source.read():
                target.write(more)
                target.flush()
            source.truncate(0)
    finally:
        copy.unlink(missing_ok=True)
