"""How relevant the answers are: test collections, indexed and searched through the served path."""

from __future__ import annotations

import argparse
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from akin.cli.output import say
from akin.settings import Settings
from akin.stack import local_http
from benchmarks.beir import Collection, load, ndcg, recall, reciprocal_rank
from benchmarks.report import Row, table, write
from benchmarks.stack import index_collection, private_stack

MODES = ("lexical", "dense", "hybrid")


def main() -> None:
    """Measures every collection in every mode; prints the table and writes it below `data/benchmarks/`."""
    parser = argparse.ArgumentParser(prog="make bench NAME=relevance", description=__doc__)
    parser.add_argument("collections", nargs="+", type=Path, help="folders in BEIR's layout")
    folders = parser.parse_args().collections
    collections = [load(folder) for folder in folders]
    rows = measure(collections)
    path = write("relevance", rows, Settings.read().data / "benchmarks")
    print(table(rows))
    say(f"written to {path} and {path.with_suffix('.md')}")


def measure(collections: list[Collection]) -> list[Row]:
    """The measures of every collection, through a stack that is started for them."""
    rows: list[Row] = []
    with private_stack("relevance") as settings:
        for collection in collections:
            index_collection(settings, collection)
            for mode in MODES:
                rows += measure_mode(settings, collection, mode)
    return rows


def measure_mode(settings: Settings, collection: Collection, mode: str) -> list[Row]:
    """The measures of one collection in one mode."""

    def ranking(query: str) -> tuple[list[str], float]:
        body = {"query": collection.queries[query], "k": 100, "mode": mode}
        answer = client.post("/search", json=body).raise_for_status().json()
        return [paper["id"] for paper in answer["results"]], answer["timings"]["total_ms"]

    with local_http.client(base_url=settings.service_url, timeout=60) as client, ThreadPoolExecutor(4) as pool:
        answers = dict(zip(collection.queries, pool.map(ranking, collection.queries), strict=True))
    pairs = [(ids, collection.qrels[query]) for query, (ids, _) in answers.items()]
    figures = {
        "nDCG@10": statistics.mean(ndcg(ids, gains) for ids, gains in pairs),
        "MRR@10": statistics.mean(reciprocal_rank(ids, gains) for ids, gains in pairs),
        "recall@100": statistics.mean(recall(ids, gains, 100) for ids, gains in pairs),
    }
    return [Row(mode, collection.name, metric, round(value, 4)) for metric, value in figures.items()]
