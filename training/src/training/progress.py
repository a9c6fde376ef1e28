"""Progress on standard error, so that standard output holds the result and nothing else."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def log_progress(text: str) -> None:
    """Writes one line for the person who waits."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def log_duration(name: str) -> Iterator[None]:
    """Names a stage when it starts and says how long it took when it ended well."""
    log_progress(f"{name} …")
    start = time.perf_counter()
    yield
    log_progress(f"{name}: {time.perf_counter() - start:.1f} s")
