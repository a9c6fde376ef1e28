"""Sample answered searches, and write them to the disk in a thread of its own."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from queue import Empty, Full, Queue
from threading import Thread
from time import monotonic

import numpy as np

from akin.collection.store import CollectedSearch, CollectionError, CollectionStore
from retrieval_service.metrics import Metrics
from retrieval_service.ports import Corpus, Vectors
from retrieval_service.search.answer import SearchAnswer
from retrieval_service.search.request import SearchRequest

_log = logging.getLogger(__name__)
WAITING = 1000
"""Searches that may wait for the thread, about 2 MB; more are dropped and counted."""
PART, PART_SECONDS = 1000, 60.0
"""A file is written for so many searches, or after so long."""
LONGEST = 10_000
"""Characters of a query that are kept."""


class Collector:
    """Collection of a running service."""

    def __init__(
        self,
        store: CollectionStore,
        metrics: Metrics,
        share: float,
        *,
        waiting: int = WAITING,
        part: int = PART,
        seconds: float = PART_SECONDS,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Take the parts.

        Args:
            store: Place of the files.
            metrics: Counters.
            share: Share of the searches that is kept, 0 to 1.
            waiting: Searches that may wait to be written.
            part: Searches of a file.
            seconds: Time after which a file is written also with fewer.
            draw: Returns a random number from 0 to 1.
        """
        self._store, self._metrics, self._share, self._draw = store, metrics, share, draw
        self._part, self._seconds = part, seconds
        self._queue: Queue[CollectedSearch] = Queue(waiting)
        self._stopping = False
        self._trouble: str | None = None
        self._thread = Thread(target=self._write, name="collect", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end the thread."""
        self._stopping = True
        self._thread.join()

    def draws(self, wanted: SearchRequest) -> bool:
        """Return True for a search of the sample: a first page of a query in words."""
        return wanted.offset == 0 and bool(wanted.text) and self._draw() < self._share

    def offer(self, corpus: Corpus, found: SearchAnswer, vector: Vectors | None) -> None:
        """Queue a search to be stored; drop it if too many wait, as no reader may wait for the disk."""
        if not found.query.words:
            return
        record = collected(corpus, found, vector, self._store.time())
        if record.unknown is not None:
            self._metrics.record_unknown_terms(record.unknown)
        try:
            self._queue.put_nowait(record)
        except Full:
            self._metrics.record_collected("dropped")

    def _write(self) -> None:
        waiting: list[CollectedSearch] = []
        due = monotonic() + self._seconds
        while True:
            with suppress(Empty):
                # Wake up often enough to end soon.
                waiting.append(self._queue.get(timeout=min(0.2, max(0.0, due - monotonic()))))
            ending = self._stopping and self._queue.empty()
            if ending or len(waiting) >= self._part or monotonic() >= due:
                self._store_all(waiting)
                waiting, due = [], monotonic() + self._seconds
            if ending:
                return

    def _store_all(self, searches: list[CollectedSearch]) -> None:
        try:
            self._store.write(searches)
        except CollectionError as error:
            self._metrics.record_collected("failed", len(searches))
            if str(error) != self._trouble:
                _log.warning("%s", error)
            self._trouble = str(error)
            return
        self._metrics.record_collected("stored", len(searches))
        self._trouble = None


def collected(corpus: Corpus, found: SearchAnswer, vector: Vectors | None, time: datetime) -> CollectedSearch:
    """Return the record of a search.

    Args:
        corpus: The corpus that was searched.
        found: The answer.
        vector: Unit vector of the query; None if it was not embedded.
        time: The moment of the search.
    """
    words = (found.query.words or "")[:LONGEST]
    first = found.results[0].categories if found.results else ()
    return CollectedSearch(
        time=time,
        query=words,
        mode=str(found.mode),
        tokens=found.query.tokens,
        unknown=corpus.lexical.unknown_share(words),
        ids=[result.id for result in found.results],
        scores=[result.score for result in found.results],
        category=first[0] if first else None,
        total_ms=found.timings.total_ms,
        embed_ms=found.timings.embed_ms,
        vectors_ms=found.timings.vectors_ms,
        lexical_ms=found.timings.lexical_ms,
        snapshot=found.snapshot,
        encoder=found.encoder.digest,
        embedding=None if vector is None else vector.astype(np.float16),
    )
