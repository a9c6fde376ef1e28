"""Measure the relevance of answers: index test collections and search them through the running service."""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from akin.cli.output import say
from akin.relevance import Collection, mean_metrics, read_collections, scores_of_order
from akin.stack import local_http
from akin.stack_settings import Settings
from benchmarks.report import Row, rows_table, write_rows
from benchmarks.stack import index_collection, private_stack

MODES = ("lexical", "dense", "hybrid")
METRICS = ("nDCG@10", "MRR@10", "recall@100")


def main() -> None:
    """Measure every collection in every mode, print the table and write it below `data/benchmarks/`."""
    parser = argparse.ArgumentParser(prog="make bench NAME=relevance", description=__doc__)
    parser.add_argument("collections", nargs="+", type=Path, help="folders in BEIR's layout")
    rows = measure(read_collections(parser.parse_args().collections))
    path = write_rows("relevance", rows, Settings.read().data / "benchmarks")
    print(rows_table(rows))
    say(f"written to {path} and {path.with_suffix('.md')}")


def measure(collections: list[Collection]) -> list[Row]:
    """Return the metrics of every collection in every mode, from a stack that is started for them."""
    rows: list[Row] = []
    with private_stack("relevance") as settings:
        for collection in collections:
            index_collection(settings, collection)
            for mode in MODES:
                rows += measure_mode(settings, collection, mode)
    return rows


def measure_mode(settings: Settings, collection: Collection, mode: str) -> list[Row]:
    """Return the metrics of one collection in one mode."""

    def search(query: str) -> dict[str, float]:
        body = {"query": collection.queries[query], "k": 100, "mode": mode}
        answer = client.post("/search", json=body).raise_for_status().json()
        return scores_of_order([paper["id"] for paper in answer["results"]])

    with local_http.client(base_url=settings.service_url, timeout=60) as client, ThreadPoolExecutor(4) as pool:
        run = dict(zip(collection.queries, pool.map(search, collection.queries), strict=True))
    means = mean_metrics(run, collection.qrels, METRICS)
    return [Row(mode, collection.name, metric, round(value, 4)) for metric, value in means.items()]
