"""Record how the last build of an index ended, which the service exports as a metric.

A build holds a lock on the record while it runs. The kernel releases the lock when the process dies, so that
a build that was killed counts as failed.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_NAME = "last-build"
_RUNNING, _ENDED, _FAILED = "running", "ended", "failed"


@contextmanager
def record_build(data: Path) -> Iterator[None]:
    """Record that a build runs, and how it ends. A build beside another one records nothing.

    An interruption by the user (Ctrl-C) is no failure.

    Raises:
        OSError: The record cannot be written.
    """
    data.mkdir(parents=True, exist_ok=True)
    with (data / _NAME).open("a+", encoding="ascii") as opened:
        file = opened if _lock(opened, fcntl.LOCK_EX) else None
        _write(file, _RUNNING)
        try:
            yield
        except Exception:
            _write(file, _FAILED)
            raise
        except BaseException:
            _write(file, _ENDED)
            raise
        _write(file, _ENDED)


def last_build_failed(data: Path) -> bool:
    """Return True if the last build ended with an error or was killed; False while one runs, and without any."""
    try:
        with (data / _NAME).open(encoding="ascii") as file:
            state = file.read()
            if state == _RUNNING and _lock(file, fcntl.LOCK_SH):
                file.seek(0)  # it may have ended since
                return file.read() != _ENDED
            return state == _FAILED
    except (OSError, UnicodeDecodeError):
        return False


def _lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(file: IO[str] | None, state: str) -> None:
    if file is not None:
        file.truncate(0)
        file.write(state)
        file.flush()
