"""Send requests at a constant rate, whether or not earlier ones were answered: an open loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import gevent
from gevent.pool import Group
from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPParseError

from loadtests.requests import Request, Requests, failure_reason
from loadtests.samples import RequestSample, percentile, summarise, within
from loadtests.schedule import SETTLING, RateSearch, Trial, arrivals, is_fast, most_waiting

SECONDS_TO_ANSWER = 10.0
_TRIAL_SECONDS = 8.0
_CONNECTIONS = 1_000
_ATTEMPTS = 6
_STEP_DOWN = 0.93


@dataclass
class OpenLoopRun:
    """Measurements; they are recorded at once, so that an interruption loses nothing.

    Attributes:
        samples: Every request.
        trials: The trials, in order.
        highest: The trial of the rate that was sustained for the full duration; None if there is none.
        interrupted: True if the run was interrupted.
        why_ended: The reason why there is no rate, or no better one; empty if the search was complete.
        counted: Start and end of the latest trial without its settling time, in seconds since the start of the run.
    """

    samples: list[RequestSample] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    highest: Trial | None = None
    interrupted: bool = False
    why_ended: str = ""
    counted: tuple[float, float] = (0.0, 0.0)


def open_client(service: str, connections: int) -> HTTPClient:
    """Return a client with up to so many connections, each of which waits so long for an answer."""
    return HTTPClient.from_url(
        service, concurrency=connections, connection_timeout=SECONDS_TO_ANSWER, network_timeout=SECONDS_TO_ANSWER
    )


def find_rate(
    service: str,
    requests: Requests,
    limit_ms: float,
    seconds: float,
    budget: float,
    *,
    given: Sequence[float] = (),
    spacing: str,
    seed: int,
    began: float,
    before_sustained: Callable[[], None],
    say: Callable[[str], None],
) -> OpenLoopRun:
    """Find the highest rate whose p95 is within a limit and sustain it; if that fails, try lower rates.

    Args:
        service: The service's address.
        requests: The source of requests.
        limit_ms: The limit.
        seconds: The duration for which a rate is sustained.
        budget: The time limit for finding the rate, in seconds; sustaining it takes more time.
        given: Rates that are sustained in turn, instead of looking for the highest.
        spacing: The spacing of arrivals, as for `arrivals`.
        seed: The seed of the arrivals; each trial has others.
        began: The start of the run, by `time.time()`.
        before_sustained: Called before each sustained trial.
        say: Receives the figures of each trial.
    """
    run = OpenLoopRun()
    client = open_client(service, _CONNECTIONS)
    rates = RateSearch()

    def attempt(rate: float, seconds: float, *, sustained: bool) -> Trial:
        dues = arrivals(rate, SETTLING + seconds, spacing, f"{seed} {len(run.trials)}")
        return _try(client, requests, rate, dues, seconds, limit_ms, run, began, say, sustained=sustained)

    deadline = time.monotonic() + budget
    try:
        for wanted in given:
            before_sustained()
            trial = attempt(wanted, seconds, sustained=True)
            if trial.fast and (run.highest is None or wanted > run.highest.rate):
                run.highest = trial
        if given:
            run.why_ended = "only the given rates were measured"
            return run
        while (rate := rates.next()) is not None:
            if time.monotonic() > deadline:
                run.why_ended = "the time limit for finding the rate was reached"
                break
            trial = attempt(rate, _TRIAL_SECONDS, sustained=False)
            rates.tell(rate, trial.fast)
        rate = rates.highest
        for _ in range(_ATTEMPTS if rate else 0):
            before_sustained()
            trial = attempt(rate or 0.0, seconds, sustained=True)
            if trial.fast:
                run.highest = trial
                break
            rate = (rate or 0.0) * _STEP_DOWN
        else:
            run.why_ended = "no rate that passed a short trial could be sustained" if rate else "no rate was fast"
    except KeyboardInterrupt:
        run.interrupted = True
        run.why_ended = "the run was interrupted"
    finally:
        client.close()
    return run


def _try(
    client: HTTPClient,
    requests: Requests,
    rate: float,
    dues: Iterable[float],
    seconds: float,
    limit_ms: float,
    run: OpenLoopRun,
    began: float,
    say: Callable[[str], None],
    *,
    sustained: bool,
) -> Trial:
    """Try one rate; the first seconds are settling time and do not count."""
    first = len(run.samples)
    waiting = Group()
    lags: list[float] = []
    overloaded = False
    start = time.monotonic() + 0.1
    offset = time.time() + 0.1 - began
    for due in dues:
        # Sleep even for no time: other greenlets must run to read the answers.
        gevent.sleep(max(0.0, start + due - time.monotonic()))
        if len(waiting) >= most_waiting(rate):
            overloaded = True
            break
        lags.append(1000 * (time.monotonic() - start - due))
        waiting.spawn(send_request, client, requests.next(), start + due, offset + due, run.samples)
    run.counted = (offset + (0 if overloaded else SETTLING), time.time() - began)
    waiting.join(timeout=SECONDS_TO_ANSWER + 1)
    waiting.kill()
    counted = within(run.samples[first:], offset + (0 if overloaded else SETTLING), float("inf"))
    summary = summarise(counted, max(0.001, time.monotonic() - start if overloaded else seconds))
    fast = is_fast(summary, overloaded, limit_ms)
    trial = Trial(rate, seconds, summary, percentile(sorted(lags), 0.95), overloaded, fast, sustained)
    run.trials.append(trial)
    say(
        f"{rate:8.1f} requests/s  p50 {summary.p50_ms or 0:7.1f} ms   p95 {summary.p95_ms or 0:7.1f} ms   "
        f"{summary.errors} errors   {'fast' if trial.fast else 'overloaded' if overloaded else 'too slow'}"
        f"{' (sustained)' if sustained else ''}"
    )
    gevent.sleep(0.5)
    return trial


def send_request(client: HTTPClient, request: Request, due: float, at: float, samples: list[RequestSample]) -> None:
    """Send one request and record its latency from the time when it was due."""
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
