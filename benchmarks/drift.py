"""Measure how often the report of drift is wrong: false alarms on halves of the same titles, and shifts that it finds.

The encoder's vectors are made in Triton's Python, without a server, and kept in `data/benchmarks/drift`. No corpus is
searched, so the features that need one (category, score, results, unknown terms) take no part.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, thread_time
from types import SimpleNamespace
from typing import Any

import numpy as np

from akin.cli.output import say
from akin.collection.store import CollectedSearch, CollectionStore
from akin.drift.compare import LEVEL, Window, compare
from akin.papers import read_papers
from akin.papers.reservoir import Reservoir
from akin.registry import versions
from akin.relevance import read_collections
from akin.stack_settings import ROOT, Settings
from benchmarks.report import Row, rows_table, write_rows
from retrieval_service.collection.keeping import Collector
from retrieval_service.metrics import Metrics

RUNS, PERMUTATIONS = 200, 200
SIZES = (100, 225)
SHARES = (0.1, 0.25, 0.5, 1.0)
"""Shares of the current window that are queries of the other domain."""
_ENCODE = """
import sys, numpy
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from runtime import TextEncoder
texts = Path(sys.argv[3]).read_text("utf-8").split("\\0")
encoder = TextEncoder(Path(sys.argv[2]), threads=2)
vectors = [encoder.encode(texts[start:start + 256])[0] for start in range(0, len(texts), 256)]
numpy.save(sys.argv[4], numpy.concatenate(vectors).astype("float16"))
"""


def main() -> None:
    """Measure, print the table, and write it below `data/benchmarks/`."""
    parser = argparse.ArgumentParser(prog="make bench NAME=drift", description=__doc__)
    parser.add_argument("papers", help="a file of papers, whose titles are the reference")
    parser.add_argument("queries", type=Path, help="queries of another domain: a folder in BEIR's layout")
    parser.add_argument("--encoder", type=Path, help="folder of a version; by default the promoted one")
    parser.add_argument("--titles", type=int, default=3000, help="titles that are drawn")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="queries of each window")
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES, help="shares of the other domain")
    options = parser.parse_args()
    settings = Settings.read()
    folder = options.encoder or settings.repository / versions.MODEL / str(
        versions.promoted_version(settings.repository).number
    )
    drawn = Reservoir[str](options.titles)
    with read_papers(options.papers) as source:
        for paper in source:
            drawn.offer(paper.title)
    titles = drawn.items
    [collection] = read_collections([options.queries])
    kept = settings.data / "benchmarks" / "drift"
    home = searches(titles, vectors_of(titles, folder, settings, kept / "titles.npy"))
    foreign_texts = list(collection.queries.values())
    foreign = searches(foreign_texts, vectors_of(foreign_texts, folder, settings, kept / f"{collection.name}.npy"))
    rows = [row for size in options.sizes for row in rates(home, foreign, size, options.shares)] + cost_rows(home[:500])
    path = write_rows("drift", rows, settings.data / "benchmarks", runs=RUNS, permutations=PERMUTATIONS, level=LEVEL)
    print(rows_table(rows))
    say(f"written to {path} and {path.with_suffix('.md')}")


def vectors_of(texts: Sequence[str], folder: Path, settings: Settings, path: Path) -> np.ndarray:
    """Return the vectors of texts, which are made once."""
    if path.exists() and len(found := np.load(path)) == len(texts):
        return np.asarray(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        file.write("\0".join(texts))
        file.flush()
        python = settings.triton_home / "python" / "bin" / "python"
        code = ROOT / "model_repository" / versions.MODEL
        subprocess.run([python, "-c", _ENCODE, code, folder, file.name, path], check=True)
    return np.asarray(np.load(path))


def searches(texts: Sequence[str], vectors: np.ndarray) -> list[CollectedSearch]:
    """Return records as of searches that no corpus answered."""
    moment = datetime.now(UTC).replace(second=0, microsecond=0)
    unknown: dict[str, Any] = {
        **dict.fromkeys(("total_ms", "embed_ms", "vectors_ms", "lexical_ms"), 0.0),
        **dict.fromkeys(("tokens", "unknown", "category")),
    }
    return [
        CollectedSearch(
            time=moment,
            query=text,
            mode="dense",
            ids=[],
            scores=[],
            snapshot="",
            encoder="one",
            embedding=vector,
            **unknown,
        )
        for text, vector in zip(texts, vectors, strict=True)
    ]


def rates(
    home: Sequence[CollectedSearch], foreign: Sequence[CollectedSearch], size: int, shares: Sequence[float]
) -> list[Row]:
    """Return the shares of runs in which each test finds a difference, for windows of a size."""
    rows = []
    started = perf_counter()
    for name, share in [("halves", 0.0), *((f"{share:.0%} of another domain", share) for share in shares)]:
        found: dict[str, int] = dict.fromkeys(("any test", "MMD", "classifier", "words", "language"), 0)
        for run in range(RUNS):
            dice = random.Random(run)
            drawn = dice.sample(home, 2 * size)
            strangers = dice.sample(foreign, min(round(share * size), len(foreign)))
            current = [*strangers, *drawn[size + len(strangers) :]]
            report = compare(
                Window("a", drawn[:size]), Window("b", current), permutations=PERMUTATIONS, most=size, seed=run
            )
            assert report.mmd is not None
            assert report.classifier is not None
            found["any test"] += report.drift
            found["MMD"] += report.mmd.p <= LEVEL / 4
            found["classifier"] += report.classifier.p <= LEVEL / 4
            for each in report.features:
                if each.name in found:
                    found[each.name] += each.shifted
        rows += [Row(test, f"{name}, {size} queries each", "found", 100 * n / RUNS, "%") for test, n in found.items()]
    say(f"windows of {size}: {perf_counter() - started:.0f} s")
    return rows


def cost_rows(records: Sequence[CollectedSearch]) -> list[Row]:
    """Return what collecting costs: the time in a request, the time of the thread, and the bytes of a search."""
    metrics = Metrics()
    lexical = SimpleNamespace(unknown_share=lambda text: 0.0)
    corpus: Any = SimpleNamespace(lexical=lexical)
    results = [SimpleNamespace(id=f"2401.{n:05d}", score=0.5, categories=("cs.LG",)) for n in range(10)]
    timings = SimpleNamespace(total_ms=9.0, embed_ms=6.0, vectors_ms=1.0, lexical_ms=2.0)
    with tempfile.TemporaryDirectory() as folder:
        store = CollectionStore(Path(folder), days=30, most_bytes=1_000_000_000)
        collector = Collector(store, metrics, 1.0)
        spent = []
        for each in records:
            assert each.embedding is not None
            answer: Any = SimpleNamespace(
                query=SimpleNamespace(words=each.query, tokens=9), results=results, mode="hybrid", timings=timings,
                snapshot="s", encoder=SimpleNamespace(digest="d" * 64),
            )  # fmt: skip
            vector = each.embedding.astype(np.float32)
            started = perf_counter()
            collector.offer(corpus, answer, vector)
            spent.append(perf_counter() - started)
        started = thread_time()
        collector.start()
        collector.stop()
        written = list(store.read())
        began = thread_time()
        store.write(written)
        wrote = thread_time() - began
        size = store.stored().bytes / (2 * len(written))
    return [
        Row("collection", "one search", "median time in the request", 1e6 * float(np.median(spent)), "µs"),
        Row("collection", "one search", "time of the thread", 1e6 * wrote / len(written), "µs"),
        Row("collection", "one search", "size", size, "bytes"),
    ]
