"""Measure what a reranker adds to the time of a search, over HTTP, with the running stack.

The queries are titles of a file of papers. Each is sent with every number of results to rerank in turn, so that other
work on the machine slows all of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

from akin.cli.output import say
from akin.papers import read_papers
from akin.stack import local_http
from akin.stack_settings import Settings
from benchmarks.report import Row, percentile_rows, write_and_print

_WARM = 5

Send = Callable[[dict[str, Any]], dict[str, Any]]


def main() -> None:
    """Measure the running stack, print the table and write it to `data/benchmarks/`."""
    parser = argparse.ArgumentParser(prog="make bench NAME=reranking", description=__doc__)
    parser.add_argument("papers", type=Path, help="a file of papers, whose titles are the queries")
    parser.add_argument("--rerank", default="0,10,30", help="numbers of results, with commas (default: %(default)s)")
    parser.add_argument("--queries", type=int, default=200, help="queries of a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the median counts (default: %(default)s)")
    options = parser.parse_args()
    settings = Settings.read()
    with read_papers(options.papers) as papers:
        titles = [paper.title for paper in islice(papers, options.queries + _WARM)]

    def send(body: dict[str, Any]) -> dict[str, Any]:
        answer = local_http.post(f"{settings.service_url}/search", body, timeout=30).raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    depths = [int(text) for text in options.rerank.split(",")]
    rows = measure(send, titles, depths, options.rounds)
    write_and_print("reranking", rows, settings.data / "benchmarks", say)


def measure(send: Send, queries: Sequence[str], depths: Sequence[int], rounds: int) -> list[Row]:
    """Return the median and the 95th percentile of the time of a search for each number of results to rerank.

    Raises:
        SystemExit: A search is not reranked as asked for.
    """
    taken: dict[int, list[list[float]]] = {depth: [[] for _ in range(rounds)] for depth in depths}
    for turn in range(rounds):
        for number, query in enumerate(queries):
            for depth in depths:
                started = perf_counter()
                answer = send({"query": query, "rerank": depth})
                seconds = perf_counter() - started
                if answer["degraded"] or (depth and answer["results"] and not answer["reranked"]):
                    why = answer["degraded"] or " ".join(answer["notes"])
                    raise SystemExit(f"rerank={depth} cannot be measured: {why} See `akin reranker list`.")
                if number >= _WARM:
                    taken[depth][turn].append(seconds)
    return [
        row for depth, times in taken.items() for row in percentile_rows(f"rerank={depth}", "search", times, 50, 95)
    ]
