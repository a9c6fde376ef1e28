"""Limit the work: some requests run at the same time, a few wait, and the rest is refused at once.

A service that admits every request answers none in time under overload. A refusal costs microseconds, so that admitted
requests are answered as fast as without overload.
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
    """Receives the requests that are not answered."""

    def record_refusal(self, error: RetrievalError) -> None:
        """Record a request that was refused, or given up before it was answered."""


class Admission:
    """Gives requests of one kind their turns; used in one event loop."""

    def __init__(
        self,
        at_once: int,
        waiting: int,
        observer: AdmissionObserver | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Take the limits.

        Args:
            at_once: Requests that are worked on at the same time.
            waiting: Requests that may wait for their turn in addition.
            observer: Receives every refusal.
            clock: Returns seconds, as `time.monotonic` does.
        """
        self._at_once = at_once
        self._waiting = waiting
        self._observer = observer
        self._clock = clock
        self._queue: dict[asyncio.Future[None], None] = {}  # in the order of arrival
        self._abandoned: set[asyncio.Task[Any]] = set()
        self.running = 0

    @property
    def queued(self) -> int:
        """Number of requests that wait for their turn."""
        return len(self._queue)

    @property
    def room(self) -> int:
        """Number of requests that would be admitted now, to their turn or to the queue."""
        return max(0, self._at_once - self.running) + max(0, self._waiting - len(self._queue))

    @property
    def is_full(self) -> bool:
        """Return True if no more requests may wait."""
        return not self.room

    async def run(
        self, work: Callable[[], Coroutine[Any, Any, Answer]], *, until: float, gone: Callable[[], Awaitable[None]]
    ) -> Answer:
        """Wait for a turn, do the work, and return its result.

        Work that is given up is cancelled and its deadline passes; it keeps its turn until its threads have ended.

        Args:
            work: Makes the answer.
            until: The deadline, in seconds of the clock.
            gone: Returns when the client has closed its connection.

        Raises:
            Overloaded: No more requests may wait.
            DeadlineExceeded: The deadline has passed.
            ClientGone: The client has closed its connection.
        """
        if self._clock() >= until:
            raise self._record(DeadlineExceeded())
        turn = self._turn()
        with deadline(until) as work_deadline:
            task = asyncio.create_task(_work_in_turn(turn, work))
        task.add_done_callback(lambda _: self._pass_on(turn))
        watcher = asyncio.ensure_future(gone())
        try:
            both: tuple[asyncio.Future[Any], ...] = (task, watcher)
            await asyncio.wait(both, timeout=until - self._clock(), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                if not task.cancelled() and isinstance(error := task.exception(), DeadlineExceeded):
                    self._record(error)
                return task.result()
            if watcher.done():
                raise ClientGone
            raise self._record(DeadlineExceeded())
        finally:
            watcher.cancel()
            if not task.done():
                # Threads cannot be cancelled; they read the deadline.
                work_deadline.give_up()
                task.cancel()
                self._abandoned.add(task)
                task.add_done_callback(self._log_failure)

    async def finish(self) -> None:
        """Wait for the end of work that was given up and still runs in threads."""
        while self._abandoned:
            await asyncio.wait(self._abandoned)

    def _turn(self) -> asyncio.Future[None] | None:
        """Return the future to wait for before the work begins; None if it may begin at once."""
        if self.running < self._at_once:
            self.running += 1
            return None
        if self.is_full:
            raise self._record(Overloaded.at_once())
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue[turn] = None
        return turn

    def _pass_on(self, turn: asyncio.Future[None] | None) -> None:
        """Pass a turn that has ended, or was given up, to the request that has waited longest."""
        if turn is not None and turn in self._queue:
            del self._queue[turn]
            return
        # A request that was given up a moment ago is still in the queue; its own callback removes it.
        waiting = next((waiting for waiting in self._queue if not waiting.done()), None)
        if waiting is None:
            self.running -= 1
        else:
            del self._queue[waiting]
            waiting.set_result(None)

    def _log_failure(self, task: asyncio.Task[Any]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, RetrievalError):
            _log.error(
                "A request that was given up before failed afterwards; the error is in the service itself.",
                exc_info=error,
            )

    def _record(self, error: RetrievalError) -> RetrievalError:
        if self._observer is not None:
            self._observer.record_refusal(error)
        return error


async def _work_in_turn(turn: asyncio.Future[None] | None, work: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
    if turn is not None:
        await turn
    return await work()
