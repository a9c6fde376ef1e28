"""Run one load test, from its options to its report: `python -m loadtests users|rate|soak|overload`."""

from __future__ import annotations

# First of all: gevent replaces blocking functions of the standard library, also for later imports.
from gevent import hub, monkey

monkey.patch_all()
# Ctrl-C ends a run normally: `main` handles it, and no traceback is printed.
hub.Hub.NOT_ERROR = (*hub.Hub.NOT_ERROR, KeyboardInterrupt)

# ruff: noqa: E402
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from loadtests import closed_loop, open_loop, papers, results, service, users
from loadtests.errors import BadOption, LoadTestError
from loadtests.options import Options, read_options
from loadtests.overload import run_overload
from loadtests.processes import Watch
from loadtests.prometheus import Series
from loadtests.queries import QuerySource
from loadtests.requests import Requests
from loadtests.soak import run_soak
from loadtests.stack import MeasuredStack, use_stack


def main() -> int:
    """Run a load test and return the exit code.

    It is 3 if a soak or an overload does not hold, 2 for a bad option, 1 for another error, 130 after an interruption.
    """
    # Both signals end a run in the same way, even if the shell started it with Ctrl-C ignored.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return _run(read_options(sys.argv[1:]))
    except BadOption as error:
        say(f"error: {error}")
        return 2
    except LoadTestError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted before anything was measured")
        return 130


def say(text: str) -> None:
    """Print a message to standard error."""
    print(text, file=sys.stderr, flush=True)


def _run(options: Options) -> int:
    place = results.create_folder(options.output, datetime.now(UTC))
    try:
        if options.kind == "soak":
            return 0 if run_soak(options, place, say) else 3
        with use_stack(options, say) as measured:
            if options.kind == "overload":
                return 0 if run_overload(options, measured, place, say) else 3
            interrupted = _measure(options, measured, place)
    finally:
        if not any(place.iterdir()):
            place.rmdir()
    return 130 if interrupted else 0


def _measure(options: Options, measured: MeasuredStack, place: Path) -> bool:
    """Measure and write the report; return True if the run was interrupted."""
    target = service.target(measured.service)
    say(f"{target.papers:,} papers of {target.source} at {target.service}")
    queries, drawn_from = _queries(options, target)
    before: Series = {}

    def read_before() -> None:
        nonlocal before
        before = service.counters(options.metrics)

    began = time.time()
    watch = Watch(measured.processes, lambda: time.time() - began)
    if options.kind == "users":
        if users.needs_triton(options.scenario) and measured.triton is None:
            raise BadOption(f"scenario {options.scenario} needs Triton: give its address with --triton HOST:PORT.")
        classes = users.user_classes(options.scenario, queries, target, measured.triton)
        users_run = closed_loop.run_levels(
            classes, options.users, options.levels, options.duration, began=began, before_last=read_before, say=say
        )
        after = service.counters(options.metrics)
        own = results.level_results(users_run.samples, users_run.levels)
        samples, interrupted = users_run.samples, users_run.interrupted
        start, end = (
            (users_run.levels[-1].start, users_run.levels[-1].end) if users_run.levels else (0.0, time.time() - began)
        )
    else:
        rate_run = open_loop.find_rate(
            target.service,
            Requests(options.requests, options.mode, queries),
            options.limit_ms,
            options.duration,
            options.budget,
            given=options.rates,
            spacing=options.spacing,
            seed=options.seed,
            began=began,
            before_sustained=read_before,
            say=say,
        )
        after = service.counters(options.metrics)
        own = results.rate_results(rate_run.trials, rate_run.highest, rate_run.why_ended)
        samples, interrupted = rate_run.samples, rate_run.interrupted
        start, end = rate_run.counted
    if not after:
        address = options.metrics or "any port"
        say(f"the service's counters cannot be read at {address}: give their address with --metrics URL")
    found = (
        results.describe_run(options, target, queries, drawn_from, began)
        | own
        | results.common_results(samples, start, end, before, after)
        | {
            "processes": results.process_results(watch.stop(), start, end),
            "processes_are_local": bool(measured.processes),
            "interrupted": interrupted,
        }
    )
    results.save_report(found, place)
    print(place / "report.html")
    return interrupted


def _queries(options: Options, target: service.Target) -> tuple[QuerySource, str]:
    """Return the source of queries and a description of the papers that they come from."""
    if options.queries is not None:
        read = papers.papers_of_file(options.queries)
        return QuerySource(read, seed=options.seed), f"{len(read):,} papers of {options.queries.name}"
    say("searching for papers to draw queries from")
    found = papers.papers_of_target(target, options.seed)
    return (
        QuerySource(found.papers, seed=options.seed, used=found.used),
        f"{len(found.papers):,} papers of the live snapshot",
    )


if __name__ == "__main__":
    sys.exit(main())
