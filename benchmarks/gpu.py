r"""Run the checks marked `gpu`, and measure the encoder's throughput and latency on a GPU.

Needs a Triton that serves `text_encoder` over `encoder`, such as our image for GPUs (docs/gpu.md):

    docker run --rm --gpus all --shm-size 1g -p 127.0.0.1:8001:8001 -p 127.0.0.1:8002:8002 \
        -v "$PWD/model_repository:/models:ro" -v akin-engines:/var/cache/akin/tensorrt akin/triton-gpu
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Sequence

from akin.cli.corpus import corpus_path
from akin.cli.output import say
from akin.stack_settings import ROOT, Settings
from akin.storage import gpu
from benchmarks.encoder.clients import drive, embedding_client
from benchmarks.encoder.parts import throughput, waiting_times
from benchmarks.encoder.systems import CellResult
from benchmarks.encoder.texts import Supply, read_complete_papers
from benchmarks.report import Row, rows_table, write_rows

_NAME = "ours, Triton gRPC, GPU"


def main() -> None:
    """Run the checks, measure, and write the report to `data/benchmarks/`."""
    parser = argparse.ArgumentParser(prog="make bench NAME=gpu", description=__doc__)
    parser.add_argument("corpus", nargs="?", default="sample", help="a file of papers (default: the sample)")
    parser.add_argument("--http", help="not used any more")
    parser.add_argument("--grpc", default="127.0.0.1:8001", help="Triton's gRPC address (default 127.0.0.1:8001)")
    parser.add_argument(
        "--metrics", default="127.0.0.1:8002", help="the address of its metrics (default 127.0.0.1:8002)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each figure; the median counts (default 5)")
    options = parser.parse_args()
    card = gpu.first_card()
    if card is None:
        raise SystemExit("no NVIDIA GPU here (nvidia-smi finds none): run this benchmark on a machine with one.")
    say(f"checking on {card.name}")
    passed, summary = run_checks(options.grpc, options.metrics)
    settings = Settings.read()
    rows = measure_gpu(
        options.grpc, Supply(read_complete_papers(corpus_path(settings, options.corpus), 30_000)), options.rounds
    )
    path = write_rows("gpu", rows, settings.data / "benchmarks", gpu=card._asdict(), checks=summary)
    report = path.with_suffix(".md")
    report.write_text(f"{card.name}, driver {card.driver}: {summary}\n\n{rows_table(rows)}")
    print(report.read_text())
    say(f"written to {path} and {report.name}")
    if not passed:
        sys.exit(1)


def run_checks(grpc: str, metrics: str) -> tuple[bool, str]:
    """Run every check marked `gpu`; return True if all passed, and pytest's last line.

    Fixtures that would export an encoder are not needed: these tests use only the given server.
    """
    environment = {**os.environ, "AKIN_GPU_TRITON_GRPC": grpc, "AKIN_GPU_TRITON_METRICS": metrics}
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "tests"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout)
    summary = done.stdout.strip().splitlines()[-1]
    return done.returncode == 0 and bool(re.search(r"\d+ passed", summary)), summary


def measure_gpu(grpc: str, supply: Supply, rounds: int) -> list[Row]:
    """Measure bulk work on abstracts and queries, and single queries from 1 to 256 clients."""
    connect = embedding_client("grpc", grpc, "text_encoder")
    rows: list[Row] = []

    def cells(kind: str, count: int, clients: int, size: int) -> Sequence[CellResult]:
        drive(connect, supply.take(kind, max(count // 4, size)), clients, size)
        found = []
        for _ in range(rounds):
            load = drive(connect, supply.take(kind, count), clients, size)
            found.append(CellResult(count, load.seconds, 0.0, load.cpu, load.times))
        return found

    for kind, count in (("abstracts", 4096), ("queries", 8192)):
        rows += throughput(_NAME, kind, cells(kind, count, 8, 64), "bulk")
    for clients in (1, 32, 256):
        found = cells("queries", max(200, 32 * clients), clients, 1)
        dataset = f"queries, {clients} clients" if clients > 1 else "queries, 1 client"
        rows += throughput(_NAME, dataset, found, "single texts")
        rows += waiting_times(_NAME, dataset, found)
    # The CPU time of a server on another machine cannot be measured.
    return [row for row in rows if not row.metric.startswith("CPU a text")]
