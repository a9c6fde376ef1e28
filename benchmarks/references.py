"""Measure the import of references: time and memory, with generated works of OpenAlex.

The corpus has only ids. Each work cites on average ten others, the first ones most, as papers do; the file is gzip.
"""

from __future__ import annotations

import argparse
import gzip
import resource
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np

from akin.cli.output import say
from akin.indexing.references.collecting import Collector
from akin.indexing.references.identities import CorpusRows
from akin.indexing.references.importing import write_arrays
from akin.indexing.references.pairs import PairFiles
from akin.indexing.references.sources import find_files
from akin.stack_settings import Settings
from benchmarks.report import Row, write_and_print

_BATCH = 10_000
_NUMBERS = 99_999  # of a month


def main() -> None:
    """Generate the works, import them, and print the figures."""
    parser = argparse.ArgumentParser(prog="make bench NAME=references", description=__doc__)
    parser.add_argument("--papers", type=int, default=1_000_000)
    parser.add_argument("--each", type=int, default=10, help="references of a paper, on average")
    options = parser.parse_args()
    settings = Settings.read()
    folder = settings.data / "benchmarks" / "references"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_catalogue(folder / "catalogue.sqlite", options.papers)
    works = folder / "works.jsonl.gz"
    with gzip.open(works, "wt", compresslevel=1) as file:
        file.writelines(generated_works(options.papers, options.each))
    say(f"{works.stat().st_size / 1e6:,.0f} MB of works")
    rows = measure(folder, works)
    write_and_print("references", rows, settings.data / "benchmarks", say)
    shutil.rmtree(folder)


def measure(folder: Path, works: Path) -> list[Row]:
    """Return the seconds of each part of an import, its pairs, and the peak of the process's memory."""
    started = perf_counter()
    rows = CorpusRows(folder / "catalogue.sqlite")
    known = perf_counter()
    pairs = PairFiles(folder / "cites", len(rows))
    collector = Collector(rows, pairs, folder, lambda _: None)
    collector.read(find_files([works]))
    read = perf_counter()
    directory = folder / "snapshot"
    directory.mkdir()
    written = write_arrays(pairs, folder / "transposed", directory, collector.totals)
    done = perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = sum(path.stat().st_size for path in (directory / "references").iterdir()) / 1e6
    figures = (
        ("ids of the corpus", known - started, "s"), ("reading", read - known, "s"), ("sorting", done - read, "s"),
        ("pairs", written.pairs, ""), ("peak of memory", peak, "MB"), ("arrays", size, "MB"),
    )  # fmt: skip
    return [Row("import", f"{len(rows):,} papers", name, value, unit) for name, value, unit in figures]


def paper_id(number: int) -> str:
    """Return the id of a paper."""
    month = number // _NUMBERS
    return f"{15 + month // 12:02}{1 + month % 12:02}.{1 + number % _NUMBERS:05}"


def write_catalogue(path: Path, papers: int) -> None:
    """Write what an import reads of a catalogue."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE paper (row INTEGER PRIMARY KEY, id TEXT UNIQUE, doi TEXT)")
        db.executemany("INSERT INTO paper VALUES (?, ?, NULL)", ((row, paper_id(row)) for row in range(papers)))
    db.close()


def generated_works(papers: int, each: int) -> Iterator[str]:
    """Yield the line of each paper's work, each with `each` references on average."""
    chance = np.random.default_rng(1)
    for first in range(0, papers, _BATCH):
        count = min(_BATCH, papers - first)
        for row, length in enumerate(chance.poisson(each, count).tolist(), first):
            cited = (papers * chance.random(length) ** 2).astype(np.int64).tolist()
            references = ",".join(f'"https://openalex.org/W{10**9 + one}"' for one in cited)
            yield (
                f'{{"id":"https://openalex.org/W{10**9 + row}","doi":"https://doi.org/10.48550/arxiv.{paper_id(row)}",'
                f'"title":"A title of a paper","cited_by_count":{length},"referenced_works":[{references}]}}\n'
            )
