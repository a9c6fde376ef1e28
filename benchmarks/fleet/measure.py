"""Measure the times of this machine: single searches, the encoder in batches, and loads to compare with."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from akin.cli.index import build_index
from akin.papers import Paper
from akin.stack import local_http, record
from akin.stack_settings import Settings
from benchmarks.environment import cores
from benchmarks.fleet.times import MachineTimes, SearchTimes, Trial
from benchmarks.report import machine_class
from benchmarks.retrieval.http_path import run_load_test, run_service, some_papers
from benchmarks.stack import private_settings
from retrieval_service.adapters.triton_wire import ENCODER_MODEL, GrpcWire

SHARES = (0.3, 0.5, 0.7, 0.85)
"""Shares of what the cores can do, by the sum of the times, at which loads are compared."""

OVERLOAD = 1.5
"""Share at which the machine is saturated."""

_LIGHT = 0.15
_ALONE = 300
_AT_ONCE = 16
_ENCODED = 2_000
_NAMES = ("Triton", "the service", "the load generator")


def measure(source: Path, seconds: int, say: Callable[[str], None]) -> MachineTimes:
    """Build a snapshot of papers, serve it on a stack of its own, and measure.

    Args:
        source: The papers, which queries are drawn from too.
        seconds: The length of each load.
        say: Called with messages.
    """
    settings = private_settings("fleet")
    manifest = build_index(settings, str(source))
    papers = some_papers(source, _ALONE, max(1, manifest.papers // _ALONE))
    with run_service(settings, say):
        for _ in range(2):  # once to warm up
            alone_ms, searches, service_ms, triton_ms, delay_ms = _alone(settings, papers)
        batch_ms, text_ms = _encoder(settings, [paper.title for paper in papers], say)
        # The encoder's own measurement divides the time of a batch; its sum is that of a single search.
        scale = triton_ms / (batch_ms + text_ms)
        batch_ms, text_ms = batch_ms * scale, text_ms * scale
        own = statistics.mean(each.words + each.vectors + each.ranking for each in searches)
        python_ms = max(0.0, service_ms - own)
        capacity = 1000 * cores() / (own + python_ms + triton_ms)
        say(f"a search takes {own + python_ms + triton_ms:.1f} ms of a core")
        light = _load(settings, source, [_LIGHT * capacity], seconds)
        per_request = _core_ms(light)
        generator_ms = per_request["the load generator"]
        capacity = 1000 * cores() / (own + python_ms + triton_ms + generator_ms)
        rates = [round(share * capacity, 1) for share in (*SHARES, OVERLOAD)]
        found = _load(settings, source, rates, seconds)
    trials = [
        Trial(
            t["rate"], t["seconds"], t["per_second"], t["p50_ms"], t["p95_ms"], t["errors"], t["overloaded"]
        )
        for t in found["trials"]
    ]  # fmt: skip
    machine = machine_class()
    return MachineTimes(
        cores=cores(), papers=manifest.papers, searches=searches, python_ms=python_ms, batch_ms=batch_ms,
        text_ms=text_ms, delay_ms=delay_ms, generator_ms=generator_ms, alone_ms=alone_ms, trials=trials,
        origin=f"{manifest.papers:,} papers of {manifest.source}, hybrid searches by titles, {machine['cpu']}",
    )  # fmt: skip


def _alone(settings: Settings, papers: Sequence[Paper]) -> tuple[float, list[SearchTimes], float, float, float]:
    """Search one after the other.

    Returns:
        The median latency; the times of each search in the service; the core time of a search in the service's process
        and in Triton's; the latency that no core time explains. All in ms.
    """
    latencies, searches = [], []
    with local_http.client(base_url=settings.service_url, timeout=60) as client:
        before = _spent(settings)
        for paper in papers:
            began = time.perf_counter()
            answer = client.post("/search", json={"query": paper.title, "mode": "hybrid", "k": 10})
            latencies.append(1000 * (time.perf_counter() - began))
            t = answer.raise_for_status().json()["timings"]
            searches.append(SearchTimes(t["lexical_ms"], t["vectors_ms"], t["fuse_ms"] + t["fetch_ms"]))
        after = _spent(settings)
    service, triton = (1000 * (after[name] - before[name]) / len(papers) for name in ("the service", "Triton"))
    own = statistics.mean(each.words + each.vectors + each.ranking for each in searches)
    worked = [max(each.words, triton + each.vectors) + each.ranking + max(0.0, service - own) for each in searches]
    # Times of the client are not known: its part stays in the delay.
    delay = max(0.0, statistics.median(latencies) - statistics.median(worked))
    return statistics.median(latencies), searches, service, triton, delay


def _encoder(settings: Settings, texts: Sequence[str], say: Callable[[str], None]) -> tuple[float, float]:
    """Return the core ms of a batch and of a text in it, from the encoder alone with one client and with many."""
    found = []
    for at_once in (1, _AT_ONCE):
        before, counted = _spent(settings)["Triton"], _batches(settings)
        asyncio.run(_encode(settings, texts, at_once))
        batches, encoded = (new - old for new, old in zip(_batches(settings), counted, strict=True))
        size = encoded / max(1.0, batches)
        found.append((size, 1000 * (_spent(settings)["Triton"] - before) / encoded))
        say(f"encoder: {found[-1][1]:.2f} ms of a core for a text in batches of {size:.1f}")
    (small, alone), (large, together) = found
    # The time of a text is that of its batch, divided by the size, and its own.
    batch = max(0.0, (alone - together) / (1 / small - 1 / large)) if large > small * 1.2 else 0.0
    return batch, max(0.01, alone - batch / small)


async def _encode(settings: Settings, texts: Sequence[str], at_once: int) -> None:
    stack = record.find_running_stack(settings)
    assert stack is not None
    wire = GrpcWire(stack.triton)
    number = stack.encoders[0]
    left = iter([texts[n % len(texts)] for n in range(_ENCODED)])

    async def send() -> None:
        for text in left:
            await wire.infer([text], number, 30.0)

    await asyncio.gather(*(send() for _ in range(at_once)))
    await wire.close()


def _batches(settings: Settings) -> tuple[float, float]:
    """Return the batches and the texts that the encoder has run."""
    stack = record.find_running_stack(settings)
    assert stack is not None
    text = local_http.get(f"http://127.0.0.1:{settings.triton_metrics_port}/metrics", timeout=10).text
    return tuple(  # type: ignore[return-value]
        sum(
            float(value)
            for value in re.findall(rf'^{name}\{{[^}}]*model="{ENCODER_MODEL}"[^}}]*\}} (\S+)$', text, re.M)
        )
        for name in ("nv_inference_exec_count", "nv_inference_count")
    )


def _spent(settings: Settings) -> dict[str, float]:
    """Return the core seconds that each part of the stack has used, its children included."""
    stack = record.find_running_stack(settings)
    assert stack is not None
    found = {}
    for child in stack.children:
        process = psutil.Process(child.pid)
        family = [process, *process.children(recursive=True)]
        found[child.name] = sum(each.cpu_times().user + each.cpu_times().system for each in family)
    return found


def _load(settings: Settings, source: Path, rates: Sequence[float], seconds: int) -> dict[str, Any]:
    options = ["--requests", "short", "--mode", "hybrid", "--rates", ",".join(f"{rate:.1f}" for rate in rates)]
    return run_load_test(settings, source, "rate", [*options, "--duration", f"{seconds}s"])


def _core_ms(found: dict[str, Any]) -> dict[str, float]:
    """Return the core ms of each process for a request of the last load."""
    processes, trials = found["processes"], found["trials"]
    rate = trials[-1]["per_second"]
    used = dict.fromkeys(_NAMES, 0.0)
    for each in processes:
        for name in _NAMES:
            if each["name"].startswith(name):
                used[name] += 1000 * (each["cores_mean"] or 0.0) / rate
    return used
