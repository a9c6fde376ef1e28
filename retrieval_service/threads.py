"""Run work in threads for tasks that may be cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from typing import Generic, TypeVar

from retrieval_service.deadline import check_deadline

Result = TypeVar("Result")


class Job(Generic[Result]):
    """One call in a thread: it can be cancelled before it begins; afterwards it can only be waited for."""

    def __init__(self, executor: Executor, work: Callable[..., Result], *arguments: object) -> None:
        """Queue the work, with the caller's context; it is skipped if its deadline has passed before it begins."""
        self._job = executor.submit(copy_context().run, _run_in_time, work, *arguments)

    @property
    def done(self) -> bool:
        """True if the work has ended, or was cancelled before it began."""
        return self._job.done()

    async def result(self) -> Result:
        """Return the result of the work; when the calling task is cancelled, drop the work first."""
        try:
            return await asyncio.wrap_future(self._job)
        except asyncio.CancelledError:
            await self.drop()
            raise

    async def drop(self) -> None:
        """Cancel work that has not begun; otherwise wait for its end, and ignore its result."""
        if self._job.cancel() or self._job.done():
            return
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        self._job.add_done_callback(lambda _: loop.call_soon_threadsafe(_set_done, ended))
        await ended


def _run_in_time(work: Callable[..., Result], *arguments: object) -> Result:
    check_deadline()
    return work(*arguments)


def _set_done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
