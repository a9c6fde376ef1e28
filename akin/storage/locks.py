"""Lock a file so that one process at a time holds it; the kernel releases the lock when the holder dies."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

from akin.storage.durable import make_folder

_PROBE_SECONDS = 0.2
"""Longest time for which `is_held` has a lock; whoever wants it waits as long."""


@contextlib.contextmanager
def hold_lock(
    path: Path, seconds: float, busy: Exception, waiting: Callable[[int | None], None] | None = None
) -> Iterator[None]:
    """Hold a lock for the length of a `with` block.

    Args:
        path: The lock's file, made if it is missing. The holder may delete it as its last action.
        seconds: The longest wait for another holder.
        busy: The error to raise if the lock is still held after that.
        waiting: Called once if there is another holder, with its process id, or None if that is not known.

    Raises:
        Exception: `busy`, as another process or thread still holds the lock.
    """
    deadline = time.monotonic() + max(seconds, _PROBE_SECONDS)
    while (descriptor := _try_lock(path)) is None:
        if time.monotonic() >= deadline:
            raise busy
        if waiting is not None:
            waiting(_holder(path))
            waiting = None
        time.sleep(0.05)
    try:
        _write_holder(descriptor, str(os.getpid()))
        yield
    finally:
        _write_holder(descriptor, "")
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Return True if a process holds the lock of a file; the file is neither made nor changed."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        lock_now(descriptor)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def lock_now(descriptor: int) -> None:
    """Lock an open file until it is closed.

    Raises:
        BlockingIOError: Another process or descriptor holds the lock.
    """
    if sys.platform == "win32":
        # Windows locks ranges of bytes, and refuses others to read them: take one that lies beyond every content.
        before = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, 0x7FFFFFFE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, error.strerror) from error
        finally:
            os.lseek(descriptor, before, os.SEEK_SET)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _try_lock(path: Path) -> int | None:
    """Return a descriptor that holds the lock; None if another holder has it."""
    make_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        if path.parent.is_dir():
            raise
        return None  # the folder was removed meanwhile
    try:
        lock_now(descriptor)
        # The file may have been deleted since it was opened; a lock on a deleted file is worth nothing.
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _holder(path: Path) -> int | None:
    """Return the process id that the holder of a lock has written into its file."""
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return None


def _write_holder(descriptor: int, process: str) -> None:
    """Write the holder's process id into the lock's file, which is only for messages: a full disk stops nobody."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, process.encode(), 0)
