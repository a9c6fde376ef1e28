"""Run `make bench NAME=encoder`: measure the parts in order and write the figures."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from akin.cli.corpus import corpus_path
from akin.cli.output import say
from akin.stack_settings import Settings
from benchmarks.encoder import parts, targets
from benchmarks.encoder.parts import TIMED_PARTS, Effort
from benchmarks.encoder.plot import plot_run
from benchmarks.encoder.systems import (
    EmbeddingSystem,
    EngineProcess,
    start_engines,
    start_infinity,
    start_triton_servers,
)
from benchmarks.encoder.texts import Supply, read_complete_papers
from benchmarks.environment import INFINITY, PEERS, ROOT, peer_environment
from benchmarks.processes import WorkerFailed
from benchmarks.report import Row, rows_table, write_rows

ENCODER_PARTS = ("bulk", "clients", "alone", "gathered", "batches", "fidelity")
_PAPERS = 30_000
_CALIBRATION = 300


def main(arguments: Sequence[str]) -> None:
    """Measure, print the tables, and write them with the plot to `data/benchmarks/`."""
    if arguments[:1] == ["memory"]:
        from benchmarks.encoder import memory

        memory.main(arguments[1:])
        return
    if arguments[:1] == ["search"]:
        from benchmarks.encoder import search

        search.main(arguments[1:])
        return
    parser = argparse.ArgumentParser(prog="make bench NAME=encoder", description=__doc__)
    parser.add_argument("corpus", nargs="?", default="sample", help="a file of papers (default: the sample)")
    parser.add_argument("--quick", action="store_true", help="one short round of everything, as a trial")
    parser.add_argument("--parts", nargs="+", choices=ENCODER_PARTS, default=ENCODER_PARTS, help="measure only these")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each cell; the median counts (default 3)")
    parser.add_argument("--seconds", type=float, default=1.2, help="seconds of each cell in each round (default 1.2)")
    parser.add_argument(
        "--step", action="store_true", help="wait for a line on standard input before each part (for shared machines)"
    )
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # so that the servers are stopped
    effort = Effort(1, 0.2) if options.quick else Effort(options.rounds, options.seconds)
    settings = Settings.read()
    papers = read_complete_papers(corpus_path(settings, options.corpus), _PAPERS)
    supply = Supply(papers)
    folder = settings.data / "benchmarks"
    rows: list[Row] = []
    try:
        with start_systems(settings, folder / "encoder", supply) as systems:
            for part in options.parts:
                if options.step:
                    say(f"ready to measure: {part}")
                    sys.stdin.readline()
                say(f"measuring: {part}")
                if part == "fidelity":
                    rows += parts.fidelity(systems, supply, 32 if options.quick else 192)
                else:
                    rows += TIMED_PARTS[part](systems, supply, effort)
                write_results([*rows, *parts.memory(systems)], folder, systems, supply)
    except WorkerFailed as error:
        raise SystemExit(str(error)) from error
    print((folder / "encoder.md").read_text())
    say(f"written to {folder / 'encoder.json'}, encoder.md and encoder.svg")


def write_results(rows: Sequence[Row], folder: Path, systems: Sequence[EmbeddingSystem], supply: Supply) -> None:
    """Write the results so far: an interrupted run leaves the parts that it has measured."""
    peers = {each.name: each.versions for each in systems if isinstance(each, EngineProcess)}
    findings = targets.compare_with_targets(rows)
    texts = {"given": dict(supply.given), "composed": dict(supply.composed)}
    path = write_rows("encoder", rows, folder, peers=peers, texts=texts, judged=[vars(each) for each in findings])
    path.with_suffix(".md").write_text(f"{targets.results_table(findings)}\n{rows_table(rows)}")
    path.with_suffix(".svg").write_text(plot_run(rows))


@contextmanager
def start_systems(settings: Settings, folder: Path, supply: Supply) -> Iterator[list[EmbeddingSystem]]:
    """Start every system and yield them when all are ready; end them at the end, also after an error."""
    for python, name in ((PEERS, ".venv-peers"), (INFINITY, ".venv-infinity")):
        if not python.exists():
            raise SystemExit(f"{name} does not exist: run `make {name}/ready`, or start the benchmark by `make bench`.")
    models, logs = export_models(folder, supply), folder / "logs"
    with ExitStack() as stack:
        systems: list[EmbeddingSystem] = []

        def add(system: EmbeddingSystem) -> None:
            stack.callback(system.close)
            systems.append(system)

        say("starting the peers, in processes of their own")
        engines = start_engines(settings, models, logs)
        for engine in engines:
            add(engine)
        for engine in engines:
            engine.await_ready()
        say("starting infinity's servers and Triton")
        add(start_infinity("infinity torch, HTTP", "torch", models / "torch", logs))
        add(start_infinity("infinity optimum INT8, HTTP", "optimum", models / "infinity", logs))
        add(start_infinity("infinity ctranslate2, HTTP", "ctranslate2", models / "torch", logs))
        for served in start_triton_servers(settings, logs):
            add(served)
        yield systems


def export_models(folder: Path, supply: Supply) -> Path:
    """Export the same weights with the peers' own tools, unless the exports exist, and return their folder."""
    models = folder / "models"
    if not models.exists():
        say("exporting the model for the peers, by their own tools (two minutes, once)")
        calibration = folder / "calibration" / "train.jsonl"
        calibration.parent.mkdir(parents=True, exist_ok=True)
        texts = supply.take("abstracts", _CALIBRATION)
        calibration.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        log = folder / "logs" / "export.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        command: list[str | Path] = [PEERS, "-m", "benchmarks.encoder.prepare", models, calibration]
        with log.open("wb") as output:
            done = subprocess.run(command, env=peer_environment(), cwd=ROOT, stdout=output, stderr=output, check=False)
        if done.returncode:
            raise SystemExit(f"the export of the peers' models failed; see {log}")
    return models
