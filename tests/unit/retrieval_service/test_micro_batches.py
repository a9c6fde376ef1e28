from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from time import monotonic
from typing import Any

import numpy as np
import pytest

from retrieval_service.adapters.micro_batches import MicroBatches
from retrieval_service.deadline import deadline
from retrieval_service.errors import DeadlineExceeded


class Slow:
    """A search whose rows are each vector's first number; records its calls, and waits for `gate`."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int, int | None]] = []
        self.threads: set[int] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.failing = False

    def __call__(self, vectors: Any, k: int, nprobe: int | None) -> Any:
        self.gate.wait(5)
        self.threads.add(threading.get_ident())
        self.batches.append((len(vectors), k, nprobe))
        if self.failing:
            raise RuntimeError("out of memory on device")
        rows = vectors[:, :1].astype(np.int64) + np.arange(k)
        rows[:, 3:] = -1
        return np.zeros(rows.shape, np.float32), rows


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def batches(slow: Slow) -> Iterator[MicroBatches]:
    made = MicroBatches(slow, most=8)
    yield made
    slow.gate.set()
    made.close()


def vector(number: int) -> Any:
    return np.asarray([number, 0.0], np.float32)


def test_every_caller_gets_its_own_answer_from_one_thread(slow: Slow, batches: MicroBatches) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: batches.search(vector(10 * n), 1 + n % 5).rows.tolist(), range(200)))
    assert answers == [[10 * n + at for at in range(min(3, 1 + n % 5))] for n in range(200)]
    assert len(slow.threads) == 1


def test_queued_queries_are_searched_together_up_to_a_limit(slow: Slow, batches: MicroBatches) -> None:
    slow.gate.clear()
    with ThreadPoolExecutor(21) as pool:
        first = pool.submit(batches.search, vector(0), 1)
        while batches._waiting:
            pass
        others = [pool.submit(batches.search, vector(n), 2) for n in range(20)]
        while len(batches._waiting) < 20:
            pass
        slow.gate.set()
        assert first.result(5).rows.tolist() == [0]
        assert [other.result(5).rows.tolist() for other in others] == [[n, n + 1] for n in range(20)]
    assert [size for size, _, _ in slow.batches] == [1, 8, 8, 4]


def test_another_nprobe_is_another_batch(slow: Slow, batches: MicroBatches) -> None:
    slow.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(batches.search, vector(n), 1, 4 + n % 2) for n in range(6)]
        slow.gate.set()
        assert [answer.result(5).rows.tolist() for answer in asked] == [[n] for n in range(6)]
    assert {nprobe for _, _, nprobe in slow.batches} == {4, 5}
    assert sum(size for size, _, _ in slow.batches) == 6


def test_another_depth_is_another_batch(slow: Slow, batches: MicroBatches) -> None:
    slow.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(batches.search, vector(n), 1 + n % 2) for n in range(6)]
        while len(batches._waiting) < 5:
            pass
        slow.gate.set()
        assert [len(answer.result(5).rows) for answer in asked] == [1, 2] * 3
    assert sum(size for size, k, _ in slow.batches if k == 1) == 3


def test_a_query_that_waits_at_its_deadline_is_not_searched(slow: Slow, batches: MicroBatches) -> None:
    slow.gate.clear()
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(batches.search, vector(0), 1)
        while batches._waiting:
            pass
        with deadline(monotonic() + 0.02):
            late = [pool.submit(copy_context().run, batches.search, vector(n), 1) for n in (1, 2)]
        for each in late:
            with pytest.raises(DeadlineExceeded):
                each.result(5)
        slow.gate.set()
        assert first.result(5).rows.tolist() == [0]
        assert batches.search(vector(3), 1).rows.tolist() == [3]
    assert sum(size for size, _, _ in slow.batches) == 2


def test_a_failure_reaches_only_the_callers_of_its_batch(slow: Slow, batches: MicroBatches) -> None:
    slow.failing = True
    with pytest.raises(RuntimeError, match="out of memory"):
        batches.search(vector(1), 1)
    slow.failing = False
    assert batches.search(vector(1), 1).rows.tolist() == [1]


def test_after_closing_queries_are_refused(slow: Slow) -> None:
    batches = MicroBatches(slow)
    batches.close()
    with pytest.raises(RuntimeError, match="closed"):
        batches.search(vector(1), 1)
