"""`make bench NAME=retrieval`: prepares the collection, builds the indexes, measures, writes the report."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from akin.cli.output import say
from akin.registry.versions import MODEL, promoted_version
from akin.settings import ROOT, Settings
from benchmarks.report import Row, machine, table, write
from benchmarks.retrieval import growth
from benchmarks.retrieval.collection import embed, prepare
from benchmarks.retrieval.comparison import AKIN, REFERENCE, SystemResult, WorkerFailed, build, compare, result_rows
from benchmarks.retrieval.http_path import measure_over_http
from benchmarks.retrieval.plot import Points, plot
from benchmarks.retrieval.systems import CANDIDATE, OURS, SYSTEMS
from storage.durable import replace_file

LARGEST = 2_500_000
RETRIEVAL_PARTS = ("index", "http")
PEERS_PYTHON = ROOT / ".venv-retrieval/bin/python"


def main() -> None:
    """Measures what is asked for; prints the table and writes it below `data/benchmarks/`."""
    settings = Settings.read()
    asked = options(settings)
    encoder = promoted_version(settings.repository)
    collection = prepare(asked.source, asked.folder, asked.texts, encoder.digest, say)
    sizes = [size(name) for name in asked.sizes.split(",") if name]
    wanted = max(sizes)
    if asked.embed:
        python = settings.triton_home / "python/bin/python"
        embed(collection, wanted, settings.repository / MODEL / str(encoder.number), python, say)
    there = collection.embedded
    if short := [label(count) for count in sizes if count > there]:
        say(f"only {there:,} texts have vectors: {', '.join(short)} left out")
    rows: list[Row] = []
    results = settings.data / "benchmarks"
    results.mkdir(parents=True, exist_ok=True)
    for count in [count for count in sizes if count <= there]:
        if "index" in asked.parts:
            peers = [*asked.candidates, *(name for name in asked.peers.split(",") if name)]
            entries = index_search(peers, collection.folder, count, asked.rounds)
            rows += result_rows(entries, label(count))
            curves = {entry.name: [(found, qps) for _, found, qps in entry.curve] for entry in entries}
            draw(results / f"retrieval-{label(count)}.svg", curves, "recall@10", "queries/s, two threads", log_x=False)
        if "http" in asked.parts:
            rows += measure_over_http(collection, count, label(count), asked.source, asked.seconds, say)
    rows = earlier_rows(results / "retrieval.json", rows, collection.recipe) + rows
    rows.sort(key=lambda row: size(row.dataset))
    path = write("retrieval", rows, results, texts=collection.recipe)
    print(table(rows))
    names = {row.dataset: size(row.dataset) for row in rows}
    found = growth.curves(rows, names)
    if found:
        grown = growth.table(found, {count: name for name, count in names.items()})
        replace_file(results / "retrieval-growth.md", grown.encode())
        draw(results / "retrieval-growth.svg", found, "papers", "cost, in the unit of each line")
        print(grown)
    say(f"written to {path} and {path.with_suffix('.md')}")


def options(settings: Settings) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="make bench NAME=retrieval", description=__doc__)
    parser.add_argument("source", type=Path, help="papers, such as 100,000 records of arXiv")
    parser.add_argument("--folder", type=Path, default=settings.data / "vectors", help="where the collection is kept")
    parser.add_argument("--texts", type=int, default=LARGEST, help="texts to cut out of the papers")
    parser.add_argument("--sizes", default="600k,2.5M", help="sizes to measure at, such as 600k,2.5M")
    peers = ",".join(name for name in SYSTEMS if name not in OURS)
    parser.add_argument("--peers", default=peers, help="the systems to compare with, a comma between them")
    parser.add_argument("--candidates", nargs="*", default=[], help="recipes to try too: 'akin RaBitQ,Refine(SQ8)'")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of every measurement; medians are reported")
    parser.add_argument("--no-embed", dest="embed", action="store_false", help="measure with the vectors there are")
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=RETRIEVAL_PARTS,
        default=RETRIEVAL_PARTS,
        help="index search, and the path over HTTP",
    )
    parser.add_argument("--seconds", type=int, default=30, help="how long a rate of requests is sustained")
    return parser.parse_args()


def index_search(peers: list[str], folder: Path, count: int, rounds: int) -> list[SystemResult]:
    """Builds and measures the systems on the first `count` vectors; one that fails is told and left out."""
    indexes = folder / "indexes"
    entries: list[SystemResult] = []
    for name in (REFERENCE, AKIN, *peers):
        say(f"{label(count)}: building {name}")
        try:
            entries.append(build(name, python_of(name), folder, count, indexes))
        except WorkerFailed as error:
            say(str(error))
    compare(entries, python_of, folder, count, indexes, rounds, say)
    return entries


def earlier_rows(path: Path, rows: Sequence[Row], recipe: Mapping[str, object]) -> list[Row]:
    """The rows of earlier runs on the same collection and kind of machine, but for the parts measured anew."""
    try:
        earlier = json.loads(path.read_bytes())
        if earlier["texts"] != recipe or earlier["machine"] != machine():
            return []
        found = [Row(**row) for row in earlier["rows"]]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return []
    anew = {(row.dataset, is_http_row(row)) for row in rows}
    return [row for row in found if (row.dataset, is_http_row(row)) not in anew]


def is_http_row(row: Row) -> bool:
    """Whether a figure is of the whole path, and not of index search."""
    return "over HTTP" in row.system


def draw(path: Path, curves: Mapping[str, Points], x_label: str, y_label: str, *, log_x: bool = True) -> None:
    """Writes a plot."""
    replace_file(path, plot(curves, x_label, y_label, log_x=log_x).encode())


def python_of(system: str) -> Path:
    """The interpreter of the environment that a system is installed in."""
    return Path(sys.executable) if system in OURS or system.startswith(CANDIDATE) else PEERS_PYTHON


def size(name: str) -> int:
    """`600k` and `2.5M` as numbers."""
    units = {"k": 1_000, "M": 1_000_000}
    return round(float(name[:-1]) * units[name[-1]]) if name[-1:] in units else int(name)


def label(count: int) -> str:
    """A number as `600k` or `2.5M`."""
    return f"{count / 1e6:g}M" if count >= 1_000_000 else f"{count / 1000:g}k"
