"""Compute the content of `results.json`, which the report shows, and write both."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtests.errors import OutputUnwritable
from loadtests.options import Options
from loadtests.prometheus import Series, summarise_histogram
from loadtests.queries import QuerySource
from loadtests.report import render_report
from loadtests.samples import Level, RequestSample, Use, frequent_errors, summarise, summarise_kinds, timeline, within
from loadtests.schedule import Trial
from loadtests.service import Target


def level_results(samples: Sequence[RequestSample], levels: Sequence[Level]) -> dict[str, Any]:
    """Return the part of the results for users: the figures of each level."""
    found = [
        {"users": level.users, "seconds": level.end - level.start}
        | asdict(summarise(within(samples, level.start, level.end), level.end - level.start))
        for level in levels
        if level.end > level.start
    ]
    return {"kind": "users", "levels": found}


def rate_results(trials: Sequence[Trial], highest: Trial | None, why_ended: str) -> dict[str, Any]:
    """Return the part of the results for constant rates: the trials, and the highest rate that was sustained."""
    return {
        "kind": "rate",
        "trials": [_flat(trial) for trial in trials],
        "highest": _flat(highest) if highest else None,
        "why_ended": why_ended,
    }


def common_results(
    samples: Sequence[RequestSample], start: float, end: float, before: Series, after: Series
) -> dict[str, Any]:
    """Return the part of the results that is the same for every kind of run.

    Args:
        samples: Every request.
        start: The start of the final measurement, in seconds since the start of the run.
        end: Its end.
        before: The service's counters at its start; empty if they could not be read.
        after: The counters at its end.
    """
    counted = within(samples, start, end)
    comparable = before and after
    return {
        "kinds": {kind: asdict(summary) for kind, summary in summarise_kinds(counted, end - start).items()},
        "errors": frequent_errors(samples),
        "stages": [asdict(each) for each in summarise_histogram(before, after, "akin_search_stage_seconds", "stage")]
        if comparable
        else [],
        "routes": [asdict(each) for each in summarise_histogram(before, after, "akin_request_seconds", "route")]
        if comparable
        else [],
        "timeline": [asdict(moment) for moment in timeline(samples)],
    }


def process_results(uses: Sequence[Use], start: float, end: float) -> list[dict[str, Any]]:
    """Return CPU and memory of each process from `start` to `end`, the busiest first."""
    found = []
    for each in uses:
        cores = [value for at, value in each.cores if start <= at <= end]
        memory = [value / 1e6 for at, value in each.rss_bytes if start <= at <= end]
        if memory:
            found.append(
                {
                    "name": each.name,
                    "pid": each.pid,
                    "cores_mean": _mean(cores),
                    "cores_most": max(cores, default=None),
                    "rss_mean_mb": _mean(memory),
                    "rss_most_mb": max(memory),
                }
            )
    return sorted(found, key=lambda each: -(each["cores_mean"] or 0.0))


def describe_run(
    options: Options, target: Target, queries: QuerySource, drawn_from: str, began: float
) -> dict[str, Any]:
    """Return the facts that are needed to judge the figures or to measure again."""
    settings: dict[str, Any] = {"duration_s": options.duration, "seed": options.seed}
    if options.kind == "users":
        settings |= {"users": options.users, "scenario": options.scenario}
    elif options.kind == "soak":
        settings |= {"rate": options.rate, "every_s": options.every}
    else:
        settings |= {"requests": options.requests, "mode": options.mode, "spacing": options.spacing}
        settings |= {"limit_ms": options.limit_ms, "times": options.times}
    return {
        "schema": 1,
        "began": datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
        "command": _command(options),
        "settings": settings,
        "target": {
            "service": target.service,
            "papers": target.papers,
            "source": target.source,
            "snapshot": target.snapshot,
            "encoder": target.encoder,
        },
        "queries": {
            "distinct_titles_sentences_abstracts": queries.distinct,
            "drawn": queries.drawn,
            "repeated": queries.repeated,
            "from": drawn_from,
        },
        "machine": describe_machine(),
    }


def describe_machine() -> dict[str, Any]:
    """Return the facts about this machine."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def create_folder(output: Path, now: datetime) -> Path:
    """Make a new folder for a report and return it.

    Raises:
        OutputUnwritable: The folder cannot be made or written to.
    """
    name = now.strftime("%Y%m%dT%H%M%SZ")
    for number in range(1, 100):
        made = output / (name if number == 1 else f"{name}-{number}")
        try:
            made.mkdir(parents=True)
            probe = made / "results.json"
            probe.touch()
            probe.unlink()
        except FileExistsError:
            if not made.is_dir():
                raise OutputUnwritable(
                    f"{output} is not a folder: move it, or choose a folder with --output."
                ) from None
            continue
        except OSError as error:
            raise OutputUnwritable(
                f"{error.filename or made} cannot be written ({error.strerror}): choose another folder with --output, "
                "or move the data with AKIN_DATA."
            ) from error
        return made
    raise OutputUnwritable(
        f"{output} already holds a hundred reports of this second: choose another folder with --output."
    )


def save_report(results: Mapping[str, Any], place: Path) -> None:
    """Write `results.json` and `report.html`.

    Raises:
        OutputUnwritable: The disk is full, or the folder does not exist any more.
    """
    try:
        (place / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        (place / "report.html").write_text(render_report(results), encoding="utf-8")
    except OSError as error:
        raise OutputUnwritable(f"{error.filename or place} cannot be written ({error.strerror}).") from error


def save_markdown(results: Mapping[str, Any], report: str, place: Path) -> None:
    """Write `results.json` and `report.md`.

    Raises:
        OutputUnwritable: The disk is full, or the folder does not exist any more.
    """
    try:
        (place / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        (place / "report.md").write_text(report, encoding="utf-8")
    except OSError as error:
        raise OutputUnwritable(f"{error.filename or place} cannot be written ({error.strerror}).") from error


def _flat(trial: Trial) -> dict[str, Any]:
    fields = asdict(trial)
    summary: dict[str, Any] = fields.pop("summary")
    return fields | summary


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _command(options: Options) -> str:
    if options.kind == "users":
        return f"make loadtest USERS={options.users} DURATION={options.duration:g}s SCENARIO={options.scenario}"
    if options.kind == "soak":
        return f'make soak MINUTES={options.duration / 60:g} ARGS="--rate {options.rate:g} --every {options.every:g}s"'
    if options.kind == "overload":
        return f'make overload DURATION={options.duration:g}s ARGS="--times {options.times:g}"'
    return (
        f"make loadtest-rate DURATION={options.duration:g}s "
        f'ARGS="--requests {options.requests} --mode {options.mode} --p95 {options.limit_ms:g}"'
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
