"""Measure the times of this machine: single searches, the encoder in batches, and loads to compare with."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import psutil

from akin.cli.index import build_index
from akin.papers import Paper
from akin.stack import local_http, record
from akin.stack_settings import Settings
from benchmarks.environment import cores
from benchmarks.fleet.machine import WORKS
from benchmarks.fleet.times import MachineTimes, SearchTimes, Trial, combine
from benchmarks.report import machine_class
from benchmarks.retrieval.http_path import run_load_test, run_service, some_papers
from benchmarks.stack import private_settings
from retrieval_service.adapters.triton_wire import ENCODER_MODEL, GrpcWire

SHARES = (0.3, 0.5, 0.65, 0.8)
"""Shares of what the saturated machine answers, at which loads are compared."""

ROUNDS = 3
"""Measurements of each load; of their figures the median counts."""

_OVERLOAD = 1.5
"""Multiple of what the cores can do, by the sum of the times, at which the machine is saturated."""

LOCKED_MS = 2.0
"""Core time of each half in which Python's lock is held, at most; the rest is the indexes' own work, without it.
It cannot be measured from outside, and is the one number that was chosen by the comparison (docs/scaling.md)."""

_LIGHT = 0.1
_ALONE = 300
_AT_ONCE = 16
_ENCODED = 2_000
_HANDOFFS = 2_000


@dataclass(frozen=True)
class Load:
    """Measured load.

    Attributes:
        trial: Its rate and latencies.
        used: The share of the machine's cores that worked.
        service_ms: Core time of the service for a search.
        triton_ms: Core time of Triton for a search.
        generator_ms: Core time of the load generator for a search.
        batch: Mean texts of a batch of the encoder.
    """

    trial: Trial
    used: float
    service_ms: float
    triton_ms: float
    generator_ms: float
    batch: float

    @property
    def core_ms(self) -> float:
        """Return the core time of a search in all processes."""
        return self.service_ms + self.triton_ms + self.generator_ms


@dataclass(frozen=True)
class Alone:
    """Searches one after the other.

    Attributes:
        latency_ms: The median latency.
        searches: The times of each search in the service.
        service_ms: Core time of the service for a search.
        triton_ms: Core time of Triton for a search.
        delay_ms: Latency that no core time explains.
    """

    latency_ms: float
    searches: list[SearchTimes]
    service_ms: float
    triton_ms: float
    delay_ms: float


def measure(source: Path, seconds: int, say: Callable[[str], None]) -> MachineTimes:
    """Build a snapshot of papers, serve it on a stack of its own, and measure.

    Latencies are only compared: the simulation is fed with core times, in searches one by one and in loads.

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
            alone = _alone(settings, papers)
        handoff_ms = asyncio.run(_handoff_ms())
        per_batch, per_text = _encoder(settings, [paper.title for paper in papers], say)
        by_cores = 1000 * cores() / (alone.service_ms + alone.triton_ms)
        saturated = [_load(settings, source, _OVERLOAD * by_cores, seconds) for _ in range(ROUNDS)]
        most = statistics.median(each.trial.per_second for each in saturated)
        say(f"saturated at {most:.0f} searches a second")
        # Rounds of all loads, so that a slow minute of the machine is not in all measurements of one load.
        rounds = [
            [_load(settings, source, share * most, seconds) for share in (_LIGHT, *SHARES)] for _ in range(ROUNDS)
        ]
    calm = [load for each in rounds for load in each]
    times = busy_times(alone, calm, per_batch, per_text, handoff_ms)
    machine = machine_class()
    loads = [*zip(*rounds, strict=True), saturated]
    return msgspec.structs.replace(
        times, papers=manifest.papers,
        trials=[combine([each.trial for each in same], statistics.median) for same in loads],
        origin=f"{manifest.papers:,} papers of {manifest.source}, hybrid searches by titles, {machine['cpu']}",
    )  # fmt: skip


def busy_times(
    alone: Alone, calm: Sequence[Load], per_batch: float, per_text: float, handoff_ms: float
) -> MachineTimes:
    """Return the times of busy cores, and how much longer work takes on resting ones.

    The core time of a search falls as the load rises, as cores and caches are awake. A line through what was measured
    gives the time at full use.

    Args:
        alone: Searches one after the other.
        calm: Loads below saturation.
        per_batch: Core time of a batch, in any unit.
        per_text: Core time of a text in it, in the same unit.
        handoff_ms: Time in which Python's lock goes from one thread to another.
    """
    used = [load.used for load in calm]
    (service, _), (triton, _), (generator, _), (busy, falls) = (
        _at_full_use(used, [getattr(load, name) for load in calm])
        for name in ("service_ms", "triton_ms", "generator_ms", "core_ms")
    )
    batch = statistics.mean(load.batch for load in calm)
    encoder = triton / (per_batch / batch + per_text)
    part = min(1.0, service / alone.service_ms)
    searches = [
        SearchTimes(each.words * part, each.vectors * part, each.ranking * part, each.length) for each in alone.searches
    ]
    own = statistics.mean(each.own_ms for each in searches)
    return MachineTimes(
        cores=cores(), papers=1, searches=searches, python_ms=max(0.0, service - own),
        batch_ms=per_batch * encoder, text_ms=per_text * encoder,
        delay_ms=max(0.0, alone.delay_ms - WORKS * handoff_ms), generator_ms=generator, alone_ms=alone.latency_ms,
        locked_ms=LOCKED_MS, handoff_ms=handoff_ms, cold=falls / busy,
    )  # fmt: skip


def _at_full_use(used: Sequence[float], ms: Sequence[float]) -> tuple[float, float]:
    """Return the time at full use, and by how much it is greater at none."""
    slope, at_rest = np.polyfit(used, ms, 1)
    busy = at_rest + slope
    return max(float(busy), 0.1 * min(ms)), max(0.0, float(-slope))


async def _handoff_ms() -> float:
    """Return the time in which no core works when one thread of Python gives to another."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool:
        await loop.run_in_executor(pool, int)
        began, worked = time.perf_counter(), time.process_time()
        for _ in range(_HANDOFFS):
            await loop.run_in_executor(pool, int)
        waited = (time.perf_counter() - began) - (time.process_time() - worked)
    return max(0.0, 1000 * waited / (2 * _HANDOFFS))


def _alone(settings: Settings, papers: Sequence[Paper]) -> Alone:
    latencies, answers = [], []
    with local_http.client(base_url=settings.service_url, timeout=60) as client:
        before = _spent(settings)
        for paper in papers:
            began = time.perf_counter()
            answer = client.post("/search", json={"query": paper.title, "mode": "hybrid", "k": 10})
            latencies.append(1000 * (time.perf_counter() - began))
            answers.append(answer.raise_for_status().json()["timings"])
        after = _spent(settings)
    service, triton = (1000 * (after[name] - before[name]) / len(papers) for name in ("the service", "Triton"))
    embed = statistics.mean(t["embed_ms"] for t in answers)
    searches = [
        SearchTimes(t["lexical_ms"], t["vectors_ms"], t["fuse_ms"] + t["fetch_ms"], t["embed_ms"] / embed)
        for t in answers
    ]
    own = statistics.mean(each.own_ms for each in searches)
    worked = [max(each.words, triton + each.vectors) + each.ranking + max(0.0, service - own) for each in searches]
    # Times of the client are not known: its part stays in the delay.
    delay = max(0.0, statistics.median(latencies) - statistics.median(worked))
    return Alone(statistics.median(latencies), searches, service, triton, delay)


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


def _load(settings: Settings, source: Path, rate: float, seconds: int) -> Load:
    options = ["--requests", "short", "--mode", "hybrid", "--rates", f"{rate:.1f}", "--duration", f"{seconds}s"]
    (batches, texts), spent = _batches(settings), _spent(settings)
    found = run_load_test(settings, source, "rate", options)
    batches, texts = (new - old for new, old in zip(_batches(settings), (batches, texts), strict=True))
    after = _spent(settings)
    service, triton = (1000 * (after[name] - spent[name]) / texts for name in ("the service", "Triton"))
    [t] = found["trials"]
    trial = msgspec.convert(t, Trial)
    worked = {each["name"]: each["cores_mean"] or 0.0 for each in found["processes"]}
    generator = 1000 * worked["the load generator"] / trial.per_second
    return Load(trial, worked["the whole machine"] / cores(), service, triton, generator, texts / batches)
