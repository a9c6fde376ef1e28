"""Lock a published snapshot while it is used, so that no process removes it.

The lock is on the snapshot's directory itself. Nothing is written, so a directory that is mounted read-only can be
locked, and the kernel releases the lock when its holder dies. Users share the lock; a process that removes a snapshot
takes it exclusively.
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
    """A shared lock on a snapshot, until it is closed or garbage-collected."""

    def __init__(self, directory: Path) -> None:
        """Take the lock.

        Raises:
            SnapshotNotFound: The snapshot was removed, or is being removed.
            SnapshotInvalid: The directory cannot be read.
        """
        try:
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError as error:
            raise SnapshotNotFound(f"Snapshot {directory.name!r} was removed.") from error
        except OSError as error:
            raise SnapshotInvalid(directory, f"cannot be read ({error.strerror})") from error
        self._close = weakref.finalize(self, os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise SnapshotNotFound(f"Snapshot {directory.name!r} is being removed.") from error
        except OSError:
            # On a file system without locks `lock_alone` removes nothing either.
            return
        if not _is_same_directory(descriptor, directory):
            self.close()
            raise SnapshotNotFound(f"Snapshot {directory.name!r} was removed.")

    def close(self) -> None:
        """Release the lock; further calls do nothing."""
        self._close()


@contextmanager
def lock_alone(directory: Path) -> Iterator[bool]:
    """Yield True if no process uses a snapshot, and keep all from locking it inside the block; otherwise yield False.

    On a file system without locks this is unknown, and the answer is False.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _is_same_directory(descriptor: int, directory: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), directory.stat())
    except FileNotFoundError:
        return False
