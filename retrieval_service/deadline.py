"""The deadline of a request, available to all code that works on it.

The deadline is in a context variable, so that the encoder's client and the search threads can read it without a
parameter in every function between. It can also be ended early, when the client has closed its connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from time import monotonic

from retrieval_service.errors import DeadlineExceeded


class Deadline:
    """A moment at which work ends, or the earlier moment at which it is given up."""

    def __init__(self, moment: float = inf) -> None:
        """Take the moment, in seconds of `time.monotonic`."""
        self._moment = moment
        self._given_up = False

    def give_up(self) -> None:
        """Make the deadline pass now, also for threads that work until it."""
        self._given_up = True

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline; 0 or less when it has passed."""
        return 0.0 if self._given_up else self._moment - monotonic()


_DEADLINE: ContextVar[Deadline] = ContextVar("deadline", default=Deadline())  # noqa: B039 - the default is never given up


@contextmanager
def deadline(moment: float) -> Iterator[Deadline]:
    """Set a deadline, in seconds of `time.monotonic`, for everything that is started inside the block."""
    made = Deadline(moment)
    token = _DEADLINE.set(made)
    try:
        yield made
    finally:
        _DEADLINE.reset(token)


def seconds_left() -> float:
    """Return the seconds until the deadline: 0 or less when it has passed, infinite where there is none."""
    return _DEADLINE.get().seconds_left


def check_deadline() -> None:
    """Raise DeadlineExceeded if the deadline has passed."""
    if seconds_left() <= 0:
        raise DeadlineExceeded
