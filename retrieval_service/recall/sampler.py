"""Compare the vector index with exact search on a trickle of real queries, at the lowest priority.

Nothing of it is in the path of a search: a search leaves its vector, of which a few of the newest are kept. A thread of
the lowest priority reads the vectors of the corpus a piece at a time, and rests after each piece, so that it takes no
more than a set share of one core.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from time import thread_time
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from retrieval_service.adapters.faiss_index import use_one_thread
from retrieval_service.corpus.live_corpus import LiveCorpus
from retrieval_service.errors import NoSnapshot, RetrievalError, SnapshotError
from retrieval_service.metrics import Metrics
from retrieval_service.ports import DEPTHS, Corpus, Vectors
from retrieval_service.recall.estimate import RecallWindow

_log = logging.getLogger(__name__)
_R = TypeVar("_R")
NEAREST = 10
WAITING = 16
"""Queries that are compared together, as reading the vectors takes most of the time; newer ones replace older ones."""
PIECE = 4096
"""Rows that are read at a time, which takes a few milliseconds."""
WINDOW = 500
"""Queries that the estimate is of."""
_TIE = 1e-6
_IDLE_SECONDS = 0.5


@dataclass
class _Exact:
    """Exact search of some queries, which proceeds by pieces.

    Attributes:
        vectors: float32 [queries, dim].
        best: The greatest scores so far, float32 [queries, at most 10].
    """

    vectors: Vectors
    best: NDArray[np.float32]

    def read(self, corpus: Corpus, first: int, end: int) -> None:
        """Compare the queries with the rows of a piece."""
        rows = np.arange(first, end)
        if corpus.covered is not None:
            rows = rows[corpus.covered.mask[first:end]]
        if len(rows):
            stored = corpus.vectors.vectors(rows)  # type: ignore[arg-type]  # an array of rows is a sequence to FAISS
            # Unlike a product of matrices, this uses one thread.
            scores = np.einsum("qd,rd->qr", self.vectors, stored)
            both = np.concatenate([self.best, scores], axis=1)
            self.best = -np.sort(-both, axis=1)[:, :NEAREST]


class RecallSampler:
    """Background work of a running service."""

    def __init__(
        self,
        live: LiveCorpus,
        metrics: Metrics,
        share: float,
        *,
        piece: int = PIECE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take the parts.

        Args:
            live: The corpus that is served.
            metrics: Counters.
            share: Share of one core that the comparison may take.
            piece: Rows that are read at a time.
            sleep: Waits for some seconds.
        """
        self._live, self._metrics, self._share = live, metrics, share
        self._piece, self._sleep = piece, sleep
        self._waiting: deque[Vectors] = deque(maxlen=WAITING)
        self._window = RecallWindow(WINDOW)
        self._snapshot: str | None = None
        self._measurable = False
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "recall", initializer=_least_urgent)

    def start(self) -> None:
        """Begin to compare."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End the work."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._thread.shutdown()

    def offer(self, vector: Vectors | None) -> None:
        """Keep the vector of a search, if it has one; it replaces an older one that nobody has compared yet."""
        if vector is not None:
            self._waiting.append(vector)

    async def _run(self) -> None:
        while True:
            await self._sleep(_IDLE_SECONDS)
            if not self._waiting and self._snapshot is not None:
                continue
            try:
                await self._compare()
            except NoSnapshot:
                continue
            except (RetrievalError, RuntimeError) as error:  # FAISS raises RuntimeError
                self._waiting.clear()
                _log.warning("Recall is not measured: %s", error)

    async def _compare(self) -> None:
        with self._live.hold() as corpus:
            if not self._note_snapshot(corpus):
                self._waiting.clear()
                return
            queries, count = list(self._waiting), len(corpus.catalogue)
            self._waiting.clear()
            if not queries:
                return
            vectors = np.stack(queries).astype(np.float32)
            exact = _Exact(vectors, np.empty((len(queries), 0), np.float32))
            for first in range(0, count, self._piece):
                await self._work(exact.read, corpus, first, min(first + self._piece, count))
                if self._live.current is not corpus:
                    return  # another snapshot serves: this one must be closed soon
            for vector, best in zip(vectors, exact.best, strict=True):
                found = await self._work(self._found, corpus, vector, best)
                self._window.add(found, len(best))
                self._metrics.record_compared()
        self._metrics.record_recall(self._window.estimate())

    async def _work(self, work: Callable[..., _R], *arguments: object) -> _R:
        """Do a piece of work in the thread, then rest so long that the share of a core is kept."""
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(self._thread, _timed, work, *arguments)
        try:
            result, seconds = await asyncio.shield(job)
        except asyncio.CancelledError:
            with suppress(Exception):
                await job  # the corpus may be closed when this returns
            raise
        self._metrics.record_recall_work(seconds)
        await self._sleep(seconds * (1 / self._share - 1))
        return result

    def _found(self, corpus: Corpus, vector: Vectors, best: NDArray[np.float32]) -> int:
        """Return how many of the best rows the index finds: those whose exact score is no less than the last one's."""
        rows = corpus.vectors.search(vector, min(DEPTHS[0], len(corpus.vectors))).rows[: len(best)]
        scores = corpus.vectors.vectors(rows.tolist()) @ vector
        return int(np.count_nonzero(scores >= best[-1] - _TIE)) if len(best) else 0

    def _note_snapshot(self, corpus: Corpus) -> bool:
        """Begin anew with another snapshot; return True if its index can be compared with exact search."""
        if corpus.manifest.id != self._snapshot:
            self._snapshot, index = corpus.manifest.id, corpus.manifest.index
            self._window.clear()
            self._metrics.record_recall(None)
            self._metrics.record_recall_index(index.nprobe is None, index.recall_target)
            self._measurable = _is_measurable(corpus)
        return self._measurable


def _is_measurable(corpus: Corpus) -> bool:
    recipe = corpus.manifest.index.recipe
    if corpus.manifest.index.nprobe is None:
        _log.info("Recall is not measured: the index %s is exact, and finds every nearest paper.", recipe)
        return False
    try:
        return bool(len(corpus.vectors)) and len(corpus.vectors.vectors([0])) == 1
    except (SnapshotError, RuntimeError) as error:
        _log.warning("Recall is not measured: vectors of the index %s cannot be read back (%s).", recipe, error)
        return False


def _timed(work: Callable[..., _R], *arguments: object) -> tuple[_R, float]:
    started = thread_time()
    result = work(*arguments)
    return result, thread_time() - started


def _least_urgent() -> None:
    """Give the calling thread the lowest priority, where the system has priorities of threads, and FAISS one thread."""
    use_one_thread()
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
