"""Measure the waiting time of searches while an index is built at full speed, and on an idle machine."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import msgspec
import numpy as np

from akin.cli.corpus import corpus_path
from akin.cli.index import build_index
from akin.cli.output import say
from akin.papers import Paper
from akin.stack_settings import ROOT, Settings
from benchmarks.encoder.texts import Supply, read_complete_papers
from benchmarks.report import Row, percentile_rows, write_and_print
from benchmarks.stack import await_snapshot, private_stack, stack_environment

_SEARCHED = 5_000
_PAUSE = 0.05


def main(arguments: Sequence[str]) -> None:
    """Search an index on an idle machine and during builds in turn; print and write the waiting times."""
    parser = argparse.ArgumentParser(prog="make bench NAME=encoder ARGS=search", description=__doc__)
    parser.add_argument("corpus", nargs="?", default="sample", help="a file of papers (default: the sample)")
    parser.add_argument("--rounds", type=int, default=3, help="the number of idle and busy phases (default 3)")
    parser.add_argument("--seconds", type=float, default=15.0, help="the seconds of each phase (default 15)")
    parser.add_argument("--step", action="store_true", help="wait for a line on standard input before each round")
    options = parser.parse_args(arguments)
    base = Settings.read()
    papers = read_complete_papers(corpus_path(base, options.corpus), 100_000)
    supply = Supply(papers)
    with private_stack("encoder", "search") as settings:
        searched = write_corpus(settings, "searched", papers[:_SEARCHED])
        await_snapshot(settings, build_index(settings, str(searched)).id)
        rows = measure_waits(settings, papers, supply, options.rounds, options.seconds, options.step)
    write_and_print("encoder-search", rows, base.data / "benchmarks", say)


def measure_waits(
    settings: Settings, papers: Sequence[Paper], supply: Supply, rounds: int, seconds: float, step: bool
) -> list[Row]:
    """Return percentiles of searches, idle and during a build, and the ratio of the p95s."""
    waits: dict[str, list[list[float]]] = {"idle": [], "during a build": []}
    for number in range(rounds):
        # Abstracts that no build has seen, more of them than it can embed while the searches last.
        texts = supply.take("abstracts", int(seconds * 800) + 2_000)
        fresh = [Paper(f"{number}-{n}", papers[n % len(papers)].title, text) for n, text in enumerate(texts)]
        source = write_corpus(settings, f"built-{number}", fresh)
        if step:
            say("ready to measure: search")
            sys.stdin.readline()
        waits["idle"].append(asyncio.run(search_for(settings, supply, seconds)))
        building = start_build(settings, source)
        time.sleep(4)  # the command starts, reads, and sends its first batches
        waits["during a build"].append(asyncio.run(search_for(settings, supply, seconds)))
        if building.poll() is not None:
            say("the build ended before the searches: give a shorter --seconds or a larger corpus")
        building.terminate()
        building.wait()
    rows = []
    for name, found in waits.items():
        rows += percentile_rows(name, "searches", found, 50, 95, 99)
        rows.append(Row(name, "searches", "answered", sum(map(len, found))))
    ratios = [
        float(np.percentile(busy, 95) / np.percentile(idle, 95)) for idle, busy in zip(*waits.values(), strict=True)
    ]
    return [*rows, Row("during a build", "searches", "p95, times that of idle", statistics.median(ratios))]


async def search_for(settings: Settings, supply: Supply, seconds: float) -> list[float]:
    """Search from two clients with new queries and short pauses; return the seconds of each search."""
    waits: list[float] = []
    deadline = time.monotonic() + seconds

    async def send(client: httpx.AsyncClient) -> None:
        while time.monotonic() < deadline:
            (query,) = supply.take("queries", 1)
            begun = time.perf_counter()
            (await client.post("/search", json={"query": query})).raise_for_status()
            waits.append(time.perf_counter() - begun)
            await asyncio.sleep(_PAUSE)

    async with httpx.AsyncClient(base_url=settings.service_url, timeout=60, trust_env=False) as client:
        await asyncio.gather(send(client), send(client))
    return waits


def start_build(settings: Settings, source: Path) -> subprocess.Popen[bytes]:
    """Start `akin index build` beside the running stack."""
    log = settings.logs / "build.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = [Path(sys.executable).parent / "akin", "index", "build", source]
    with log.open("ab") as output:
        return subprocess.Popen(command, env=stack_environment(settings), cwd=ROOT, stdout=output, stderr=output)


def write_corpus(settings: Settings, name: str, papers: Sequence[Paper]) -> Path:
    """Write papers to a file and return its path."""
    path = settings.data / "corpora" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    records = [{"id": paper.id, "title": paper.title, "abstract": paper.abstract} for paper in papers]
    path.write_bytes(b"\n".join(map(msgspec.json.encode, records)) + b"\n")
    return path
