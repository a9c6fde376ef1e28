"""Test that searches are collected off the path of requests, and what is lost is counted."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from akin.collection.store import CollectedSearch, CollectionError, CollectionStore
from retrieval_service.collection.keeping import LONGEST, Collector
from retrieval_service.metrics import Metrics
from retrieval_service.search.answer import SearchAnswer, Timings
from retrieval_service.search.request import SearchRequest

WANTED = SearchRequest(text="graph networks")
VECTOR = np.array([0.6, 0.8], np.float32)


def answer(words: str | None = "graph networks", results: int = 2) -> SearchAnswer:
    found = [SimpleNamespace(id=f"p{n}", score=0.5, categories=("cs.LG", "cs.AI")) for n in range(results)]
    query = SimpleNamespace(words=words, tokens=4)
    encoder = SimpleNamespace(digest="e1")
    made = SimpleNamespace(results=found, query=query, mode="hybrid", timings=Timings(), snapshot="s1", encoder=encoder)
    return cast(SearchAnswer, made)


CORPUS: Any = SimpleNamespace(lexical=SimpleNamespace(unknown_share=lambda text: 0.25 if text.strip() else None))


class Held(CollectionStore):
    """A store whose writing waits for a test, or fails."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, days=30, most_bytes=1_000_000, now=lambda: datetime(2026, 6, 1, tzinfo=UTC))
        self.free, self.fails = threading.Event(), False

    def write(self, searches: Sequence[CollectedSearch]) -> None:
        self.free.wait(5)
        if self.fails:
            raise CollectionError("the disk is full")
        super().write(searches)


def collected(metrics: Metrics, outcome: str) -> float:
    value = metrics.registry.get_sample_value("akin_collected_searches_total", {"outcome": outcome})
    assert value is not None
    return value


def collector(store: CollectionStore, metrics: Metrics, **more: Any) -> Collector:
    made = Collector(store, metrics, 1.0, **{"seconds": 0.01, **more})
    made.start()
    return made


def test_a_search_is_stored_with_its_vector_and_ranks(tmp_path: Path) -> None:
    metrics, store = Metrics(), Held(tmp_path)
    store.free.set()
    running = collector(store, metrics, seconds=60)
    running.offer(CORPUS, answer(), VECTOR)
    running.offer(CORPUS, answer("x" * 20_000, results=0), None)
    running.offer(CORPUS, answer(None), VECTOR)  # by papers, without words
    running.stop()
    first, second = store.read()
    assert (first.query, first.ids, first.category, first.unknown) == ("graph networks", ["p0", "p1"], "cs.LG", 0.25)
    assert first.embedding is not None
    assert first.embedding.tolist() == VECTOR.astype(np.float16).tolist()
    assert (len(second.query), second.ids, second.category, second.embedding) == (LONGEST, [], None, None)
    assert collected(metrics, "stored") == 2


def test_a_full_queue_drops_and_counts_without_waiting(tmp_path: Path) -> None:
    metrics, store = Metrics(), Held(tmp_path)
    running = collector(store, metrics, waiting=3, part=1)
    for _ in range(20):
        running.offer(CORPUS, answer(), VECTOR)
    dropped = collected(metrics, "dropped")
    assert dropped >= 16  # three wait, and one is being written
    store.free.set()
    running.stop()
    assert collected(metrics, "stored") == 20 - dropped == len(list(store.read()))


def test_a_failure_is_counted_and_the_next_part_is_stored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    metrics, store = Metrics(), Held(tmp_path)
    store.fails = True
    store.free.set()
    running = collector(store, metrics, part=1, seconds=60)
    running.offer(CORPUS, answer(), VECTOR)
    running.offer(CORPUS, answer(), VECTOR)
    while collected(metrics, "failed") < 2:
        threading.Event().wait(0.01)
    assert [record.message for record in caplog.records] == ["the disk is full"]
    store.fails = False
    running.offer(CORPUS, answer(), VECTOR)
    running.stop()
    assert collected(metrics, "stored") == 1


def test_the_sample_is_of_first_pages_in_words(tmp_path: Path) -> None:
    drawn = iter([0.09, 0.11])
    one = Collector(Held(tmp_path), Metrics(), 0.1, draw=lambda: next(drawn))
    assert one.draws(WANTED)
    assert not one.draws(WANTED)
    assert not one.draws(SearchRequest(like=("p1",)))
    assert not one.draws(SearchRequest(text="graphs", offset=10))
