"""Run the simulation from the command line: `make bench NAME=fleet ARGS="compare PAPERS"` or `ARGS="predict"`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from akin.cli.output import say
from akin.stack_settings import ROOT
from benchmarks.fleet.compare import compare, comparison_table
from benchmarks.fleet.predict import LOADS, Goal, predict, prediction_table
from benchmarks.fleet.times import read_times, write_times

TIMES = Path(__file__).with_name("times.json")
"""Times of the machine that docs/scaling.md is of."""

CHARTS = ROOT / "docs" / "images"


def main() -> None:
    """Measure and compare, or predict."""
    given = _parser().parse_args()
    if given.what == "compare":
        sys.exit(_compare(given))
    goal = Goal(given.p99, given.utilisation, given.spare, given.cores, given.price)
    times = read_times(given.times)
    say(f"{times.origin}: {times.core_ms:.1f} ms of a core for a search")
    print(prediction_table([predict(times, rate, goal) for rate in given.loads], goal))
    if given.charts:
        from benchmarks.fleet.charts import draw

        for path in draw(times, goal, given.charts):
            say(f"written to {path}")


def _compare(given: argparse.Namespace) -> int:
    if given.papers:
        from benchmarks.fleet.measure import measure

        times = measure(given.papers, given.seconds, say)
        write_times(times, given.times)
        say(f"written to {given.times}")
    else:
        times = read_times(given.times)
    found = compare(times)
    print(comparison_table(found))
    apart = [each for each in found if not each.agrees]
    say(f"{len(found) - len(apart)} of {len(found)} figures agree within 15 %")
    return 3 if apart else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench NAME=fleet", description=__doc__)
    kinds = parser.add_subparsers(dest="what", required=True)
    one = kinds.add_parser("compare", help="measure one machine, simulate it, and print the ratios")
    one.add_argument(
        "papers", type=Path, nargs="?", help="papers to index and to draw queries from; none: read --times"
    )
    one.add_argument("--seconds", type=int, default=20, help="of each load (20)")
    one.add_argument("--times", type=Path, default=TIMES, help="file of the times, written or read")
    many = kinds.add_parser("predict", help="machines, p99 and money of a fleet")
    many.add_argument("--times", type=Path, default=TIMES, help="file of the measured times")
    many.add_argument("--loads", type=_loads, default=LOADS, help="searches a second, with commas between them")
    many.add_argument("--p99", type=float, default=Goal.p99_ms, help="highest p99 in ms (100)")
    many.add_argument("--utilisation", type=float, default=Goal.utilisation, help="share of the cores to use (0.6)")
    many.add_argument("--spare", type=int, default=Goal.spare, help="machines that may fail (1)")
    many.add_argument("--cores", type=int, default=Goal.cores, help="cores of a machine (4)")
    many.add_argument("--price", type=float, default=Goal.price, help="price of a machine an hour (0.20)")
    many.add_argument("--charts", type=Path, help=f"folder to write the charts to, such as {CHARTS.relative_to(ROOT)}")
    return parser


def _loads(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))
