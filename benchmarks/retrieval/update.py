"""Measure searches while papers are added to the corpus and the service changes to the new snapshot."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import httpx
import numpy as np

from akin.papers import Paper
from akin.stack import local_http
from akin.stack_settings import Settings
from benchmarks.report import Row
from benchmarks.stack import stack_environment
from retrieval_service.corpus.directory import SnapshotDirectory

ADDED = 1_000
RATE = 100.0
"""Searches a second while the snapshots change."""

_CLIENTS = 16
_AFTER = 5.0
_SEARCHABLE_WITHIN = 120.0


@dataclass
class Traffic:
    """Searches at a constant rate, and their results.

    Attributes:
        answers: The number of answers from each snapshot.
        failures: The errors of searches that failed.
        latencies: The latency of each search, in ms.
        late: The number of searches sent more than 50 ms late; if it is high, the rate was lower than the target.
    """

    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    late: int = 0

    def send(self, url: str, queries: list[str], ended: threading.Event) -> None:
        """Send searches until `ended` is set."""
        texts = cycle(queries)
        with local_http.client(base_url=url, timeout=10) as client, ThreadPoolExecutor(_CLIENTS) as clients:
            due = time.monotonic()
            while not ended.is_set():
                clients.submit(self._search, client, next(texts), due)
                due += 1 / RATE
                time.sleep(max(0.0, due - time.monotonic()))

    def _search(self, client: httpx.Client, text: str, due: float) -> None:
        began = time.monotonic()
        self.late += began - due > 0.05
        try:
            answer = client.post("/search", json={"query": text, "mode": "dense"}).raise_for_status().json()
            self.answers[answer["snapshot"]] += 1
        except (httpx.HTTPError, KeyError) as error:
            self.failures.append(repr(error))
        self.latencies.append((time.monotonic() - began) * 1000)


def update_under_load(
    settings: Settings, dataset: str, papers: list[Paper], memory_mb: Callable[[Settings], float], folder: Path
) -> list[Row]:
    """Add papers by `akin index update` during searches, until the service has the last of them.

    Args:
        settings: The settings of the running stack.
        dataset: The name of the corpus in the rows.
        papers: `ADDED` papers that are not in the corpus.
        memory_mb: Returns the resident memory of the stack's service.
        folder: The folder for the file of papers.
    """
    path = folder / "new.jsonl"
    lines = (json.dumps({"id": paper.id, "title": paper.title, "abstract": paper.abstract}) for paper in papers)
    path.write_text("".join(f"{line}\n" for line in lines))
    traffic, ended = Traffic(), threading.Event()
    sender = threading.Thread(target=traffic.send, args=(settings.service_url, [p.title for p in papers], ended))
    most = 0.0
    sender.start()
    try:
        began = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-m", "akin", "index", "update", path], env=stack_environment(settings)
        ) as run:
            while run.poll() is None or not is_searchable(settings, papers[-1]):
                if run.poll() or time.monotonic() - began > _SEARCHABLE_WITHIN * 3:
                    raise SystemExit(f"the update of {dataset} failed or took too long (exit code {run.poll()})")
                most = max(most, memory_mb(settings))
                time.sleep(0.2)
        took = time.monotonic() - began
        until = time.monotonic() + _AFTER
        while time.monotonic() < until:
            most = max(most, memory_mb(settings))
            time.sleep(0.2)
    finally:
        ended.set()
        sender.join()
    system = "akin over HTTP, update under load"
    return [
        Row(system, dataset, "update_s", round(took, 1), "s"),
        Row(system, dataset, "searches", len(traffic.latencies)),
        Row(system, dataset, "searches_failed", len(traffic.failures)),
        Row(system, dataset, "searches_late", traffic.late),
        Row(system, dataset, "p95_ms", round(float(np.percentile(traffic.latencies, 95)), 1), "ms"),
        Row(system, dataset, "service_memory_most_mb", round(most, 1), "MB"),
    ]


def is_searchable(settings: Settings, paper: Paper) -> bool:
    """Return True if the service searches the live snapshot and has a paper."""
    try:
        ready = local_http.get(f"{settings.service_url}/health/ready", timeout=5).json()
        there = local_http.get(f"{settings.service_url}/papers/{paper.id}", timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
    return there and ready["components"]["snapshot"].get("id") == SnapshotDirectory(settings.data).current()
