"""Holding a published snapshot while it is used, so that no process removes it.

The hold is a shared lock on the snapshot's directory itself: nothing is written, so that a folder which is mounted
read-only will do, and the system gives it free when its holder dies, however it dies. Who removes a snapshot takes the
lock alone.
"""

from __future__ import annotations

import fcntl
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieval_service.errors import SnapshotInvalid, SnapshotNotFound


class SnapshotLock:
    """A hold on a snapshot, until it is closed or forgotten."""

    def __init__(self, directory: Path) -> None:
        """Take the hold.

        Raises:
            SnapshotNotFound: the snapshot is gone, or is being removed.
            SnapshotInvalid: it cannot be read.
        """
        try:
            opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError as error:
            raise SnapshotNotFound(f"There is no snapshot {directory.name!r} any more.") from error
        except OSError as error:
            raise SnapshotInvalid(directory, f"cannot be read ({error.strerror})") from error
        self._close = weakref.finalize(self, os.close, opened)
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise SnapshotNotFound(f"Snapshot {directory.name!r} is being removed.") from error
        except OSError:
            # A file system without locks: nothing can be held there, and nobody builds or prunes there either.
            return
        if not _is_still(opened, directory):
            self.close()
            raise SnapshotNotFound(f"There is no snapshot {directory.name!r} any more.")

    def close(self) -> None:
        """Let go; once is enough, more does no harm."""
        self._close()


@contextmanager
def lock_alone(directory: Path) -> Iterator[bool]:
    """Yield True if nobody holds a snapshot, and keep everybody from taking it as long as the block runs.

    Where the file system has no locks it cannot be told, and the answer is False.
    """
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(opened)


def _is_still(opened: int, directory: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(opened), directory.stat())
    except FileNotFoundError:
        return False
