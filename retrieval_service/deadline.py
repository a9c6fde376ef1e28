"""The moment until which an answer is waited for, known to everything that works on it.

It travels in a context variable: it reaches the encoder and the threads that search, and is no parameter of all that is
between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from time import monotonic

from retrieval_service.errors import DeadlineExceeded

_DEADLINE: ContextVar[float] = ContextVar("deadline", default=inf)


@contextmanager
def deadline(moment: float) -> Iterator[None]:
    """Have everything that is started inside the block know a deadline, in seconds of `time.monotonic`."""
    token = _DEADLINE.set(moment)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def seconds_left() -> float:
    """Return the seconds until the deadline: not above 0 when it has passed, infinite where there is none."""
    return _DEADLINE.get() - monotonic()


def check_deadline() -> None:
    """Raise DeadlineExceeded if nobody waits for the answer any more."""
    if seconds_left() <= 0:
        raise DeadlineExceeded
