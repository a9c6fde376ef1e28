"""One system in a process of its own.

`python -m benchmarks.retrieval.worker build|serve SYSTEM FOLDER COUNT INDEX THREADS`

`build` makes the index and says how long it took. `serve` opens it and answers commands, a JSON object a line:
`{"point": …, "queries": n, "single": bool}` searches the first n queries, in one call or one by one, and says how long
it took, what was found, and what memory is resident.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.retrieval.shards import queries
from benchmarks.retrieval.systems import VectorSystem, resident_mb
from benchmarks.retrieval.systems import system as system_of


def main() -> None:
    """Does one of the two."""
    action, name, folder, count, index, threads = sys.argv[1:]
    system = system_of(name)
    path = Path(index)
    if action == "build":
        started = time.perf_counter()
        system.build(Path(folder), int(count), path, int(threads))
        took = time.perf_counter() - started
        answer({"build_s": took, "file_mb": size_mb(path)})
    else:
        serve(system, Path(folder), int(count), path, int(threads))


def serve(system: VectorSystem, folder: Path, count: int, path: Path, threads: int) -> None:
    """Answers commands until there are no more."""
    asked = queries(folder)
    importlib.import_module(system.library)
    before = resident_mb()
    started = time.perf_counter()
    system.open(path, count, asked.shape[1], threads)
    answer({"open_s": time.perf_counter() - started, "points": system.points})
    for line in sys.stdin:
        command = json.loads(line)
        some = asked[: command["queries"]]
        times: list[float] = []
        started = time.perf_counter()
        if command["single"]:
            found = np.empty((len(some), 10), np.int64)
            for place in range(len(some)):
                one = time.perf_counter()
                found[place] = system.search(some[place : place + 1], command["point"])[0]
                times.append(time.perf_counter() - one)
        else:
            found = system.search(some, command["point"])
        took = time.perf_counter() - started
        answer(
            {
                "seconds": took,
                "p50_ms": float(np.percentile(times, 50) * 1000) if times else None,
                "p95_ms": float(np.percentile(times, 95) * 1000) if times else None,
                "memory_mb": resident_mb() - before,
                "found": found.tolist() if command.get("found") else None,
            }
        )


def size_mb(path: Path) -> float:
    """What a file, or all files of a folder, take."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def answer(message: dict[str, object]) -> None:
    """A line for whoever asked."""
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
