"""Measure the rates of docs/performance.md that were measured with equally spaced arrivals, with random ones.

The rows are printed as Markdown, to be pasted there. With papers it builds a snapshot of them first, in a stack of its
own; with the data folder of another measurement, such as `data/benchmarks/retrieval/2500000`, it serves what is there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from akin.cli.index import build_index
from akin.cli.output import say
from akin.stack.processes import free_ports
from akin.stack_settings import PORTS, Settings
from benchmarks.report import Row, write_and_print
from benchmarks.retrieval.http_path import LOADS, USERS, highest_rate, many_users, run_service
from benchmarks.stack import private_settings

_NAMES = {
    ("short", "hybrid"): ("short hybrid searches", "100 a second, p95 100 ms"),
    ("short", "dense"): ("short dense searches", "250 a second, p95 100 ms"),
    ("long", "hybrid"): ("abstracts, hybrid", "p95 120 ms"),
}


def main() -> None:
    """Measure the three rates and the users, and print the rows of the table."""
    parser = argparse.ArgumentParser(prog="make bench NAME=arrivals", description=__doc__)
    parser.add_argument("papers", type=Path, help="papers to draw queries from, and to index without --data")
    parser.add_argument("--data", type=Path, help="data folder whose live snapshot is served")
    parser.add_argument("--seconds", type=int, default=20, help="of each sustained rate, and of the users (20)")
    parser.add_argument("--budget", type=int, default=90, help="most seconds for finding each rate (90)")
    given = parser.parse_args()
    settings = private_settings("arrivals")
    if given.data:
        settings = Settings.read().with_data_and_ports(given.data.absolute(), free_ports(len(PORTS)))
    else:
        build_index(settings, str(given.papers))
    dataset = str(given.data or given.papers)
    rows: list[Row] = []
    with run_service(settings, say):
        for requests, mode, limit_ms in LOADS:
            rows += highest_rate(
                settings, dataset, given.papers, requests, mode, limit_ms, given.seconds, budget=given.budget
            )
        rows += many_users(settings, dataset, given.papers, given.seconds)
    write_and_print("arrivals", rows, settings.data.parent / "results", say, dataset=dataset)
    print(markdown(rows, given.seconds))


def markdown(rows: Sequence[Row], seconds: int) -> str:
    """Return the rows as the table of docs/performance.md."""
    values = {(row.system, row.metric): row.value for row in rows}
    lines = [f"| load | target | sustained for {seconds} s |", "| --- | --- | --- |"]
    for (requests, mode), (name, target) in _NAMES.items():
        system = f"akin over HTTP, {requests}, {mode}"
        lines.append(f"| {name} | {target} | {_rate(values, system)} |")
    system = f"akin over HTTP, {USERS} people"
    users = f"{values[system, 'rate']:.0f} answers/s, p50 {values[system, 'p50_under_load']:.0f}, "
    users += f"p95 {values[system, 'p95_under_load']:.0f} ms, {values[system, 'errors']:.0f} errors"
    lines.append(f"| {USERS} users, the reference's mix | p95 60 ms, no errors | {users} |")
    return "\n".join(lines)


def _rate(values: dict[tuple[str, str], float], system: str) -> str:
    rate = values[system, "rate"]
    if not rate:
        return "no rate was fast"
    p50, p95 = values[system, "p50_ms_under_load"], values[system, "p95_ms_under_load"]
    return f"{rate:.0f} a second, p50 {p50:.0f}, p95 {p95:.0f} ms"
