"""Arrivals at a constant rate, whether or not earlier ones were answered: an open loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import gevent
from gevent.pool import Group
from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPParseError

from loadtests.requests import Request, Requests, failure_reason
from loadtests.samples import RequestSample, percentile, summarise, within
from loadtests.schedule import RateSearch, Trial, arrivals, is_fast, most_waiting

_SECONDS_TO_ANSWER = 10.0
_TRIAL_SECONDS = 8.0
_SETTLING = 2.0
_CONNECTIONS = 1_000
_ATTEMPTS = 6
_STEP_DOWN = 0.93


@dataclass
class OpenLoopRun:
    """What happened; it grows trial by trial.

    Attributes:
        samples: Every request.
        trials: In the order they were made.
        highest: The rate that was sustained for the full duration, if one was.
        interrupted: Whether the search was cut short.
        why_ended: Why there is no rate, or none better; empty if the search came to its end.
        counted: Beginning and end of the latest trial without its settling, in seconds since the run began.
    """

    samples: list[RequestSample] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    highest: Trial | None = None
    interrupted: bool = False
    why_ended: str = ""
    counted: tuple[float, float] = (0.0, 0.0)


def find_rate(
    service: str,
    requests: Requests,
    limit_ms: float,
    seconds: float,
    budget: float,
    *,
    began: float,
    before_sustained: Callable[[], None],
    say: Callable[[str], None],
) -> OpenLoopRun:
    """Finds the highest rate whose p95 keeps a limit, then sustains it; where it cannot, lower ones.

    Args:
        service: Whom to ask.
        requests: What to ask.
        limit_ms: The limit.
        seconds: How long the rate is sustained.
        budget: Seconds after which finding ends with what was found; sustaining comes on top.
        began: When the run began, of `time.time()`.
        before_sustained: Called before each sustained trial.
        say: Told each trial's figures.
    """
    searched = OpenLoopRun()
    client = HTTPClient.from_url(
        service, concurrency=_CONNECTIONS, connection_timeout=_SECONDS_TO_ANSWER, network_timeout=_SECONDS_TO_ANSWER
    )
    rates = RateSearch()
    deadline = time.monotonic() + budget
    try:
        while (rate := rates.next()) is not None:
            if time.monotonic() > deadline:
                searched.why_ended = "the time for finding it ran out"
                break
            trial = _try(client, requests, rate, _TRIAL_SECONDS, limit_ms, searched, began, say, sustained=False)
            rates.tell(rate, trial.fast)
        rate = rates.highest
        for _ in range(_ATTEMPTS if rate else 0):
            before_sustained()
            trial = _try(client, requests, rate or 0.0, seconds, limit_ms, searched, began, say, sustained=True)
            if trial.fast:
                searched.highest = trial
                break
            rate = (rate or 0.0) * _STEP_DOWN
        else:
            searched.why_ended = "no rate that passed a short trial could be sustained" if rate else "no rate was fast"
    except KeyboardInterrupt:
        searched.interrupted = True
        searched.why_ended = "the run was interrupted"
    finally:
        client.close()
    return searched


def _try(
    client: HTTPClient,
    requests: Requests,
    rate: float,
    seconds: float,
    limit_ms: float,
    searched: OpenLoopRun,
    began: float,
    say: Callable[[str], None],
    *,
    sustained: bool,
) -> Trial:
    """One trial; the first seconds settle and do not count."""
    first = len(searched.samples)
    waiting = Group()
    lags: list[float] = []
    overloaded = False
    start = time.monotonic() + 0.1
    offset = time.time() + 0.1 - began
    for due in arrivals(rate, _SETTLING + seconds):
        # Also without a pause the others must run: they read the answers.
        gevent.sleep(max(0.0, start + due - time.monotonic()))
        if len(waiting) >= most_waiting(rate):
            overloaded = True
            break
        lags.append(1000 * (time.monotonic() - start - due))
        waiting.spawn(_send, client, requests.next(), start + due, offset + due, searched.samples)
    searched.counted = (offset + (0 if overloaded else _SETTLING), time.time() - began)
    waiting.join(timeout=_SECONDS_TO_ANSWER + 1)
    waiting.kill()
    counted = within(searched.samples[first:], offset + (0 if overloaded else _SETTLING), float("inf"))
    summary = summarise(counted, max(0.001, time.monotonic() - start if overloaded else seconds))
    fast = is_fast(summary, overloaded, limit_ms)
    trial = Trial(rate, seconds, summary, percentile(sorted(lags), 0.95), overloaded, fast, sustained)
    searched.trials.append(trial)
    say(
        f"{rate:8.1f} requests/s  p50 {summary.p50_ms or 0:7.1f} ms   p95 {summary.p95_ms or 0:7.1f} ms   "
        f"{summary.errors} errors   {'fast' if trial.fast else 'overloaded' if overloaded else 'too slow'}"
        f"{' (sustained)' if sustained else ''}"
    )
    gevent.sleep(0.5)
    return trial


def _send(client: HTTPClient, request: Request, due: float, at: float, samples: list[RequestSample]) -> None:
    """Sends one request and counts from when it was due."""
    try:
        answer = client.request(
            request.method, request.path, body=request.body, headers={"Content-Type": "application/json"}
        )
        wrong = failure_reason(answer.status_code, answer.read())
    except gevent.GreenletExit:
        wrong = "no answer in time"
    except (OSError, HTTPParseError) as error:
        wrong = f"{type(error).__name__}: {error}"
    samples.append(RequestSample(at, request.kind, 1000 * (time.monotonic() - due), wrong))
