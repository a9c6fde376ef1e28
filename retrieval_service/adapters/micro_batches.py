"""One thread that searches for all the others, taking together what has queued up meanwhile.

For an index that one thread at a time may use and that answers many queries in hardly more time than one, as those on
GPUs do. Nobody is made to wait for company: a batch is what came in while the one before was searched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from math import inf
from threading import Condition, Thread
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval_service.deadline import seconds_left
from retrieval_service.errors import DeadlineExceeded
from retrieval_service.ports import Hits, Rows, Vectors

Found = tuple[NDArray[np.float32], Rows]


class _Asked(NamedTuple):
    vector: Vectors
    k: int
    nprobe: int | None
    answer: Future[Hits]


class MicroBatches:
    """Searches by batch for callers that each have one vector; any number of threads may call."""

    def __init__(self, search: Callable[[Vectors, int, int | None], Found], most: int = 64) -> None:
        """Starts the thread.

        Args:
            search: finds scores and rows [n, k] for vectors [n, dim], k and nprobe; only ever called from one thread.
            most: vectors in one call.
        """
        self._search = search
        self._most = most
        self._waiting: deque[_Asked] = deque()
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._run, name="micro-batches", daemon=True)
        self._thread.start()

    def search(self, vector: Vectors, k: int, nprobe: int | None = None) -> Hits:
        """The k best rows for a vector [dim]; waits for them until the deadline.

        Raises:
            RuntimeError: the searching failed, with its own reason, or was closed.
            DeadlineExceeded: it has passed; what was not begun then is not searched.
        """
        asked = _Asked(vector, k, nprobe, Future())
        with self._changed:
            if self._closed:
                raise RuntimeError("the index is closed")
            self._waiting.append(asked)
            self._changed.notify()
        left = seconds_left()
        try:
            return asked.answer.result(None if left == inf else max(0.0, left))
        except TimeoutError:
            asked.answer.cancel()
            raise DeadlineExceeded from None

    def close(self) -> None:
        """Answers what is waiting and ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next():
            try:
                vectors = np.stack([asked.vector for asked in batch])
                scores, rows = self._search(vectors, batch[0].k, batch[0].nprobe)
            except Exception as error:  # whatever it is, it belongs to those who wait
                for asked in batch:
                    # Each has an error of its own: raised in many threads, one would grow by the frames of all.
                    failed = RuntimeError(str(error) or type(error).__name__)
                    failed.__cause__ = error
                    asked.answer.set_exception(failed)
                continue
            for asked, own_scores, own_rows in zip(batch, scores, rows, strict=True):
                found = own_rows >= 0
                asked.answer.set_result(Hits(own_rows[found], own_scores[found]))

    def _next(self) -> list[_Asked]:
        """Return what is to be searched next, all as deep and with the same nprobe; empty when closed and done."""
        with self._changed:
            batch: list[_Asked] = []
            while not batch:
                self._changed.wait_for(lambda: bool(self._waiting) or self._closed)
                if not self._waiting:
                    break
                batch = self._taken()
            return batch

    def _taken(self) -> list[_Asked]:
        """Return the jobs at the head of the queue that go together; none where all were given up."""
        batch: list[_Asked] = []
        while self._waiting and len(batch) < self._most:
            # Of equal scores a deeper search may keep others: what one is answered must not depend on its company.
            if batch and self._waiting[0][1:3] != batch[0][1:3]:
                break
            asked = self._waiting.popleft()
            # One that was given up is not searched, and one that is searched cannot be given up any more.
            if asked.answer.set_running_or_notify_cancel():
                batch.append(asked)
        return batch
