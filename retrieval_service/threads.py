"""Work in threads, for tasks that may be cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from typing import Generic, TypeVar

from retrieval_service.deadline import check_deadline

Result = TypeVar("Result")


class Job(Generic[Result]):
    """One call in a thread, which can be given up before it has begun, and can only be waited for afterwards."""

    def __init__(self, executor: Executor, work: Callable[..., Result], *arguments: object) -> None:
        """Have an executor do the work, with the context of the caller; not if its deadline has passed by then."""
        self._job = executor.submit(copy_context().run, _in_time, work, *arguments)

    @property
    def done(self) -> bool:
        """Return True if the work is over, or was given up before it began."""
        return self._job.done()

    async def result(self) -> Result:
        """Return what the work returns; when cancelled, drop it first."""
        try:
            return await asyncio.wrap_future(self._job)
        except asyncio.CancelledError:
            await self.drop()
            raise

    async def drop(self) -> None:
        """Cancel work that has not begun; wait for the end of work that has, and forget what it returns."""
        if self._job.cancel() or self._job.done():
            return
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        self._job.add_done_callback(lambda _: loop.call_soon_threadsafe(_note, ended))
        await ended


def _in_time(work: Callable[..., Result], *arguments: object) -> Result:
    check_deadline()
    return work(*arguments)


def _note(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)
