"""Limits for the answers that Gradio keeps until they are fetched.

Gradio keeps a queue of messages for each session that sent an event, until the answer is fetched from a stream. Answers
that are never fetched, and those of invented sessions, would stay in memory forever.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from gradio.queueing import Queue

from gradio_ui.streams import count_stream

# A browser may open the next stream before the last one is closed.
_STREAMS_OF_ONE = 2


class TooManyPending(Exception):
    """The session has too many answers that it has not fetched."""


class TooManyStreams(Exception):
    """The process has as many open streams as it allows."""


class NoAnswerPending(Exception):
    """The session has no answer to fetch."""


class Sessions:
    """Sessions with an answer that is not fetched yet.

    If too many of them have no stream open, the oldest are removed.
    """

    def __init__(self, queue: Queue, *, each: int = 4, unread: int = 128, streams: int = 256) -> None:
        """Count the sessions of a queue.

        Args:
            queue: Gradio's queue of the page.
            each: The most answers that one session may leave unfetched.
            unread: The most sessions that are kept without an open stream.
            streams: The most open streams.
        """
        self._queue = queue
        self._each = each
        self._most_unread = unread
        self._most_streams = streams
        self._unread: OrderedDict[str, None] = OrderedDict()
        self._streams: Counter[str] = Counter()

    def check_pending(self, session: str) -> None:
        """Raise an error if a session may not send another event.

        Raises:
            TooManyPending: The session must fetch answers first.
        """
        if len(self._queue.pending_event_ids_session.get(session, ())) >= self._each:
            raise TooManyPending

    async def record(self, session: str) -> None:
        """Record that a session has sent an event; if too many sessions have no stream, remove the oldest."""
        if session not in self._streams:
            self._unread[session] = None
            self._unread.move_to_end(session)
        while len(self._unread) > self._most_unread:
            await self._remove(self._unread.popitem(last=False)[0])

    @contextmanager
    def stream(self, session: str) -> Iterator[None]:
        """Count a stream as open while the block runs.

        Raises:
            NoAnswerPending: The session has no answer to fetch, or has its streams open already.
            TooManyStreams: The process has too many open streams.
        """
        if not self._queue.pending_event_ids_session.get(session) or self._streams[session] >= _STREAMS_OF_ONE:
            raise NoAnswerPending
        if self._streams.total() >= self._most_streams:
            raise TooManyStreams
        self._unread.pop(session, None)
        with count_stream(self._streams, session):
            yield

    async def end_stream(self, session: str) -> None:
        """Remove a session whose stream has ended, unless it still has answers to fetch."""
        if session in self._streams:
            return
        if self._queue.pending_event_ids_session.get(session):
            await self.record(session)
        else:
            await self._remove(session)

    async def _remove(self, session: str) -> None:
        await self._queue.clean_events(session_hash=session)
        self._queue.pending_messages_per_session.pop(session, None)
        self._queue.pending_event_ids_session.pop(session, None)
