"""Progress on standard error, so that standard output holds the result and nothing else."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(text: str) -> None:
    """Writes one line for the person who waits."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Names a stage when it starts and says how long it took when it ended well."""
    say(f"{name} …")
    start = time.perf_counter()
    yield
    say(f"{name}: {time.perf_counter() - start:.1f} s")
