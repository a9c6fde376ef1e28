"""Workers: lines of JSON in both directions beside other output, and an error with the end of their log."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.environment import ROOT
from benchmarks.processes import Worker, WorkerFailed, cpu_seconds, resident, tree

PROGRAM = """
from benchmarks.processes import open_answers, orders
answer = open_answers()
print("loading")
answer({"ready": True})
for order in orders():
    print("working")
    if order["n"] < 0:
        raise ValueError("a negative number")
    answer({"double": 2 * order["n"]})
"""


def worker(tmp_path: Path) -> Worker:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return Worker("doubler", [sys.executable, "-c", PROGRAM], environment, tmp_path / "logs" / "worker.log")


def test_orders_are_answered_and_prints_go_to_the_log(tmp_path: Path) -> None:
    with closing(worker(tmp_path)) as doubler:
        assert doubler.await_ready() == doubler.first == {"ready": True}
        assert [doubler.ask({"n": n})["double"] for n in (1, 2)] == [2, 4]
        assert doubler.pid in tree(os.getpid())
        assert resident([doubler.pid]) > 1_000_000
        assert cpu_seconds(doubler.pid) >= 0
    assert (tmp_path / "logs" / "worker.log").read_text().split() == ["loading", "working", "working"]
    assert (resident([doubler.pid]), cpu_seconds(doubler.pid)) == (0, 0)


def test_a_worker_that_fails_gives_the_end_of_its_log(tmp_path: Path) -> None:
    with closing(worker(tmp_path)) as doubler:
        doubler.await_ready()
        with pytest.raises(WorkerFailed, match=r"doubler has ended(.|\n)*a negative number"):
            doubler.ask({"n": -1})
        with pytest.raises(WorkerFailed):
            doubler.ask({"n": 1})
