"""Compare index searches at equal recall: every system in a process of its own, measured in turns."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import Message, Worker
from benchmarks.report import Row
from benchmarks.retrieval.exact import exact_neighbours, mean_recall
from benchmarks.retrieval.shards import queries
from benchmarks.retrieval.systems import OURS, Akin, OperatingPoint, system_of

AKIN, REFERENCE = OURS
ALLOWANCE = 0.005
"""A system whose recall is lower than the reference's by at most this counts as its equal."""

THREADS = 2
_TRIES = 2
_SINGLE = 300
_ROUND_S = 3.0
_LEAST_QUERIES = 100
# Settings of OpenBLAS's kernels and blocks; they would slow some systems and not the others.
_UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@dataclass
class SystemResult:
    """Measurements of one system.

    Attributes:
        name: The system.
        build_s: Seconds for building its index with `THREADS` threads.
        file_mb: The size of its index on disk.
        curve: (point, recall@10, queries/s) of each operating point that was tried.
        point: The operating point for the comparison.
        recall: Recall@10 at that point.
        queries: The number of queries in a round.
        qps: Queries/s of each round, all queries in one call.
        single_qps: Queries/s of each round, one query after the other.
        p50_ms: Median of each round of single queries.
        p95_ms: 95th percentile of each round of single queries.
        memory_mb: Resident memory after the last round, less that of the process before it opened the index.
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


def build_system(name: str, python: Path, folder: Path, count: int, indexes: Path) -> SystemResult:
    """Build a system's index of the first `count` vectors, unless it exists.

    Raises:
        WorkerFailed: The index cannot be built.
    """
    record = _index(indexes, name, folder, count).with_suffix(".json")
    if not record.exists():
        with closing(_start(python, "build", name, folder, count, indexes)) as worker:
            record.write_text(json.dumps(worker.await_ready()))
    return SystemResult(name, **json.loads(record.read_text()))


def compare_systems(
    results: list[SystemResult],
    pythons: Callable[[str], Path],
    folder: Path,
    count: int,
    indexes: Path,
    rounds: int,
    say: Callable[[str], None],
) -> None:
    """Find every system's operating point, then measure the systems in turns; fill in the results.

    The reference comes first among the results: its recall is the target of the others.

    Raises:
        WorkerFailed: A system's process ended.
    """
    truth = exact_neighbours(folder, count)
    with ExitStack() as stack:
        workers = []
        for result in results:
            worker = _start(pythons(result.name), "serve", result.name, folder, count, indexes)
            stack.callback(worker.close)
            worker.await_ready()
            workers.append(worker)
        target = 0.0
        for result, worker in zip(results, workers, strict=True):
            choose_point(result, worker, truth, target)
            target = target or result.recall - ALLOWANCE
            say(f"{result.name}: recall {result.recall:.4f} at {result.point}")
        for _ in range(rounds):
            for result, worker in zip(results, workers, strict=True):
                answer = _search(worker, result.point, result.queries)
                result.qps.append(result.queries / answer["seconds"])
                singles = min(_SINGLE, result.queries)
                answer = _search(worker, result.point, singles, single=True)
                result.single_qps.append(singles / answer["seconds"])
                result.p50_ms.append(answer["p50_ms"])
                result.p95_ms.append(answer["p95_ms"])
                result.memory_mb = answer["memory_mb"]


def choose_point(result: SystemResult, worker: Worker, truth: NDArray[np.int64], target: float) -> None:
    """Try operating points; take the fastest of those that reach the target, or the one with the highest recall."""
    for point in worker.first["points"]:
        seconds = []
        for _ in range(_TRIES):
            answer = _search(worker, point, len(truth), found=True)
            seconds.append(answer["seconds"])
        result.curve.append((point, mean_recall(np.array(answer["found"]), truth), len(truth) / min(seconds)))
        # Points with one parameter are ordered from the fastest to the best: all later ones are slower.
        if len(point) == 1 and result.curve[-1][1] >= target:
            break
    good = [found for found in result.curve if found[1] >= target]
    result.point, result.recall, qps = (
        max(good, key=lambda found: found[2]) if good else max(result.curve, key=lambda found: found[1])
    )
    result.queries = int(min(len(truth), max(_LEAST_QUERIES, qps * _ROUND_S)))


def result_rows(results: Iterable[SystemResult], dataset: str) -> list[Row]:
    """Return the figures of every system as rows: medians over the rounds."""
    found = []
    for result in results:
        figures = [
            ("recall_at_10", round(result.recall, 4), ""),
            ("qps", statistics.median(result.qps), "1/s"),
            ("qps_spread", (max(result.qps) - min(result.qps)) / statistics.median(result.qps), ""),
            ("qps_one_by_one", statistics.median(result.single_qps), "1/s"),
            ("p50_ms", statistics.median(result.p50_ms), "ms"),
            ("p95_ms", statistics.median(result.p95_ms), "ms"),
            ("memory_mb", result.memory_mb, "MB"),
            ("file_mb", result.file_mb, "MB"),
            ("build_s", result.build_s, "s"),
        ]
        found += [Row(result.name, dataset, metric, round(value, 4), unit) for metric, value, unit in figures]
    ours, theirs = (next((result for result in results if result.name == name), None) for name in OURS)
    if ours and theirs:
        ratio = statistics.median(a / b for a, b in zip(ours.qps, theirs.qps, strict=True))
        found.append(Row(AKIN, dataset, "qps_ratio", round(ratio, 3)))
        found.append(Row(AKIN, dataset, "memory_ratio", round(ours.memory_mb / theirs.memory_mb, 3)))
    return found


def _start(python: Path, action: str, name: str, folder: Path, count: int, indexes: Path) -> Worker:
    index = _index(indexes, name, folder, count)
    environment = {key: value for key, value in os.environ.items() if key not in _UNSET}
    environment |= {"OMP_NUM_THREADS": str(THREADS), "PYTHONUNBUFFERED": "1"}
    arguments: list[str | Path] = [action, name, folder, str(count), index, str(THREADS)]
    command: list[str | Path] = [python, "-m", "benchmarks.retrieval.worker", *arguments]
    return Worker(name, command, environment, index.with_suffix(".log"))


def _search(worker: Worker, point: OperatingPoint, count: int, *, single: bool = False, found: bool = False) -> Message:
    """Search for the first `count` queries at an operating point."""
    return worker.ask({"point": point, "queries": count, "single": single, "found": found})


def _index(indexes: Path, name: str, folder: Path, count: int) -> Path:
    system = system_of(name)
    # The recipe of `akin` may change: an index of another recipe must not be measured under its name.
    whole = f"{name} {system.recipe(count, queries(folder).shape[1]).factory}" if isinstance(system, Akin) else name
    stem = "".join(c if c.isalnum() else "-" for c in whole)
    return indexes / f"{stem}-{count}.{'db' if name == 'milvus-lite' else 'index'}"
