"""Measure searches over HTTP in snapshots of the collection's papers, with the load generator on the same cores."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from akin.papers import Paper
from akin.papers.readers import read_papers
from akin.stack import lifecycle, local_http, record
from akin.stack.processes import Child
from akin.stack_settings import Settings
from benchmarks.environment import LOADTESTS, ROOT
from benchmarks.processes import resident
from benchmarks.report import Row
from benchmarks.retrieval import catalogue
from benchmarks.retrieval.collection import TextCollection
from benchmarks.retrieval.update import ADDED, update_under_load
from benchmarks.stack import private_settings

LOADS = (("short", "hybrid", 100), ("short", "dense", 100), ("long", "hybrid", 120))
"""Requests, mode, and the highest p95 in ms at which a rate counts."""

USERS = 100

_ALONE = 200


def measure_over_http(
    collection: TextCollection, count: int, dataset: str, source: Path, seconds: int, say: Callable[[str], None]
) -> list[Row]:
    """Build a snapshot and serve it; measure build, start, memory, latency alone and by stage, and highest rates."""
    settings = private_settings("retrieval", str(count))
    started = time.monotonic()
    say(f"{dataset}: building a snapshot")
    manifest = catalogue.build_made_snapshot(collection, count, settings, f"{count:,} made papers", say)
    took = time.monotonic() - started
    rows = [
        Row("akin over HTTP", dataset, "snapshot_build_s", round(took, 1), "s"),
        Row("akin over HTTP", dataset, "snapshot_mb", sum(f.bytes for f in manifest.files.values()) / 1e6, "MB"),
    ]
    with run_service(settings, say) as ready_s:
        rows.append(Row("akin over HTTP", dataset, "ready_s", round(ready_s, 2), "s"))
        rows += measure_alone(settings, dataset, source)
        for requests, mode, limit_ms in LOADS:
            rows += highest_rate(settings, dataset, source, requests, mode, limit_ms, seconds)
        rows += many_users(settings, dataset, source, seconds)
        rows.append(Row("akin over HTTP", dataset, "service_memory_mb", service_memory_mb(settings), "MB"))
        with tempfile.TemporaryDirectory() as folder:
            new = some_papers(source, ADDED, apart=90)
            rows += update_under_load(settings, dataset, new, service_memory_mb, Path(folder))
    return rows


@contextmanager
def run_service(settings: Settings, say: Callable[[str], None]) -> Iterator[float]:
    """Start a stack; yield the seconds from the start of the service's process until it is ready; stop the stack."""
    lifecycle.up(settings, say)
    try:
        child = service_process(settings)
        deadline = time.monotonic() + 120
        while not service_is_ready(settings):
            if time.monotonic() > deadline:
                raise SystemExit(f"the service was not ready after 120 s; see {child.log}")
            time.sleep(0.05)
        yield float(Path("/proc/uptime").read_text().split()[0]) - child.started / os.sysconf("SC_CLK_TCK")
    finally:
        lifecycle.down(settings)


def service_is_ready(settings: Settings) -> bool:
    """Return True if the service has a snapshot and its encoder."""
    try:
        answer = local_http.get(f"{settings.service_url}/health/ready", timeout=5)
    except httpx.TransportError:
        return False
    return bool(answer.json().get("status") == "ok")


def measure_alone(settings: Settings, dataset: str, source: Path) -> list[Row]:
    """Measure one request after the other: the median latency, and the median time of each stage from the answers."""
    papers = some_papers(source)
    rows = []
    with local_http.client(base_url=settings.service_url, timeout=60) as client:
        for kind, texts in (("title", [p.title for p in papers]), ("abstract", [p.abstract for p in papers])):
            for mode in ("hybrid", "dense"):
                latencies: list[float] = []
                stages: dict[str, list[float]] = {}
                for text in texts:
                    began = time.perf_counter()
                    answer = client.post("/search", json={"query": text, "mode": mode}).raise_for_status().json()
                    latencies.append((time.perf_counter() - began) * 1000)
                    for stage, ms in answer["timings"].items():
                        stages.setdefault(stage, []).append(ms or 0.0)
                system = f"akin over HTTP, {kind}, {mode}"
                rows.append(Row(system, dataset, "p50_ms", round(statistics.median(latencies), 2), "ms"))
                rows += [
                    Row(system, dataset, f"p50_{stage}", round(statistics.median(times), 3), "ms")
                    for stage, times in stages.items()
                ]
    return rows


def some_papers(source: Path, count: int = _ALONE, apart: int = 50) -> list[Paper]:
    """Return every `apart`-th paper from the beginning of the source."""
    with read_papers(source) as reader:
        return [paper for place, paper in zip(range(count * apart), reader, strict=False) if place % apart == 0]


def highest_rate(
    settings: Settings,
    dataset: str,
    source: Path,
    requests: str,
    mode: str,
    limit_ms: int,
    seconds: int,
    budget: int = 90,
) -> list[Row]:
    """Measure the highest rate of requests that keeps the limit, with the load generator."""
    options = ["--requests", requests, "--mode", mode, "--p95", str(limit_ms), "--budget", f"{budget}s"]
    found = run_load_test(settings, source, "rate", [*options, "--duration", f"{seconds}s"])
    highest = found["highest"] or {"rate": 0.0, "p50_ms": None, "p95_ms": None}
    system = f"akin over HTTP, {requests}, {mode}"
    rows = [Row(system, dataset, "rate", round(highest["rate"], 1), "1/s")]
    rows += [
        Row(system, dataset, f"{percentile}_under_load", round(highest[percentile], 1), "ms")
        for percentile in ("p50_ms", "p95_ms")
        if highest[percentile] is not None
    ]
    return rows


def many_users(settings: Settings, dataset: str, source: Path, seconds: int) -> list[Row]:
    """Measure the reference's mix of requests from `USERS` simulated users who wait for their answers."""
    options = ["--users", str(USERS), "--levels", "2", "--duration", f"{seconds}s", "--scenario", "reference"]
    last = run_load_test(settings, source, "users", options)["levels"][-1]
    system = f"akin over HTTP, {USERS} people"
    return [
        Row(system, dataset, "rate", round(last["per_second"], 1), "1/s"),
        Row(system, dataset, "p50_under_load", round(last["p50_ms"], 1), "ms"),
        Row(system, dataset, "p95_under_load", round(last["p95_ms"], 1), "ms"),
        Row(system, dataset, "errors", last["errors"]),
    ]


def run_load_test(settings: Settings, source: Path, kind: str, options: Sequence[str]) -> dict[str, Any]:
    """Run a load test and return its results."""
    with tempfile.TemporaryDirectory() as output:
        where = ["--service", settings.service_url, "--queries", str(source), "--output", output]
        subprocess.run([LOADTESTS, "-m", "loadtests", kind, *where, *options], cwd=ROOT, check=True)
        return json.loads(next(Path(output).rglob("results.json")).read_bytes())  # type: ignore[no-any-return]


def service_memory_mb(settings: Settings) -> float:
    """Return the resident memory of the service's process, mapped files included."""
    return resident([service_process(settings).pid]) / 1e6


def service_process(settings: Settings) -> Child:
    """Return the service's process in a running stack."""
    running = record.find_running_stack(settings)
    if running is None:
        raise SystemExit(f"the stack has stopped during the measurement; see {settings.logs}")
    return next(child for child in running.children if child.name == "the service")
