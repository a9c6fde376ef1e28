"""Wait for another service, and print a line about it now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from akin.errors import AkinError

REPEAT_SECONDS = 30.0

Found = TypeVar("Found")


def wait_for(whom: str, look: Callable[[], Found], seconds: float, say: Callable[[str], None]) -> Found:
    """Call a function once a second until it succeeds, and return its result.

    Args:
        whom: The name of the awaited service in messages.
        look: Returns the result, or raises an `AkinError` that names the reason why it is not there yet.
        seconds: The longest wait; with 0, `look` is called once.
        say: Prints a line, at first and every half minute.

    Raises:
        AkinError: The last one that `look` raised, after that time.
    """
    deadline = time.monotonic() + seconds
    reported_at = -REPEAT_SECONDS
    while True:
        try:
            return look()
        except AkinError as error:
            now = time.monotonic()
            if now >= deadline:
                raise
            if now - reported_at >= REPEAT_SECONDS:
                reported_at = now
                say(f"waiting for {whom} (at most {deadline - now:.0f} s): {error}")
        time.sleep(min(1.0, max(0.0, deadline - now)))
