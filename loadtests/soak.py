"""Send mixed traffic for half an hour while snapshots and encoders are changed, and judge what grew and what failed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gevent
from gevent.pool import Group
from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPParseError

from loadtests import papers, service
from loadtests.census import Census
from loadtests.errors import LoadTestError
from loadtests.growth import growths
from loadtests.mixed import MixedRequest, MixedTraffic, failure_of
from loadtests.open_loop import SECONDS_TO_ANSWER, open_client
from loadtests.options import Options
from loadtests.queries import QuerySource
from loadtests.results import describe_run, save_markdown
from loadtests.samples import RequestSample, frequent_errors, summarise, summarise_kinds
from loadtests.schedule import arrivals
from loadtests.soak_report import render_markdown
from loadtests.soak_stack import SoakStack, Swap, own_stack
from loadtests.stack import read_status, run_akin
from loadtests.verdicts import SoakRun, SwapDone, soak_verdict

_SECONDS_TO_SWAP = 300.0
_CONNECTIONS = 100
_READINGS = 600  # of each process
_MOST_WAITING = 500
_ACCEPT = "application/json, text/event-stream, */*"


def run_soak(options: Options, place: Path, say: Callable[[str], None]) -> bool:
    """Run a soak on a stack of its own, write `report.md` and `results.json`, and return True if nothing is wrong."""
    with TemporaryDirectory(prefix="akin-soak-") as folder:
        try:
            with own_stack(options, Path(folder), say) as stack:
                return _measure(options, stack, place, say)
        finally:
            shutil.copytree(Path(folder, "data", "logs"), place / "logs", ignore_dangling_symlinks=True)


def _measure(options: Options, stack: SoakStack, place: Path, say: Callable[[str], None]) -> bool:
    target = service.target(stack.measured.service)
    found = papers.papers_of_target(target, options.seed)
    queries = QuerySource(found.papers, seed=options.seed, used=found.used)
    traffic = MixedTraffic(queries, [paper.id for paper in found.papers], target, seed=options.seed, page=True)
    say(f"{options.rate:g} requests/s of {target.papers:,} papers for {options.duration / 60:g} minutes")
    began, run = time.time(), SoakRun()
    census = Census(stack.measured.processes, lambda: time.time() - began, max(1.0, options.duration / _READINGS))
    swapping = gevent.spawn(_swap_often, options, stack, began, run, say)
    try:
        _send_all(options, stack, traffic, began, run, say)
    except KeyboardInterrupt:
        run.interrupted = True
    readings = census.stop()
    # A change in progress is finished: half of it would leave nothing to judge.
    swapping.join(0 if run.interrupted else _SECONDS_TO_SWAP)
    swapping.kill()
    status = read_status(options.akin)
    grown = growths(readings)
    reasons = soak_verdict(run, grown, {each["name"]: int(each.get("restarts", 0)) for each in status["processes"]})
    seconds = max((sample.at for sample in run.samples), default=0.0)
    results: dict[str, Any] = describe_run(options, target, queries, "the live snapshot", began) | {
        "kind": "soak",
        "holds": not reasons,
        "reasons": reasons,
        "interrupted": run.interrupted,
        "seconds": seconds,
        "all": asdict(summarise(run.samples, seconds)),
        "kinds": {kind: asdict(each) for kind, each in summarise_kinds(run.samples, seconds).items()},
        "errors": frequent_errors(run.samples),
        "swaps": [asdict(each) for each in run.swaps],
        "growth": [asdict(each) | {"is_within": each.is_within} for each in grown],
        "readings": readings,
    }
    save_markdown(results, render_markdown(results), place)
    print(place / "report.md")
    say("nothing grew and nothing failed" if not reasons else "; ".join(reasons))
    return not reasons


def _send_all(
    options: Options, stack: SoakStack, traffic: MixedTraffic, began: float, run: SoakRun, say: Callable[[str], None]
) -> None:
    to_service, to_page = (open_client(address, _CONNECTIONS) for address in (stack.measured.service, stack.page))
    waiting, start, said = Group(), time.monotonic(), 0
    try:
        for due in arrivals(options.rate, options.duration, seed=str(options.seed)):
            gevent.sleep(max(0.0, start + due - time.monotonic()))
            request = traffic.next()
            if len(waiting) >= _MOST_WAITING:
                run.samples.append(RequestSample(time.time() - began, request.kind, 0.0, "not sent: too many wait"))
                continue
            waiting.spawn(_send, to_page if request.page else to_service, request, began, run)
            if due // 60 > said:
                said = int(due // 60)
                failed = sum(bool(sample.error) for sample in run.samples)
                say(f"{said:4} min  {len(run.samples):,} requests, {failed:,} failed, {len(run.swaps)} changes")
        waiting.join(timeout=SECONDS_TO_ANSWER)
        waiting.kill()
    finally:
        to_service.close()
        to_page.close()


def _send(client: HTTPClient, request: MixedRequest, began: float, run: SoakRun) -> None:
    at, started = time.time() - began, time.monotonic()
    headers = {"Content-Type": "application/json", "Accept": _ACCEPT}
    try:
        answer = client.request(request.method, request.path, body=request.body, headers=headers)
        content = answer.read()
        if request.search and answer.status_code == 200:
            session = request.body.partition(b'"session_hash": "')[2].partition(b'"')[0].decode()
            answer = client.request("GET", f"/gradio_api/queue/data?session_hash={session}", headers=headers)
            content = answer.read()
        wrong = failure_of(request, answer.status_code, content)
    except gevent.GreenletExit:
        wrong = "no answer in time"
    except (OSError, HTTPParseError) as error:
        wrong = f"{type(error).__name__}: {error}"
    run.samples.append(RequestSample(at, request.kind, 1000 * (time.monotonic() - started), wrong))


def _swap_often(options: Options, stack: SoakStack, began: float, run: SoakRun, say: Callable[[str], None]) -> None:
    """Make one change after another until the run nears its end."""
    number = 0
    while time.time() - began + options.every < options.duration:
        gevent.sleep(options.every)
        swap = stack.swaps[number % len(stack.swaps)]
        number += 1
        run.swaps.append(_swap(options, stack, swap, began, say))


def _swap(options: Options, stack: SoakStack, swap: Swap, began: float, say: Callable[[str], None]) -> SwapDone:
    at, started, error = time.time() - began, time.monotonic(), ""
    try:
        for command in swap.commands:
            run_akin(options.akin, *command, say=say)
        deadline = time.monotonic() + 60
        while service.request_json(stack.measured.service, "GET", "/corpus")["snapshot"] != swap.snapshot:
            if time.monotonic() > deadline:
                error = "the service does not search the new snapshot"
                break
            gevent.sleep(0.2)
    except LoadTestError as failure:
        error = str(failure)
    return SwapDone(at, swap.name, time.monotonic() - started, error)
