"""Searches whose reader is still there; one that nobody waits for any more is given up.

A reader's browser fetches answers from a stream of its session. Gradio drops what waits in its queue when that stream
is lost, and lets go on what is under way.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

_SECONDS_TO_RETURN = 2.0
_Shown = TypeVar("_Shown")


class SearchAbandoned(Exception):
    """Nobody waits for this answer any more."""


class ActiveSearches:
    """The searches of each session, and whether its reader is still there; lives in one event loop."""

    def __init__(self, seconds_to_return: float = _SECONDS_TO_RETURN) -> None:
        """Know of no reader yet.

        Args:
            seconds_to_return: For how long a session may be without a stream: a browser opens the next one after the
                last one was closed, and a lost connection comes back.
        """
        self._seconds_to_return = seconds_to_return
        self._searches: dict[str, set[asyncio.Task[Any]]] = {}
        self._streams: Counter[str] = Counter()

    async def follow(self, session: str | None, search: Coroutine[Any, Any, _Shown]) -> _Shown:
        """Return what a search of a session finds; without a session, of whoever asks.

        Raises:
            SearchAbandoned: The reader left before.
        """
        if session is None:
            return await search
        task = asyncio.ensure_future(search)
        under_way = self._searches.setdefault(session, set())
        under_way.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            ours = asyncio.current_task()
            if ours is not None and ours.cancelling():
                raise
            raise SearchAbandoned from None
        finally:
            under_way.discard(task)
            if not under_way:
                self._searches.pop(session, None)

    @contextmanager
    def stream(self, session: str) -> Iterator[None]:
        """Count a session as there for as long as the block runs, and a moment longer."""
        self._streams[session] += 1
        try:
            yield
        finally:
            self._streams[session] -= 1
            if not self._streams[session]:
                del self._streams[session]
                asyncio.get_running_loop().call_later(self._seconds_to_return, self._look_for, session)

    def _look_for(self, session: str) -> None:
        if session not in self._streams:
            for task in self._searches.get(session, ()):
                task.cancel()
