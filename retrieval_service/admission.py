"""Bound the work: some requests run at the same time, a few wait, and the rest is refused at once.

A service that takes everything answers nothing in time once more is asked than it can do. What is refused here costs
microseconds, and what is admitted is answered as fast as ever.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from time import monotonic
from typing import Any, Protocol, TypeVar

from retrieval_service.deadline import deadline
from retrieval_service.errors import ClientGone, DeadlineExceeded, Overloaded, RetrievalError

_log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class AdmissionObserver(Protocol):
    """Is told what is not answered."""

    def record_refusal(self, error: RetrievalError) -> None:
        """Take note of a request that was refused or given up."""


class Admission:
    """Turns for requests of one kind; lives in one event loop."""

    def __init__(
        self, at_once: int, waiting: int, see: AdmissionObserver | None = None, clock: Callable[[], float] = monotonic
    ) -> None:
        """Admit nobody yet.

        Args:
            at_once: requests that are worked on at the same time.
            waiting: requests that may wait for their turn beyond these.
            see: is told of every refusal.
            clock: seconds, as `time.monotonic` counts them.
        """
        self._at_once = at_once
        self._waiting = waiting
        self._see = see
        self._clock = clock
        self._queue: dict[asyncio.Future[None], None] = {}  # in the order of arrival
        self._abandoned: set[asyncio.Task[Any]] = set()
        self.running = 0

    @property
    def queued(self) -> int:
        """Requests that wait for their turn."""
        return len(self._queue)

    async def run(
        self, work: Callable[[], Coroutine[Any, Any, Answer]], *, until: float, gone: Callable[[], Awaitable[None]]
    ) -> Answer:
        """Return what the work returns, once it is its turn.

        Work that is given up is cancelled and has its deadline pass; it keeps its turn until what it has running in
        threads is over.

        Args:
            work: what is to be done.
            until: the moment after which nobody waits for it.
            gone: returns when nobody waits for it any more.

        Raises:
            Overloaded: as many are waiting as may.
            DeadlineExceeded: the moment has come.
            ClientGone: nobody waits for it.
        """
        if self._clock() >= until:
            raise self._noted(DeadlineExceeded())
        turn = self._turn()
        with deadline(until) as known:
            task = asyncio.create_task(_when(turn, work))
        task.add_done_callback(lambda _: self._next(turn))
        watcher = asyncio.ensure_future(gone())
        try:
            both: tuple[asyncio.Future[Any], ...] = (task, watcher)
            await asyncio.wait(both, timeout=until - self._clock(), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                if not task.cancelled() and isinstance(error := task.exception(), DeadlineExceeded):
                    self._noted(error)
                return task.result()
            if watcher.done():
                raise ClientGone
            raise self._noted(DeadlineExceeded())
        finally:
            watcher.cancel()
            if not task.done():
                # Its threads see no cancelling, only the deadline.
                known.give_up()
                task.cancel()
                self._abandoned.add(task)
                task.add_done_callback(self._over)

    async def finish(self) -> None:
        """Wait for the end of what was given up and still runs in threads."""
        while self._abandoned:
            await asyncio.wait(self._abandoned)

    def _turn(self) -> asyncio.Future[None] | None:
        """Return what to wait for before beginning; None where it is one's turn."""
        if self.running < self._at_once:
            self.running += 1
            return None
        if len(self._queue) >= self._waiting:
            raise self._noted(
                Overloaded("The service has more to do than it can; ask again in a moment.", {"waiting": self.queued})
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue[turn] = None
        return turn

    def _next(self, turn: asyncio.Future[None] | None) -> None:
        """Give a turn that has ended, or was given up, to whoever waits longest."""
        if turn is not None and turn in self._queue:
            del self._queue[turn]
            return
        # One that was given up this very moment is still there, and is taken out by its own end.
        waiting = next((waiting for waiting in self._queue if not waiting.done()), None)
        if waiting is None:
            self.running -= 1
        else:
            del self._queue[waiting]
            waiting.set_result(None)

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, RetrievalError):
            _log.error("Work that nobody waited for any more failed.", exc_info=error)

    def _noted(self, error: RetrievalError) -> RetrievalError:
        if self._see is not None:
            self._see.record_refusal(error)
        return error


async def _when(turn: asyncio.Future[None] | None, work: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
    if turn is not None:
        await turn
    return await work()
