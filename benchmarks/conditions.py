"""Measure how much searches slow down beside searches with conditions that many papers meet.

One thread searches for titles and its latency is measured: alone, and while another thread searches with conditions of
one kind without a pause, each with another word, so that no cache can answer. The papers are composed of those of a
file: each has the title of one, parts of the abstracts of two others, and the authors of a fourth.
"""

from __future__ import annotations

import argparse
import random
import shutil
import threading
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import cycle, islice, product
from pathlib import Path
from string import ascii_lowercase
from time import perf_counter
from typing import NamedTuple

import numpy as np

from akin.cli.output import say
from akin.indexing.catalogue_writer import CatalogueWriter
from akin.indexing.lexical_writer import LexicalWriter
from akin.papers import Paper, read_papers
from akin.stack_settings import Settings
from benchmarks.report import Row, write_and_print
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.adapters.tantivy_index import TantivyIndex
from retrieval_service.search.filters import filter_rows, make_filter
from retrieval_service.search.operators import parse_query
from retrieval_service.search.request import SearchRequest

_BATCH = 5_000
_HALF = 350  # characters of an abstract
_TITLES = 500
_WORDS = "model data method result system network field energy state time quantum base".split()
_PHRASES = (
    *("neural network", "machine learning", "state of the art", "magnetic field", "deep learning", "ground state"),
    *("large scale", "phase transition", "black hole", "dark matter", "time series", "convolutional neural network"),
)
_NAMES = ("W. Zhang", "Y. Wang", "J. Li", "X. Liu", "C. Chen", "S. Kumar", "M. Müller", "A. Smith", "H. Kim", "D. Lee")
_DAYS = tuple(date(2010, 1, day) for day in range(1, 25))  # more than the cache of filters holds

CONDITIONS: dict[str, list[SearchRequest]] = {
    "nothing but words": [SearchRequest(text=f"{word} of galaxies") for word in _WORDS],
    "-model": [SearchRequest(text=f"galaxies -{word}") for word in _WORDS],
    '"neural"': [SearchRequest(text=f'galaxies "{word}"') for word in _WORDS],
    '"neural network"': [SearchRequest(text=f'galaxies "{phrase}"') for phrase in _PHRASES],
    "authors=a": [SearchRequest(text="galaxies", authors=(letter,)) for letter in "abcdefghijklm"],
    "authors=W. Zhang": [SearchRequest(text="galaxies", authors=(name,)) for name in _NAMES],
    "categories=cs.*": [SearchRequest(text="galaxies", categories=("cs.*", "math.*"), first=day) for day in _DAYS],
    "from=2010": [SearchRequest(text="galaxies", first=day) for day in _DAYS],
    "60 exclusions": [
        SearchRequest(
            text="galaxies "
            + " ".join(f"-{one}{other}" for one, other in islice(product(letters, ascii_lowercase), 60))
        )
        for letters in (ascii_lowercase[first:] for first in range(0, 24, 2))
    ],
    "all of these": [
        SearchRequest(text=f'galaxies -{word} "{phrase}"', authors=("a", "s", "m"), categories=("cs.*",), first=day)
        for word, phrase, day in zip(_WORDS, _PHRASES, _DAYS, strict=False)
    ],
}
"""Requests of the other thread, by the name of their kind; the first kind is an ordinary search."""


class Window(NamedTuple):
    """Measurements of one stretch of searches.

    Attributes:
        p95: The 95th percentile of the latency, in seconds.
        sent: Requests of the other thread, a second.
    """

    p95: float
    sent: float


def mix_papers(papers: Sequence[Paper], count: int, seed: int = 1) -> Iterator[Paper]:
    """Yield `count` papers composed of some; the same arguments always give the same papers."""
    rng = random.Random(seed)
    for number in range(count):
        one, first, second, other = (papers[rng.randrange(len(papers))] for _ in range(4))
        yield Paper(
            id=f"{one.id}-{number}",
            title=one.title,
            abstract=f"{first.abstract[:_HALF]} {second.abstract[-_HALF:]}",
            authors=other.authors,
            categories=one.categories,
            published=one.published,
        )


def open_lexical_search(corpus: str, count: int, folder: Path) -> tuple[SqliteCatalogue, TantivyIndex]:
    """Build the catalogue and the lexical index of `count` papers, unless they exist, and open them."""
    directory = folder / str(count)
    if not (directory / "complete").exists():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        say(f"building {count:,} papers in {directory}")
        catalogue = CatalogueWriter(directory / "catalogue.sqlite", "conditions")
        with LexicalWriter(directory / "lexical") as lexical:
            made = mix_papers(list(read_papers(corpus)), count)
            for first in range(0, count, _BATCH):
                some = list(islice(made, _BATCH))
                lexical.add(first, some)
                catalogue.add(some)
            lexical.close()
        catalogue.close()
        (directory / "complete").touch()
    return SqliteCatalogue(directory / "catalogue.sqlite"), TantivyIndex(directory / "lexical")


class LexicalSearch(NamedTuple):
    """Catalogue and lexical index that are searched."""

    catalogue: SqliteCatalogue
    lexical: TantivyIndex

    def search(self, request: SearchRequest) -> None:
        """Search as the service does for the lexical half, including the set of admitted papers."""
        query = parse_query(request.text or "")
        wanted = make_filter(request, query, self.catalogue)
        if wanted is not None:
            filter_rows(wanted, self.catalogue, self.lexical)
        self.lexical.search(query.words, request.k, admitted=wanted)


def measure_window(
    corpus: LexicalSearch, titles: Sequence[str], others: Sequence[SearchRequest], seconds: float
) -> Window:
    """Search for titles for some seconds, beside another thread that sends the other requests, if any."""
    stop = threading.Event()
    sent = 0

    def send() -> None:
        nonlocal sent
        for request in cycle(others):
            if stop.is_set():
                return
            corpus.search(request)
            sent += 1

    beside = threading.Thread(target=send)
    if others:
        beside.start()
    taken = []
    started = perf_counter()
    for title in cycle(titles):
        before = perf_counter()
        corpus.search(SearchRequest(text=title))
        taken.append(perf_counter() - before)
        if before - started > seconds:
            break
    stop.set()
    if others:
        beside.join()
    return Window(float(np.percentile(taken, 95)), sent / (perf_counter() - started))


def main() -> None:
    """Measure, print the table and write it to `data/benchmarks/`."""
    parser = argparse.ArgumentParser(prog="make bench NAME=conditions", description=__doc__)
    parser.add_argument("corpus", help="a file of papers to compose the papers of")
    parser.add_argument("--papers", type=int, default=2_500_000, help="the number of composed papers")
    parser.add_argument("--seconds", type=float, default=2, help="seconds of each window")
    parser.add_argument(
        "--rounds", type=int, default=8, help="number of windows with each kind of condition, and without"
    )
    parser.add_argument("--folder", type=Path, help="the folder of the index; default: data/benchmarks/conditions")
    options = parser.parse_args()
    settings = Settings.read()
    folder = options.folder or settings.data / "benchmarks" / "conditions"
    corpus = LexicalSearch(*open_lexical_search(options.corpus, options.papers, folder))
    titles = [paper.title for paper in islice(read_papers(options.corpus), _TITLES)]
    measure_window(corpus, titles, [], 2 * options.seconds)
    dataset, rows = f"{options.papers:,} papers", []
    for kind, requests in CONDITIONS.items():
        # In turn, and the best of each: other work on the machine only makes searches slower.
        pairs = [
            (
                measure_window(corpus, titles, [], options.seconds),
                measure_window(corpus, titles, requests, options.seconds),
            )
            for _ in range(options.rounds)
        ]
        alone, beside = (min(pair[side].p95 for pair in pairs) for side in (0, 1))
        rows += [
            Row(kind, dataset, "neighbour's p95 alone", 1000 * alone, "ms"),
            Row(kind, dataset, "neighbour's p95 beside", 1000 * beside, "ms"),
            Row(kind, dataset, "beside ÷ alone", beside / alone),
            Row(kind, dataset, "sent", float(np.median([pair[1].sent for pair in pairs])), "a second"),
        ]
        say(f"{kind}: {1000 * alone:.1f} ms alone, {1000 * beside:.1f} ms beside: {beside / alone:.2f} times")
    write_and_print("conditions", rows, settings.data / "benchmarks", say)
