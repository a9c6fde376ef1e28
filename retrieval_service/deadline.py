"""The moment until which an answer is waited for, known to everything that works on it.

An answer may be given up before its moment, when its client is gone. The moment travels in a context variable: it
reaches the encoder and the threads that search, and is no parameter of all that is between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from time import monotonic

from retrieval_service.errors import DeadlineExceeded


class Deadline:
    """A moment, or the earlier end that somebody else makes of the work."""

    def __init__(self, moment: float = inf) -> None:
        """Take the moment, in seconds of `time.monotonic`."""
        self._moment = moment
        self._given_up = False

    def give_up(self) -> None:
        """Have the deadline pass now, for the threads that work towards it as well."""
        self._given_up = True

    @property
    def seconds_left(self) -> float:
        """Seconds until it has passed, not above 0 afterwards."""
        return 0.0 if self._given_up else self._moment - monotonic()


_DEADLINE: ContextVar[Deadline] = ContextVar("deadline", default=Deadline())  # noqa: B039 - the default is never given up


@contextmanager
def deadline(moment: float) -> Iterator[Deadline]:
    """Have everything that is started inside the block know a deadline, in seconds of `time.monotonic`."""
    known = Deadline(moment)
    token = _DEADLINE.set(known)
    try:
        yield known
    finally:
        _DEADLINE.reset(token)


def seconds_left() -> float:
    """Return the seconds until the deadline: not above 0 when it has passed, infinite where there is none."""
    return _DEADLINE.get().seconds_left


def check_deadline() -> None:
    """Raise DeadlineExceeded if nobody waits for the answer any more."""
    if seconds_left() <= 0:
        raise DeadlineExceeded
