"""Bounds for what Gradio keeps between a question and its answer.

Gradio has a queue of messages for every session that asked something, until the answer is fetched from a stream.
Whoever asks and never fetches leaves answers behind for good, and so does whoever invents sessions.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from gradio.queueing import Queue

# A browser may open the next stream while the last one is being closed.
_STREAMS_OF_ONE = 2


class TooManyPending(Exception):
    """This session has asked more than it has fetched; the text is for a person."""


class TooManyStreams(Exception):
    """All streams that this process has for answers are open; the text is for a person."""


class NoAnswerPending(Exception):
    """No answer is under way for this session; the text is for a person."""


class Sessions:
    """The sessions with an answer under way.

    Those that do not fetch it are forgotten, the oldest first, once there are too many of them.
    """

    def __init__(self, queue: Queue, *, each: int = 4, unread: int = 128, streams: int = 256) -> None:
        """Watch a queue of Gradio's.

        Args:
            queue: Of the page.
            each: Answers that one session may have under way.
            unread: Sessions that are kept without a stream open.
            streams: Streams that may be open at once.
        """
        self._queue = queue
        self._each = each
        self._most_unread = unread
        self._most_streams = streams
        self._unread: OrderedDict[str, None] = OrderedDict()
        self._streams: Counter[str] = Counter()

    def ask(self, session: str) -> None:
        """Allow a session to ask.

        Raises:
            TooManyPending: It has asked enough; it fetches the answers first.
        """
        if len(self._queue.pending_event_ids_session.get(session, ())) >= self._each:
            raise TooManyPending("Your last searches are still under way. Wait a moment, then search again.")

    async def record(self, session: str) -> None:
        """Take down that a session has asked; forget one that fetches nothing, where there are too many."""
        if session not in self._streams:
            self._unread[session] = None
            self._unread.move_to_end(session)
        while len(self._unread) > self._most_unread:
            await self._forget(self._unread.popitem(last=False)[0])

    @contextmanager
    def stream(self, session: str) -> Iterator[None]:
        """Count a stream as open as long as the block runs.

        Raises:
            NoAnswerPending: The session has nothing to fetch, or fetches already.
            TooManyStreams: No stream is free.
        """
        if not self._queue.pending_event_ids_session.get(session) or self._streams[session] >= _STREAMS_OF_ONE:
            raise NoAnswerPending("No answer is under way here. Search again, or reload the page.")
        if self._streams.total() >= self._most_streams:
            raise TooManyStreams("The page has as many searches under way as it can. Try again in a moment.")
        self._streams[session] += 1
        self._unread.pop(session, None)
        try:
            yield
        finally:
            self._streams[session] -= 1
            if not self._streams[session]:
                del self._streams[session]

    async def end_stream(self, session: str) -> None:
        """Forget a session whose stream has ended, unless something is still to be fetched."""
        if session in self._streams:
            return
        if self._queue.pending_event_ids_session.get(session):
            await self.record(session)
        else:
            await self._forget(session)

    async def _forget(self, session: str) -> None:
        await self._queue.clean_events(session_hash=session)
        self._queue.pending_messages_per_session.pop(session, None)
        self._queue.pending_event_ids_session.pop(session, None)
