"""Index search side by side: every system in a process of its own, measured in turns, compared at equal recall."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from akin.settings import ROOT
from benchmarks.report import Row
from benchmarks.retrieval.exact import nearest, recall
from benchmarks.retrieval.shards import queries
from benchmarks.retrieval.systems import OURS, Akin, OperatingPoint, system

AKIN, REFERENCE = OURS
ALLOWANCE = 0.005
"""A system may find so much less than the reference and still count as its equal."""

THREADS = 2
_TRIES = 2
_SINGLE = 300
_ROUND_S = 3.0
_LEAST_QUERIES = 100
# They tell OpenBLAS which kernels and blocks to use, and would slow one system and not the other.
_UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


class WorkerFailed(Exception):
    """A system's process ended before its answer; what it wrote last is the message."""


class Worker:
    """A system's process under measurement."""

    def __init__(self, python: Path, action: str, name: str, folder: Path, count: int, index: Path) -> None:
        """Starts it."""
        environment = {key: value for key, value in os.environ.items() if key not in _UNSET}
        environment |= {"OMP_NUM_THREADS": str(THREADS), "PYTHONUNBUFFERED": "1"}
        arguments: list[str | Path] = [action, name, folder, str(count), index, str(THREADS)]
        program: list[str | Path] = [python, "-m", "benchmarks.retrieval.worker", *arguments]
        self.name = name
        self._log = index.with_suffix(".log").open("w+")
        self._process = subprocess.Popen(
            program,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.first: dict[str, Any] = {}

    def __enter__(self) -> Self:
        """The worker itself, once it is ready."""
        try:
            self.first = self._answer()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends it."""
        self.close()

    def close(self) -> None:
        """Ends it."""
        self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]
        self._log.close()

    def run(self, point: OperatingPoint, count: int, *, single: bool = False, found: bool = False) -> dict[str, Any]:
        """Has it search the first `count` queries at an operating point."""
        command = {"point": point, "queries": count, "single": single, "found": found}
        self._process.stdin.write(json.dumps(command) + "\n")  # type: ignore[union-attr]
        self._process.stdin.flush()  # type: ignore[union-attr]
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        # A library may print on the way; an answer is the line that is an object.
        for line in self._process.stdout or ():
            if line.startswith("{"):
                return dict(json.loads(line))
        self._log.seek(0)
        last = self._log.read().strip().splitlines()[-3:]
        raise WorkerFailed(f"{self.name} gave up: {' | '.join(last) or f'code {self._process.wait()}'}")


@dataclass
class SystemResult:
    """What is known of one system.

    Attributes:
        name: The system.
        build_s: Seconds its index took, `THREADS` threads.
        file_mb: What it takes on disk.
        curve: (point, recall@10, queries/s) of each operating point tried.
        point: The one it is compared at.
        recall: Recall@10 there.
        queries: How many make up a round.
        qps: Of each round, all queries of a round in one call.
        single_qps: Of each round, one query after the other.
        p50_ms: Median of each round of single queries.
        p95_ms: 95th percentile of each round of single queries.
        memory_mb: Resident after the last round, above what the process took before it opened the index.
    """

    name: str
    build_s: float
    file_mb: float
    curve: list[tuple[OperatingPoint, float, float]] = field(default_factory=list)
    point: OperatingPoint = field(default_factory=dict)
    recall: float = 0.0
    queries: int = 0
    qps: list[float] = field(default_factory=list)
    single_qps: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p95_ms: list[float] = field(default_factory=list)
    memory_mb: float = 0.0


def build(name: str, python: Path, folder: Path, count: int, indexes: Path) -> SystemResult:
    """Builds a system's index of the first `count` vectors, unless it is there already.

    Raises:
        WorkerFailed: It could not be built.
    """
    indexes.mkdir(parents=True, exist_ok=True)
    index = _index(indexes, name, folder, count)
    record = index.with_suffix(".json")
    if not record.exists():
        with Worker(python, "build", name, folder, count, index) as worker:
            record.write_text(json.dumps(worker.first))
    return SystemResult(name, **json.loads(record.read_text()))


def compare(
    entries: list[SystemResult],
    pythons: Callable[[str], Path],
    folder: Path,
    count: int,
    indexes: Path,
    rounds: int,
    say: Callable[[str], None],
) -> None:
    """Finds every system's operating point, then measures them all in turns; fills in the entries.

    The reference comes first among the entries: the others' points are chosen by its recall.

    Raises:
        WorkerFailed: A system's process ended.
    """
    truth = nearest(folder, count)
    with _Workers(entries, pythons, folder, count, indexes) as workers:
        target = 0.0
        for entry, worker in workers:
            choose(entry, worker, truth, target)
            target = target or entry.recall - ALLOWANCE
            say(f"{entry.name}: {entry.point} finds {entry.recall:.4f}")
        for _ in range(rounds):
            for entry, worker in workers:
                answer = worker.run(entry.point, entry.queries)
                entry.qps.append(entry.queries / answer["seconds"])
                singles = min(_SINGLE, entry.queries)
                answer = worker.run(entry.point, singles, single=True)
                entry.single_qps.append(singles / answer["seconds"])
                entry.p50_ms.append(answer["p50_ms"])
                entry.p95_ms.append(answer["p95_ms"])
                entry.memory_mb = answer["memory_mb"]


def choose(entry: SystemResult, worker: Worker, truth: NDArray[np.int64], target: float) -> None:
    """Tries operating points and takes the quickest of those that meet the target; else the one nearest to it."""
    for point in worker.first["points"]:
        seconds = []
        for _ in range(_TRIES):
            answer = worker.run(point, len(truth), found=True)
            seconds.append(answer["seconds"])
        entry.curve.append((point, recall(np.array(answer["found"]), truth), len(truth) / min(seconds)))
        # With one parameter, points come from the quickest to the best: whatever follows is slower.
        if len(point) == 1 and entry.curve[-1][1] >= target:
            break
    good = [found for found in entry.curve if found[1] >= target]
    entry.point, entry.recall, qps = (
        max(good, key=lambda found: found[2]) if good else max(entry.curve, key=lambda found: found[1])
    )
    entry.queries = int(min(len(truth), max(_LEAST_QUERIES, qps * _ROUND_S)))


def result_rows(entries: Iterable[SystemResult], dataset: str) -> list[Row]:
    """The figures of every system: medians over the rounds."""
    found = []
    for entry in entries:
        figures = [
            ("recall_at_10", round(entry.recall, 4), ""),
            ("qps", statistics.median(entry.qps), "1/s"),
            ("qps_spread", (max(entry.qps) - min(entry.qps)) / statistics.median(entry.qps), ""),
            ("qps_one_by_one", statistics.median(entry.single_qps), "1/s"),
            ("p50_ms", statistics.median(entry.p50_ms), "ms"),
            ("p95_ms", statistics.median(entry.p95_ms), "ms"),
            ("memory_mb", entry.memory_mb, "MB"),
            ("file_mb", entry.file_mb, "MB"),
            ("build_s", entry.build_s, "s"),
        ]
        found += [Row(entry.name, dataset, metric, round(value, 4), unit) for metric, value, unit in figures]
    ours, theirs = (next((entry for entry in entries if entry.name == name), None) for name in OURS)
    if ours and theirs:
        ratio = statistics.median(a / b for a, b in zip(ours.qps, theirs.qps, strict=True))
        found.append(Row(AKIN, dataset, "qps_ratio", round(ratio, 3)))
        found.append(Row(AKIN, dataset, "memory_ratio", round(ours.memory_mb / theirs.memory_mb, 3)))
    return found


class _Workers(list[tuple[SystemResult, Worker]]):
    def __init__(
        self, entries: list[SystemResult], pythons: Callable[[str], Path], folder: Path, count: int, indexes: Path
    ) -> None:
        super().__init__()
        self._how = (entries, pythons, folder, count, indexes)

    def __enter__(self) -> Self:
        entries, pythons, folder, count, indexes = self._how
        try:
            for entry in entries:
                index = _index(indexes, entry.name, folder, count)
                worker = Worker(pythons(entry.name), "serve", entry.name, folder, count, index)
                self.append((entry, worker.__enter__()))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, worker in self:
            worker.close()


def _index(indexes: Path, name: str, folder: Path, count: int) -> Path:
    made = system(name)
    # What `akin` is made by may change; another recipe's index must not be measured under its name.
    whole = f"{name} {made.recipe(count, queries(folder).shape[1]).factory}" if isinstance(made, Akin) else name
    stem = "".join(c if c.isalnum() else "-" for c in whole)
    return indexes / f"{stem}-{count}.{'db' if name == 'milvus-lite' else 'index'}"
