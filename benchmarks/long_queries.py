"""Measure a limit on the index entries that lexical search reads: time and relevance for long queries.

The corpus is indexed with the first half of every abstract. The second halves of some abstracts are the queries, and
each should find the paper that it was cut from. Limits are chosen by these figures. Test collections, if given, are
searched with the same limits to show the loss there.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import msgspec

from akin.cli.output import say
from akin.indexing.lexical_writer import LexicalWriter
from akin.papers import Paper, parse_mapping, read_papers
from akin.relevance import corpus_file, mean_metrics, read_collections, scores_of_order
from akin.stack_settings import Settings
from benchmarks.report import Row, rows_table, write_rows
from benchmarks.stack import FIELDS
from retrieval_service.adapters.tantivy_index import TantivyIndex

SHARES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 1000.0)
"""Limits, as multiples of the number of papers."""

_LEAST_WORDS = 80
_WINDOW = 2000


def main() -> None:
    """Measure the corpus and every collection, print the table and write it below `data/benchmarks/`."""
    parser = argparse.ArgumentParser(prog="make bench NAME=long_queries", description=__doc__)
    parser.add_argument("corpus", help="a file of papers to choose the limit with")
    parser.add_argument("collections", nargs="*", type=Path, help="folders in BEIR's layout")
    parser.add_argument("--queries", type=int, default=1500)
    options = parser.parse_args()
    rows = half_abstracts(options.corpus, options.queries)
    for collection in read_collections(options.collections):
        corpus = corpus_file(collection, Settings.read().data / "benchmarks" / "collections")
        papers = list(read_papers(corpus, mapping=parse_mapping(FIELDS)))
        with lexical_index(papers) as directory:
            rows += measure_limits(collection.name, directory, papers, collection.queries, collection.qrels)
    path = write_rows("long_queries", rows, Settings.read().data / "benchmarks")
    print(rows_table(rows))
    say(f"written to {path} and {path.with_suffix('.md')}")


def half_abstracts(corpus: str, queries: int) -> list[Row]:
    """Return the metrics of a search for papers by the second halves of their abstracts."""
    first, second = [], []
    for paper in read_papers(corpus):
        words = paper.abstract.split()
        first.append(msgspec.structs.replace(paper, abstract=" ".join(words[: len(words) // 2])))
        second.append(words[len(words) // 2 :])
    long = [row for row, words in enumerate(second) if 2 * len(words) > _LEAST_WORDS]
    chosen = random.Random(5).sample(long, min(queries, len(long)))
    texts = {first[row].id: " ".join(second[row]) for row in chosen}
    with lexical_index(first) as directory:
        return measure_limits(Path(corpus).name, directory, first, texts, {name: {name: 1} for name in texts})


@contextmanager
def lexical_index(papers: list[Paper]) -> Iterator[Path]:
    """Yield a lexical index of papers in a temporary directory."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "lexical"
        writer = LexicalWriter(directory)
        for at in range(0, len(papers), _WINDOW):
            writer.add(at, papers[at : at + _WINDOW])
        writer.close()
        yield directory


def measure_limits(
    name: str,
    directory: Path,
    papers: Sequence[Paper],
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
) -> list[Row]:
    """Return nDCG@10, recall@100 and the median time for every limit."""
    rows = []
    for share in SHARES:
        index = TantivyIndex(directory, terms=1000, postings=max(1, round(share * len(papers))))
        found, times = {}, []
        for query, text in queries.items():
            started = perf_counter()
            hits = index.search(text, 100)
            times.append((perf_counter() - started) * 1000)
            found[query] = scores_of_order([papers[row].id for row in hits.rows.tolist()])
        system = f"{share:g} entries a paper" if share <= SHARES[-2] else "all entries"
        means = mean_metrics(found, qrels, ("nDCG@10", "recall@100"))
        rows += [Row(system, name, metric, round(value, 4)) for metric, value in means.items()]
        rows.append(Row(system, name, "ms, median", round(statistics.median(times), 3), "ms"))
    return rows
