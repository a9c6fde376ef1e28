"""Send many times the rate that is sustained, and judge goodput, memory and recovery."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gevent
from gevent.pool import Group
from geventhttpclient import HTTPClient

from loadtests import papers, service
from loadtests.census import Census
from loadtests.errors import StackFailed
from loadtests.growth import growths
from loadtests.open_loop import SECONDS_TO_ANSWER, find_rate, open_client, send_request
from loadtests.options import Options
from loadtests.overload_report import render_markdown
from loadtests.queries import QuerySource
from loadtests.requests import Requests
from loadtests.results import describe_run, save_markdown
from loadtests.samples import RequestSample, Summary, frequent_errors, summarise, timeline, within
from loadtests.schedule import arrivals
from loadtests.stack import MeasuredStack
from loadtests.verdicts import OverloadFigures, overload_verdict, seconds_to_recover

_CALM_SHARE = 0.5  # of the sustained rate, before and after
_CALM_SECONDS = 20.0
_SUSTAINED_SECONDS = 20.0
_CONNECTIONS = 2_000


def run_overload(options: Options, measured: MeasuredStack, place: Path, say: Callable[[str], None]) -> bool:
    """Find the sustained rate, send many times it, write `report.md` and `results.json`, and return True if it holds.

    Raises:
        StackFailed: No rate is fast.
    """
    target = service.target(measured.service)
    found = papers.papers_of_target(target, options.seed)
    queries = QuerySource(found.papers, seed=options.seed, used=found.used)
    requests = Requests(options.requests, options.mode, queries)
    began = time.time()
    tried = find_rate(
        target.service, requests, options.limit_ms, _SUSTAINED_SECONDS, options.budget, spacing=options.spacing,
        seed=options.seed, began=began, before_sustained=lambda: None, say=say,
    )  # fmt: skip
    if tried.highest is None:
        raise StackFailed(f"no rate has a p95 of at most {options.limit_ms:g} ms: {tried.why_ended}.")
    rate = tried.highest.rate
    client = open_client(target.service, _CONNECTIONS)
    samples: list[RequestSample] = []
    waiting = Group()

    def send(share: float, seconds: float) -> tuple[float, float]:
        say(f"{share * rate:8.1f} requests/s for {seconds:g} s")
        return _send_at(client, requests, share * rate, seconds, f"{options.seed} {share}", waiting, began, samples)

    calm = send(_CALM_SHARE, _CALM_SECONDS)
    census = Census(measured.processes, lambda: time.time() - began, max(1.0, options.duration / 300))
    over = send(options.times, options.duration)
    readings = census.stop()
    after = send(_CALM_SHARE, _CALM_SECONDS)
    waiting.join(timeout=SECONDS_TO_ANSWER + 1)
    waiting.kill()
    client.close()
    figures = OverloadFigures(
        rate,
        max(trial.summary.per_second for trial in tried.trials),
        _summary(samples, calm),
        _summary(samples, over),
        seconds_to_recover(within(samples, *after), *after, options.limit_ms),
    )
    # Connections are descriptors, and the clients decide how many there are.
    grown = [each for each in growths(readings) if each.quantity != "descriptors"]
    reasons = overload_verdict(figures, grown)
    results: dict[str, Any] = describe_run(options, target, queries, "the live snapshot", began) | {
        "kind": "overload",
        "holds": not reasons,
        "reasons": reasons,
        "figures": asdict(figures) | {"goodput": figures.goodput},
        "good": asdict(_summary([each for each in samples if not each.error], over)),
        "refused": asdict(_summary([each for each in samples if each.error], over)),
        "errors": frequent_errors(within(samples, *over)),
        "growth": [asdict(each) | {"is_within": each.is_within} for each in grown],
        "timeline": [asdict(moment) for moment in timeline(samples)],
        "phases": {"calm": calm, "overload": over, "after": after},
        "readings": readings,
    }
    save_markdown(results, render_markdown(results), place)
    print(place / "report.md")
    say("the overload is withstood" if not reasons else "; ".join(reasons))
    return not reasons


def _send_at(
    client: HTTPClient,
    requests: Requests,
    rate: float,
    seconds: float,
    seed: str,
    waiting: Group,
    began: float,
    samples: list[RequestSample],
) -> tuple[float, float]:
    """Send requests when they are due and return start and end; answers that are missing are not waited for."""
    start, offset = time.monotonic(), time.time() - began
    for due in arrivals(rate, seconds, seed=seed):
        # Sleep even for no time: other greenlets must run to read the answers.
        gevent.sleep(max(0.0, start + due - time.monotonic()))
        if len(waiting) >= _CONNECTIONS:
            samples.append(RequestSample(offset + due, "any", 0.0, "not sent: all connections wait"))
            continue
        waiting.spawn(send_request, client, requests.next(), start + due, offset + due, samples)
    gevent.sleep(max(0.0, start + seconds - time.monotonic()))
    return offset, time.time() - began


def _summary(samples: Sequence[RequestSample], phase: tuple[float, float]) -> Summary:
    return summarise(within(samples, *phase), phase[1] - phase[0])
