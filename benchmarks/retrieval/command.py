"""Run `make bench NAME=retrieval`: prepare the collection, build the indexes, measure, write the report."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from akin.cli.output import say
from akin.registry.versions import MODEL, promoted_version
from akin.stack_settings import Settings
from akin.storage.durable import replace_file
from benchmarks.environment import RETRIEVAL
from benchmarks.processes import WorkerFailed
from benchmarks.report import Row, machine_class, rows_table, write_rows
from benchmarks.retrieval import growth
from benchmarks.retrieval.collection import embed_collection, prepare_collection
from benchmarks.retrieval.comparison import AKIN, REFERENCE, SystemResult, build_system, compare_systems, result_rows
from benchmarks.retrieval.http_path import measure_over_http
from benchmarks.retrieval.plot import Points, plot
from benchmarks.retrieval.systems import CANDIDATE_PREFIX, OURS, SYSTEMS

MOST_TEXTS = 2_500_000
RETRIEVAL_PARTS = ("index", "http")


def main() -> None:
    """Measure the chosen parts and sizes; print the table and write it to `data/benchmarks/`."""
    settings = Settings.read()
    options = parse_options(settings)
    encoder = promoted_version(settings.repository)
    collection = prepare_collection(options.source, options.folder, options.texts, encoder.digest, say)
    sizes = [size(name) for name in options.sizes.split(",") if name]
    wanted = max(sizes)
    if options.embed:
        python = settings.triton_home / "python/bin/python"
        embed_collection(collection, wanted, settings.repository / MODEL / str(encoder.number), python, say)
    there = collection.embedded
    if short := [label(count) for count in sizes if count > there]:
        say(f"only {there:,} texts have vectors, so these sizes are left out: {', '.join(short)}")
    rows: list[Row] = []
    results = settings.data / "benchmarks"
    results.mkdir(parents=True, exist_ok=True)
    for count in [count for count in sizes if count <= there]:
        if "index" in options.parts:
            peers = [*options.candidates, *(name for name in options.peers.split(",") if name)]
            entries = index_search(peers, collection.folder, count, options.rounds)
            rows += result_rows(entries, label(count))
            curves = {entry.name: [(found, qps) for _, found, qps in entry.curve] for entry in entries}
            write_plot(
                results / f"retrieval-{label(count)}.svg", curves, "recall@10", "queries/s, two threads", log_x=False
            )
        if "http" in options.parts:
            rows += measure_over_http(collection, count, label(count), options.source, options.seconds, say)
    rows = earlier_rows(results / "retrieval.json", rows, collection.recipe) + rows
    rows.sort(key=lambda row: size(row.dataset))
    path = write_rows("retrieval", rows, results, texts=collection.recipe)
    print(rows_table(rows))
    names = {row.dataset: size(row.dataset) for row in rows}
    found = growth.curves(rows, names)
    if found:
        grown = growth.growth_table(found, {count: name for name, count in names.items()})
        replace_file(results / "retrieval-growth.md", grown.encode())
        write_plot(results / "retrieval-growth.svg", found, "papers", "cost, in the unit of each line")
        print(grown)
    say(f"written to {path} and {path.with_suffix('.md')}")


def parse_options(settings: Settings) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="make bench NAME=retrieval", description=__doc__)
    parser.add_argument("source", type=Path, help="a file of papers, such as 100,000 records of arXiv")
    parser.add_argument(
        "--folder", type=Path, default=settings.data / "vectors", help="the folder of the collection and the indexes"
    )
    parser.add_argument("--texts", type=int, default=MOST_TEXTS, help="the number of texts to cut out of the papers")
    parser.add_argument("--sizes", default="600k,2.5M", help="the sizes to measure at, such as 600k,2.5M")
    peers = ",".join(name for name in SYSTEMS if name not in OURS)
    parser.add_argument("--peers", default=peers, help="the systems to compare with, separated by commas")
    parser.add_argument("--candidates", nargs="*", default=[], help="recipes to try, such as 'akin RaBitQ,Refine(SQ8)'")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of every measurement; the median counts")
    parser.add_argument("--no-embed", dest="embed", action="store_false", help="use only the existing vectors")
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=RETRIEVAL_PARTS,
        default=RETRIEVAL_PARTS,
        help="index search, searches over HTTP, or both",
    )
    parser.add_argument("--seconds", type=int, default=30, help="seconds for which a rate of requests is sustained")
    return parser.parse_args()


def index_search(peers: list[str], folder: Path, count: int, rounds: int) -> list[SystemResult]:
    """Build and measure the systems on the first `count` vectors; report systems that cannot be built, and go on."""
    indexes = folder / "indexes"
    entries: list[SystemResult] = []
    for name in (REFERENCE, AKIN, *peers):
        say(f"{label(count)}: building {name}")
        try:
            entries.append(build_system(name, python_of(name), folder, count, indexes))
        except WorkerFailed as error:
            say(str(error))
    compare_systems(entries, python_of, folder, count, indexes, rounds, say)
    return entries


def earlier_rows(path: Path, rows: Sequence[Row], recipe: Mapping[str, object]) -> list[Row]:
    """Return rows of earlier runs on the same collection and class of machine, except those that `rows` replaces."""
    try:
        earlier = json.loads(path.read_bytes())
        if earlier["texts"] != recipe or earlier["machine"] != machine_class():
            return []
        found = [Row(**row) for row in earlier["rows"]]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return []
    anew = {(row.dataset, is_http_row(row)) for row in rows}
    return [row for row in found if (row.dataset, is_http_row(row)) not in anew]


def is_http_row(row: Row) -> bool:
    """Return True if a figure is of searches over HTTP, False if it is of index search."""
    return "over HTTP" in row.system


def write_plot(path: Path, curves: Mapping[str, Points], x_label: str, y_label: str, *, log_x: bool = True) -> None:
    """Write a plot as SVG."""
    replace_file(path, plot(curves, x_label, y_label, log_x=log_x).encode())


def python_of(system: str) -> Path:
    """Return the interpreter of the environment that a system is installed in."""
    return Path(sys.executable) if system in OURS or system.startswith(CANDIDATE_PREFIX) else RETRIEVAL


def size(name: str) -> int:
    """Return the number that a text such as `600k` or `2.5M` means."""
    units = {"k": 1_000, "M": 1_000_000}
    return round(float(name[:-1]) * units[name[-1]]) if name[-1:] in units else int(name)


def label(count: int) -> str:
    """Return a number as `600k` or `2.5M`."""
    return f"{count / 1e6:g}M" if count >= 1_000_000 else f"{count / 1000:g}k"
