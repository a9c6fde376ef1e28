"""Cancellation of searches whose browser has left.

A browser fetches its answers from a stream of its session. When the stream is lost, Gradio removes the session's
waiting events from its queue, but does not cancel those that it has started.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from gradio_ui.streams import count_stream

_SECONDS_TO_RETURN = 2.0
_Found = TypeVar("_Found")


class SearchAbandoned(Exception):
    """The search was cancelled because its browser has left."""


class ActiveSearches:
    """Running searches and open streams of each session, in one event loop."""

    def __init__(self, seconds_to_return: float = _SECONDS_TO_RETURN) -> None:
        """Start without sessions.

        Args:
            seconds_to_return: The time that a session may be without a stream: a browser opens the next stream after
                closing the last one, and a lost connection may return.
        """
        self._seconds_to_return = seconds_to_return
        self._searches: dict[str, set[asyncio.Task[Any]]] = {}
        self._streams: Counter[str] = Counter()

    async def follow(self, session: str | None, search: Coroutine[Any, Any, _Found]) -> _Found:
        """Return the result of a session's search, which is cancelled if the session's streams are lost.

        Args:
            session: The session; without one, the search is never cancelled here.
            search: The search.

        Raises:
            SearchAbandoned: The browser left before the search was finished.
        """
        if session is None:
            return await search
        task = asyncio.ensure_future(search)
        tasks = self._searches.setdefault(session, set())
        tasks.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            ours = asyncio.current_task()
            if ours is not None and ours.cancelling():
                raise
            raise SearchAbandoned from None
        finally:
            tasks.discard(task)
            if not tasks:
                self._searches.pop(session, None)

    @contextmanager
    def stream(self, session: str) -> Iterator[None]:
        """Count a stream of a session as open while the block runs; then allow the session time to open another."""
        try:
            with count_stream(self._streams, session):
                yield
        finally:
            if session not in self._streams:
                asyncio.get_running_loop().call_later(self._seconds_to_return, self._cancel_if_left, session)

    def _cancel_if_left(self, session: str) -> None:
        if session not in self._streams:
            for task in self._searches.get(session, ()):
                task.cancel()
