"""Part of a file that is being fetched: it is kept after a failure, and one process at a time writes it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from akin.papers.errors import RemoteError
from akin.storage import locks


@contextmanager
def partial_file(path: Path) -> Iterator[Any]:
    """Create a part and its folder, or open an existing part, and yield the binary file for reading and appending.

    Raises:
        RemoteError: another process is fetching it; or the part, or a file beside it, cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with path.open("a+b") as file:
                # The system releases the lock when the process ends, also when it is killed.
                locks.lock_now(file.fileno())
                # The previous holder of the lock may have renamed this file to its final name meanwhile.
                if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    yield file
                    return
    except BlockingIOError as error:
        raise RemoteError(f"{path}: another process is fetching this file; wait, or use another folder.") from error
    except OSError as error:
        raise RemoteError(
            f"{error.filename or path}: cannot be written ({error.strerror or error}). What was fetched is kept, "
            "and the same command continues it."
        ) from error
