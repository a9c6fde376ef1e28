"""Waiting for another service: whoever waits says for whom, now and then, and gives up after a time that is set."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from akin.errors import AkinError

SAY_AGAIN_SECONDS = 30.0

Found = TypeVar("Found")


def wait_for(whom: str, look: Callable[[], Found], seconds: float, say: Callable[[str], None]) -> Found:
    """Looks once a second until there is what is looked for.

    Args:
        whom: What is waited for, for people.
        look: Returns it, or raises an `AkinError` whose text says why it is not there yet.
        seconds: How long to wait; with 0 it must be there at once.
        say: Is told for whom is waited, at first and every half minute.

    Raises:
        AkinError: The last one that `look` raised, when the time is over.
    """
    deadline = time.monotonic() + seconds
    said = -SAY_AGAIN_SECONDS
    while True:
        try:
            return look()
        except AkinError as error:
            now = time.monotonic()
            if now >= deadline:
                raise
            if now - said >= SAY_AGAIN_SECONDS:
                said = now
                say(f"waiting for {whom} (at most {deadline - now:.0f} s): {error}")
        time.sleep(min(1.0, max(0.0, deadline - now)))
