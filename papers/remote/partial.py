"""The part of a fetched file that is there so far: kept when a fetch breaks off, and one process's at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from papers.errors import RemoteError


@contextmanager
def partial_file(path: Path) -> Iterator[Any]:
    """Opens a part to go on with it, or makes it, and its folder; the binary file is for reading and appending.

    Raises:
        RemoteError: another process is fetching it; or it, or what belongs to it, cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with path.open("a+b") as file:
                # The system gives the lock free when its holder dies, however it dies.
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Whoever held it until now may have published this very file under its own name.
                if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    yield file
                    return
    except BlockingIOError as error:
        raise RemoteError(f"{path}: another process is fetching this: wait for it, or take another folder.") from error
    except OSError as error:
        raise RemoteError(
            f"{error.filename or path}: cannot be written ({error.strerror or error}); what came is kept, and the same "
            "command goes on with it."
        ) from error
