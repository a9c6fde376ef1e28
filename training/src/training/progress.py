"""Write progress to standard error, so that standard output holds the result only."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def log_progress(text: str) -> None:
    """Write one line to standard error."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def log_duration(name: str) -> Iterator[None]:
    """Write the name of a piece of work when it starts, and its duration when it ends without an error."""
    log_progress(f"{name} …")
    start = time.perf_counter()
    yield
    log_progress(f"{name}: {time.perf_counter() - start:.1f} s")
