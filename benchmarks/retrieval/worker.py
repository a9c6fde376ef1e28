"""Build or search the index of one system, on orders from the benchmark.

`python -m benchmarks.retrieval.worker build|serve SYSTEM FOLDER COUNT INDEX THREADS`

`build` makes the index and sends the time that it took. `serve` opens it and answers orders:
`{"point": …, "queries": n, "single": bool, "found": bool}` searches for the first n queries, in one call or one by one;
the answer has the time, the rows if they are wanted, and the resident memory.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.processes import Message, open_answers, orders, resident, tree
from benchmarks.retrieval.shards import queries
from benchmarks.retrieval.systems import VectorSystem, system_of


def main() -> None:
    """Build or serve."""
    answer = open_answers()
    action, name, folder, count, index, threads = sys.argv[1:]
    system = system_of(name)
    path = Path(index)
    if action == "build":
        started = time.perf_counter()
        system.build(Path(folder), int(count), path, int(threads))
        took = time.perf_counter() - started
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        answer({"build_s": took, "file_mb": sum(file.stat().st_size for file in files) / 1e6})
    else:
        serve(system, Path(folder), int(count), path, int(threads), answer)


def serve(
    system: VectorSystem, folder: Path, count: int, path: Path, threads: int, answer: Callable[[Message], None]
) -> None:
    """Open the index and carry out orders until there are no more."""
    vectors = queries(folder)
    importlib.import_module(system.library)
    before = memory_mb()
    started = time.perf_counter()
    system.open(path, count, vectors.shape[1], threads)
    answer({"open_s": time.perf_counter() - started, "points": system.points})
    for order in orders():
        some = vectors[: order["queries"]]
        times: list[float] = []
        started = time.perf_counter()
        if order["single"]:
            found = np.empty((len(some), 10), np.int64)
            for place in range(len(some)):
                one = time.perf_counter()
                found[place] = system.search(some[place : place + 1], order["point"])[0]
                times.append(time.perf_counter() - one)
        else:
            found = system.search(some, order["point"])
        took = time.perf_counter() - started
        answer(
            {
                "seconds": took,
                "p50_ms": float(np.percentile(times, 50) * 1000) if times else None,
                "p95_ms": float(np.percentile(times, 95) * 1000) if times else None,
                "memory_mb": memory_mb() - before,
                "found": found.tolist() if order.get("found") else None,
            }
        )


def memory_mb() -> float:
    """Return the resident memory of this process and its children."""
    return resident(tree(os.getpid())) / 1e6


if __name__ == "__main__":
    main()
