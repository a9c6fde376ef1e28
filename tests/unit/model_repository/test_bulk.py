"""Test the bulk work of `text_encoder`. The module is loaded by its path, as Triton does."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

BULK = Path(__file__).parents[3] / "model_repository/text_encoder/bulk.py"


@pytest.fixture(scope="module")
def bulk() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("akin_bulk_under_test", BULK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


class Lengths:
    """Encoder whose vector of a text is its length; `gate` blocks it, `seen` records its texts."""

    dim = 1

    def __init__(self, *, open_gate: bool = True) -> None:
        self.gate = threading.Event()
        self.seen: list[list[str]] = []
        self.broken = False
        if open_gate:
            self.gate.set()

    def tokenize(self, texts: list[str]) -> Any:
        assert self.gate.wait(10)
        self.seen.append(list(texts))
        return SimpleNamespace(ids=texts, counts=np.array([len(text) for text in texts], np.int32))

    def run_all(self, tokenized: Any) -> Iterator[tuple[list[int], np.ndarray[Any, Any]]]:
        order = sorted(range(len(tokenized.ids)), key=lambda at: len(tokenized.ids[at]))
        for members in (order[at : at + 3] for at in range(0, len(order), 3)):
            if self.broken:
                raise RuntimeError("out of order")
            yield members, np.array([[len(tokenized.ids[member])] for member in members], np.float32)


class Client:
    """Client with one job, which records the result."""

    def __init__(
        self, bulk: ModuleType, *texts: str, seconds: float | None = None, gone: bool = False, urgent: bool = False
    ) -> None:
        self.answered = threading.Event()
        self.lengths: list[float] | None = None
        self.failure: tuple[str, bool] | None = None
        self.job = bulk.EncodeJob(list(texts), self.answer, self.fail, lambda: gone, seconds, urgent)

    def answer(self, vectors: np.ndarray[Any, Any], tokens: np.ndarray[Any, Any]) -> None:
        assert self.lengths is None
        assert vectors[:, 0].tolist() == tokens.tolist()
        self.lengths = tokens.tolist()
        self.answered.set()

    def fail(self, reason: str, again: bool) -> None:
        assert self.lengths is None
        assert self.failure is None
        self.failure = (reason, again)
        self.answered.set()


def offered(queue: Any, *clients: Client) -> None:
    for client in clients:
        queue.offer(client.job)


def test_each_job_gets_its_own_vectors_in_its_own_order(bulk: ModuleType) -> None:
    encoder = Lengths(open_gate=False)
    queue = bulk.BulkQueue(lambda: encoder, most_bytes=1000)
    clients = [Client(bulk, "aaaa", "b", "cc"), Client(bulk, "d" * 9), Client(bulk, "ee", "fffff")]
    offered(queue, *clients)
    encoder.gate.set()
    queue.close()
    assert [client.lengths for client in clients] == [[4, 1, 2], [9], [2, 5]]


def test_waiting_jobs_are_encoded_together_up_to_a_group(bulk: ModuleType) -> None:
    encoder = Lengths(open_gate=False)
    queue = bulk.BulkQueue(lambda: encoder, most_bytes=100_000)
    first = Client(bulk, "x")
    offered(queue, first)
    waiting = [Client(bulk, *["y"] * 100) for _ in range(3)]
    offered(queue, *waiting)
    encoder.gate.set()
    queue.close()
    assert all(client.lengths for client in [first, *waiting])
    assert max(map(len, encoder.seen)) <= bulk.GROUP_TEXTS
    assert len(encoder.seen) <= 3


def test_a_full_queue_refuses_at_once_and_accepts_again_later(bulk: ModuleType) -> None:
    encoder = Lengths(open_gate=False)
    queue = bulk.BulkQueue(lambda: encoder, most_bytes=10)
    taken, refused = Client(bulk, "x" * 8), Client(bulk, "y" * 8)
    offered(queue, taken, refused)
    assert refused.failure is not None
    assert "8 bytes of text already wait" in refused.failure[0]
    assert refused.failure[1]
    encoder.gate.set()
    assert taken.answered.wait(10)
    later = Client(bulk, "z" * 8)
    while not later.lengths:
        later = Client(bulk, "z" * 8)
        offered(queue, later)
        assert later.answered.wait(10)
    queue.close()


def test_a_job_larger_than_the_queue_is_accepted_if_the_queue_is_empty(bulk: ModuleType) -> None:
    queue = bulk.BulkQueue(Lengths, most_bytes=10)
    client = Client(bulk, "x" * 50)
    offered(queue, client)
    queue.close()
    assert client.lengths == [50]


def test_work_that_cannot_be_done_in_time_is_refused_at_once(bulk: ModuleType) -> None:
    encoder = Lengths(open_gate=False)
    queue = bulk.BulkQueue(lambda: encoder, most_bytes=10_000_000)
    offered(queue, Client(bulk, "x" * 2_000_000))
    impatient, patient = Client(bulk, "y", seconds=0.5), Client(bulk, "z", seconds=600)
    offered(queue, impatient, patient)
    assert impatient.failure is not None
    assert "its client waits for 0.5 s" in impatient.failure[0]
    encoder.gate.set()
    queue.close()
    assert patient.lengths == [1]


def test_cancelled_and_late_jobs_are_dropped_before_they_are_computed(bulk: ModuleType) -> None:
    encoder = Lengths(open_gate=False)
    queue = bulk.BulkQueue(lambda: encoder, most_bytes=1000)
    blocker = Client(bulk, "blocker")
    offered(queue, blocker)
    gone, late, wanted = Client(bulk, "gone", gone=True), Client(bulk, "late", seconds=5), Client(bulk, "wanted")
    offered(queue, gone, late, wanted)
    late.job.offered -= 60
    encoder.gate.set()
    queue.close()
    assert gone.failure is not None
    assert gone.failure[1] is False
    assert late.failure is not None
    assert late.failure[1] is True
    assert wanted.lengths == [6]
    assert not {"gone", "late"} & {text for texts in encoder.seen for text in texts}


def test_a_failure_reaches_every_client_once_and_the_thread_continues(bulk: ModuleType) -> None:
    encoder = Lengths()
    encoder.broken = True
    queue = bulk.BulkQueue(lambda: encoder, most_bytes=1000)
    client = Client(bulk, "a", "b")
    offered(queue, client)
    assert client.answered.wait(10)
    assert client.failure == ("encoding failed: out of order", False)
    encoder.broken = False
    again = Client(bulk, "abc")
    offered(queue, again)
    queue.close()
    assert again.lengths == [3]


def test_queries_go_first_and_wait_in_a_limited_queue(bulk: ModuleType) -> None:
    encoder = Lengths(open_gate=False)
    queue = bulk.BulkQueue(lambda: encoder, most_bytes=1000, most_urgent=2)
    offered(queue, Client(bulk, "blocker"))
    while queue._jobs:
        pass
    slow, *people = Client(bulk, "slow"), *(Client(bulk, f"person{n}", urgent=True) for n in range(3))
    offered(queue, slow, *people)
    assert people[2].failure is not None
    assert "2 queries already wait" in people[2].failure[0]
    encoder.gate.set()
    queue.close()
    assert encoder.seen == [["blocker"], ["person0", "person1"], ["slow"]]


def test_queries_that_would_wait_too_long_are_refused_at_once(bulk: ModuleType) -> None:
    encoder = Lengths(open_gate=False)
    queue = bulk.BulkQueue(lambda: encoder, most_bytes=1000)
    offered(queue, Client(bulk, "blocker"))
    while queue._jobs:
        pass
    ahead, late = (Client(bulk, "x" * 150_000, seconds=1, urgent=True) for _ in range(2))
    offered(queue, ahead, late)
    assert late.failure is not None
    assert "would take about 1.5 s" in late.failure[0]
    encoder.gate.set()
    queue.close()
    assert ahead.lengths == [150_000]


def test_dropped_jobs_do_not_change_the_measured_speed(bulk: ModuleType) -> None:
    queue = bulk.BulkQueue(Lengths, most_bytes=1_000_000)
    before = queue._pace
    for _ in range(4):
        gone = Client(bulk, "x" * 100_000, gone=True)
        offered(queue, gone)
        assert gone.answered.wait(10)
    queue.close()
    assert queue._pace == before


def test_several_threads_share_the_waiting_jobs(bulk: ModuleType) -> None:
    encoders: list[Lengths] = []

    def make() -> Lengths:
        encoders.append(Lengths(open_gate=False))
        return encoders[-1]

    queue = bulk.BulkQueue(make, threads=2, most_bytes=100_000)
    busy = [Client(bulk, "x"), Client(bulk, "x")]
    offered(queue, *busy)
    while len(encoders) < 2:
        pass
    waiting = [Client(bulk, *["y"] * 32) for _ in range(2)]
    offered(queue, *waiting)
    for encoder in encoders:
        encoder.gate.set()
    queue.close()
    assert all(client.lengths for client in [*busy, *waiting])
    assert max(len(texts) for encoder in encoders for texts in encoder.seen) == 32


def test_a_thread_takes_the_first_job_however_large(bulk: ModuleType) -> None:
    queue = bulk.BulkQueue(Lengths, threads=2, most_bytes=100_000)
    client = Client(bulk, *["y"] * (bulk.GROUP_TEXTS + 1))
    offered(queue, client)
    queue.close()
    assert client.lengths


class Unreachable(Client):
    """Client to which nothing can be sent."""

    def answer(self, vectors: np.ndarray[Any, Any], tokens: np.ndarray[Any, Any]) -> None:
        raise RuntimeError("the request is gone")

    def fail(self, reason: str, again: bool) -> None:
        super().fail(reason, again)
        raise RuntimeError("the request is gone")


@pytest.mark.parametrize("urgent", [False, True])
def test_an_answer_that_cannot_be_sent_fails_only_its_job(bulk: ModuleType, urgent: bool) -> None:
    encoder = Lengths(open_gate=False)
    queue = bulk.BulkQueue(lambda: encoder, most_bytes=1000)
    offered(queue, Client(bulk, "blocker"))
    while queue._jobs:
        pass
    clients = [Client(bulk, "a"), Unreachable(bulk, "bb"), Client(bulk, "ccc"), Client(bulk, "dddd")]
    for client in clients:
        client.job.urgent = urgent
    offered(queue, *clients)
    encoder.gate.set()
    for client in clients:
        assert client.answered.wait(10)
    later = Client(bulk, "later")
    offered(queue, later)
    queue.close()
    assert [client.lengths for client in (*clients, later)] == [[1], None, [3], [4], [5]]
    assert clients[1].failure == ("the answer could not be sent: the request is gone", False)
    assert [client.failure for client in (clients[0], *clients[2:])] == [None] * 3
    assert ["a", "bb", "ccc", "dddd"] in encoder.seen


@pytest.mark.parametrize("why", ["gone", "late", "broken", "full"])
def test_a_failure_that_cannot_be_sent_fails_only_its_job(bulk: ModuleType, why: str) -> None:
    encoder = Lengths(open_gate=False)
    queue = bulk.BulkQueue(lambda: encoder, most_bytes=15)
    offered(queue, Client(bulk, "blocker"))
    while queue._jobs:
        pass
    untold = Unreachable(bulk, "x" * (20 if why == "full" else 1), gone=why == "gone", seconds=5)
    beside = Client(bulk, "yy")
    offered(queue, untold, beside)
    if why == "late":
        untold.job.offered -= 60
    encoder.broken = why == "broken"
    encoder.gate.set()
    assert untold.answered.wait(10)
    assert beside.answered.wait(10)
    encoder.broken = False
    later = Client(bulk, "later")
    offered(queue, later)
    queue.close()
    assert untold.failure is not None
    assert beside.lengths == (None if why == "broken" else [2])
    assert later.lengths == [5]


def test_a_client_whose_cancellation_cannot_be_checked_is_answered(bulk: ModuleType) -> None:
    def cancelled() -> bool:
        raise RuntimeError("the request is gone")

    encoder = Lengths()
    queue = bulk.BulkQueue(lambda: encoder, most_bytes=1000)
    clients = [Client(bulk, "a"), Client(bulk, "bb")]
    clients[0].job.cancelled = cancelled
    offered(queue, *clients)
    queue.close()
    assert [client.lengths for client in clients] == [[1], [2]]


def test_a_text_that_cannot_be_encoded_fails_its_own_job_only(bulk: ModuleType) -> None:
    class Picky(Lengths):
        def tokenize(self, texts: list[str]) -> Any:
            found = super().tokenize(texts)
            if "bad" in texts:
                raise RuntimeError("no such letter")
            return found

    encoder = Picky(open_gate=False)
    queue = bulk.BulkQueue(lambda: encoder, most_bytes=1000)
    clients = [Client(bulk, text) for text in ("blocker", "good", "bad", "better")]
    offered(queue, *clients)
    encoder.gate.set()
    queue.close()
    assert [client.lengths for client in clients] == [[7], [4], None, [6]]
    assert clients[2].failure == ("encoding failed: no such letter", False)
