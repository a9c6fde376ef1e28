"""Search for many threads in batches, on one worker thread.

A batch of queries takes a GPU hardly longer than one query. So one worker searches for all other threads. It adds no
waiting: a batch is what arrived while the batch before was searched.
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
"""Scores and rows, [n, k] each; the row is -1 where there are fewer than k."""


class _Query(NamedTuple):
    vector: Vectors
    k: int
    nprobe: int | None
    answer: Future[Hits]


class MicroBatches:
    """Searches by batch for callers that each have one vector; any number of threads may call."""

    def __init__(self, search: Callable[[Vectors, int, int | None], Found], most: int = 64) -> None:
        """Start the thread.

        Args:
            search: Returns scores and rows for vectors [n, dim], k and nprobe; only ever called from one thread.
            most: Greatest number of vectors in one call.
        """
        self._search = search
        self._most = most
        self._waiting: deque[_Query] = deque()
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._run, name="micro-batches", daemon=True)
        self._thread.start()

    def search(self, vector: Vectors, k: int, nprobe: int | None = None) -> Hits:
        """Return the k best rows for a vector [dim]; wait for them until the deadline.

        Raises:
            RuntimeError: The search failed, for the reason in the message, or the index is closed.
            DeadlineExceeded: The deadline has passed; a search that has not begun by then never begins.
        """
        query = _Query(vector, k, nprobe, Future())
        with self._changed:
            if self._closed:
                raise RuntimeError("the index is closed")
            self._waiting.append(query)
            self._changed.notify()
        left = seconds_left()
        try:
            return query.answer.result(None if left == inf else max(0.0, left))
        except TimeoutError:
            query.answer.cancel()
            raise DeadlineExceeded from None

    def close(self) -> None:
        """Answer all waiting queries and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next():
            try:
                vectors = np.stack([query.vector for query in batch])
                scores, rows = self._search(vectors, batch[0].k, batch[0].nprobe)
            except Exception as error:  # every error must reach the callers, which wait for it
                for query in batch:
                    # One error object per caller: raised in many threads, a shared one would collect their frames.
                    failed = RuntimeError(str(error) or type(error).__name__)
                    failed.__cause__ = error
                    query.answer.set_exception(failed)
                continue
            for query, own_scores, own_rows in zip(batch, scores, rows, strict=True):
                found = own_rows >= 0
                query.answer.set_result(Hits(own_rows[found], own_scores[found]))

    def _next(self) -> list[_Query]:
        """Wait for queries and return the next batch; return an empty one when closed and all are answered."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: bool(self._waiting) or self._closed)
                if not self._waiting:
                    return []
                if batch := self._take():
                    return batch

    def _take(self) -> list[_Query]:
        """Take queries of the same k and nprobe from the head of the queue; none if all of them were cancelled."""
        batch: list[_Query] = []
        while self._waiting and len(batch) < self._most:
            # A deeper search may order equal scores differently: an answer must not depend on the other queries.
            if batch and self._waiting[0][1:3] != batch[0][1:3]:
                break
            query = self._waiting.popleft()
            # Skips a cancelled query, and makes it impossible to cancel the others from here on.
            if query.answer.set_running_or_notify_cancel():
                batch.append(query)
        return batch
