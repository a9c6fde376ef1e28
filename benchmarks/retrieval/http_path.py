"""The whole path over HTTP: snapshots of the collection's papers behind the service, with the load on its cores."""

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

from akin.settings import ROOT, Settings
from akin.stack import lifecycle, local_http, record
from benchmarks.report import Row
from benchmarks.retrieval import catalogue
from benchmarks.retrieval.collection import TextCollection
from benchmarks.retrieval.update import ADDED, update_under_load
from benchmarks.stack import private_settings
from papers import Paper
from papers.readers import read_papers

LOAD_PYTHON = ROOT / ".venv-loadtests/bin/python"
LOADS = (("short", "hybrid", 100), ("short", "dense", 100), ("long", "hybrid", 120))
"""Requests, mode and the p95 in ms that the highest rate keeps."""

USERS = 100

_ALONE = 200


def measure_over_http(
    collection: TextCollection, count: int, dataset: str, source: Path, seconds: int, say: Callable[[str], None]
) -> list[Row]:
    """Builds a snapshot, serves it and measures: build, start, memory, latency alone and by stage, highest rates."""
    settings = private_settings("retrieval", str(count))
    started = time.monotonic()
    say(f"{dataset}: building a snapshot")
    manifest = catalogue.build(collection, count, settings, f"{count:,} made papers", say)
    took = time.monotonic() - started
    rows = [
        Row("akin over HTTP", dataset, "snapshot_build_s", round(took, 1), "s"),
        Row("akin over HTTP", dataset, "snapshot_mb", sum(f.bytes for f in manifest.files.values()) / 1e6, "MB"),
    ]
    with serving(settings, say) as ready_s:
        rows.append(Row("akin over HTTP", dataset, "ready_s", round(ready_s, 2), "s"))
        rows += alone(settings, dataset, source)
        for requests, mode, limit_ms in LOADS:
            rows += under_load(settings, dataset, source, requests, mode, limit_ms, seconds)
        rows += crowd(settings, dataset, source, seconds)
        rows.append(Row("akin over HTTP", dataset, "service_memory_mb", service_memory_mb(settings), "MB"))
        with tempfile.TemporaryDirectory() as folder:
            new = sample(source, ADDED, apart=90)
            rows += update_under_load(settings, dataset, new, service_memory_mb, Path(folder))
    return rows


@contextmanager
def serving(settings: Settings, say: Callable[[str], None]) -> Iterator[float]:
    """A stack of its own; gives the seconds from the service's start until it could answer with all it has."""
    lifecycle.up(settings, say)
    try:
        child = next(child for child in record.running(settings).children if child.name == "the service")  # type: ignore[union-attr]
        deadline = time.monotonic() + 120
        while not complete(settings):
            if time.monotonic() > deadline:
                raise SystemExit(f"the service did not get ready; see {child.log}")
            time.sleep(0.05)
        ticks = float(Path("/proc/uptime").read_text().split()[0]) - child.started / os.sysconf("SC_CLK_TCK")
        yield ticks
    finally:
        lifecycle.down(settings)


def complete(settings: Settings) -> bool:
    """Whether the service has a snapshot and its encoder."""
    try:
        answer = local_http.get(f"{settings.service_url}/health/ready", timeout=5)
    except httpx.TransportError:
        return False
    return bool(answer.json().get("status") == "ok")


def alone(settings: Settings, dataset: str, source: Path) -> list[Row]:
    """Latency of one request after the other, and the time of each stage as the answers tell it; medians."""
    asked = sample(source)
    rows = []
    with local_http.client(base_url=settings.service_url, timeout=60) as client:
        for kind, texts in (("title", [p.title for p in asked]), ("abstract", [p.abstract for p in asked])):
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


def sample(source: Path, count: int = _ALONE, apart: int = 50) -> list[Paper]:
    """Papers of the source, from all over its beginning."""
    with read_papers(source) as reader:
        return [paper for place, paper in zip(range(count * apart), reader, strict=False) if place % apart == 0]


def under_load(
    settings: Settings, dataset: str, source: Path, requests: str, mode: str, limit_ms: int, seconds: int
) -> list[Row]:
    """The highest rate of arrivals that keeps the limit, found and sustained by the load generator."""
    options = ["--requests", requests, "--mode", mode, "--p95", str(limit_ms), "--budget", "90s"]
    found = load(settings, source, "rate", [*options, "--duration", f"{seconds}s"])
    highest = found["highest"] or {"rate": 0.0, "p50_ms": None, "p95_ms": None}
    system = f"akin over HTTP, {requests}, {mode}"
    rows = [Row(system, dataset, "rate", round(highest["rate"], 1), "1/s")]
    rows += [
        Row(system, dataset, f"{percentile}_under_load", round(highest[percentile], 1), "ms")
        for percentile in ("p50_ms", "p95_ms")
        if highest[percentile] is not None
    ]
    return rows


def crowd(settings: Settings, dataset: str, source: Path, seconds: int) -> list[Row]:
    """The reference's mix of requests from `USERS` people who wait for their answers."""
    options = ["--users", str(USERS), "--levels", "2", "--duration", f"{seconds}s", "--scenario", "reference"]
    last = load(settings, source, "users", options)["levels"][-1]
    system = f"akin over HTTP, {USERS} people"
    return [
        Row(system, dataset, "rate", round(last["per_second"], 1), "1/s"),
        Row(system, dataset, "p50_under_load", round(last["p50_ms"], 1), "ms"),
        Row(system, dataset, "p95_under_load", round(last["p95_ms"], 1), "ms"),
        Row(system, dataset, "errors", last["errors"]),
    ]


def load(settings: Settings, source: Path, kind: str, options: Sequence[str]) -> dict[str, Any]:
    """What the load generator found out."""
    with tempfile.TemporaryDirectory() as output:
        where = ["--service", settings.service_url, "--queries", str(source), "--output", output]
        subprocess.run([LOAD_PYTHON, "-m", "loadtests", kind, *where, *options], cwd=ROOT, check=True)
        return json.loads(next(Path(output).rglob("results.json")).read_bytes())  # type: ignore[no-any-return]


def service_memory_mb(settings: Settings) -> float:
    """Resident memory of the service's process, mapped files among it."""
    running = record.running(settings)
    if running is None:
        raise SystemExit("the stack has stopped under measurement")
    child = next(child for child in running.children if child.name == "the service")
    return int(Path(f"/proc/{child.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
