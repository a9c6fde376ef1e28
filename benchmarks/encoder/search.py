"""What a person who searches waits while an index is built at full speed, beside an idle machine."""

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
from akin.settings import ROOT, Settings
from akin.stack import lifecycle
from benchmarks.encoder.texts import Supply, read
from benchmarks.report import Row, table, write
from benchmarks.stack import await_snapshot, private_settings, stack_environment
from papers import Paper

_SEARCHED = 5_000
_PAUSE = 0.05


def main(arguments: Sequence[str]) -> None:
    """Searches an index in idle seconds and during builds in turn; prints and writes the waits."""
    parser = argparse.ArgumentParser(prog="make bench NAME=encoder ARGS=search", description=__doc__)
    parser.add_argument("corpus", nargs="?", default="sample", help="a file of papers (default: the sample)")
    parser.add_argument("--rounds", type=int, default=3, help="idle and busy in turn so often (default 3)")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each (default 15)")
    parser.add_argument("--step", action="store_true", help="wait for a line on standard input before each round")
    options = parser.parse_args(arguments)
    base = Settings.read()
    settings = private_settings("encoder", "search")
    papers = read(corpus_path(base, options.corpus), 100_000)
    supply = Supply(papers)
    lifecycle.up(settings, say)
    try:
        searched = corpus(settings, "searched", papers[:_SEARCHED])
        await_snapshot(settings, build_index(settings, str(searched)).id)
        rows = measure(settings, papers, supply, options.rounds, options.seconds, options.step)
    finally:
        lifecycle.down(settings)
    path = write("encoder-search", rows, base.data / "benchmarks")
    print(table(rows))
    say(f"written to {path} and {path.with_suffix('.md').name}")


def measure(
    settings: Settings, papers: Sequence[Paper], supply: Supply, rounds: int, seconds: float, step: bool
) -> list[Row]:
    """The p50 and p95 of searches, idle and during a build, and how much longer the second are."""
    waits: dict[str, list[list[float]]] = {"idle": [], "during a build": []}
    for number in range(rounds):
        # Abstracts that no build has met, more of them than it can embed while the searches last.
        texts = supply.take("abstracts", int(seconds * 800) + 2_000)
        fresh = [Paper(f"{number}-{n}", papers[n % len(papers)].title, text) for n, text in enumerate(texts)]
        source = corpus(settings, f"built-{number}", fresh)
        if step:
            say("ready to measure: search")
            sys.stdin.readline()
        waits["idle"].append(asyncio.run(searches(settings, supply, seconds)))
        building = build(settings, source)
        time.sleep(4)  # the command starts, reads, and sends its first batches
        waits["during a build"].append(asyncio.run(searches(settings, supply, seconds)))
        if building.poll() is not None:
            say("the build had ended before the searches had: give a shorter --seconds or a larger corpus")
        building.terminate()
        building.wait()
    rows = []
    for name, found in waits.items():
        for percent in (50, 95, 99):
            value = statistics.median(1e3 * float(np.percentile(each, percent)) for each in found)
            rows.append(Row(name, "searches", f"p{percent}", value, "ms"))
        rows.append(Row(name, "searches", "answered", sum(map(len, found))))
    ratios = [
        float(np.percentile(busy, 95) / np.percentile(idle, 95)) for idle, busy in zip(*waits.values(), strict=True)
    ]
    return [*rows, Row("during a build", "searches", "p95, times that of idle", statistics.median(ratios))]


async def searches(settings: Settings, supply: Supply, seconds: float) -> list[float]:
    """Two people search, each a new query every time, with a short pause between."""
    waits: list[float] = []
    deadline = time.monotonic() + seconds

    async def person(client: httpx.AsyncClient) -> None:
        while time.monotonic() < deadline:
            (query,) = supply.take("queries", 1)
            begun = time.perf_counter()
            (await client.post("/search", json={"query": query})).raise_for_status()
            waits.append(time.perf_counter() - begun)
            await asyncio.sleep(_PAUSE)

    async with httpx.AsyncClient(base_url=settings.service_url, timeout=60, trust_env=False) as client:
        await asyncio.gather(person(client), person(client))
    return waits


def build(settings: Settings, source: Path) -> subprocess.Popen[bytes]:
    """`akin index build` as a person would start it, beside the running stack."""
    log = settings.logs / "build.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = [Path(sys.executable).parent / "akin", "index", "build", source]
    with log.open("ab") as output:
        return subprocess.Popen(command, env=stack_environment(settings), cwd=ROOT, stdout=output, stderr=output)


def corpus(settings: Settings, name: str, papers: Sequence[Paper]) -> Path:
    """A file of papers."""
    path = settings.data / "corpora" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    records = [{"id": paper.id, "title": paper.title, "abstract": paper.abstract} for paper in papers]
    path.write_bytes(b"\n".join(map(msgspec.json.encode, records)) + b"\n")
    return path
