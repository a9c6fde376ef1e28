"""Run more and more users who wait for their answers, with Locust: a closed loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gevent
from locust import User
from locust.env import Environment

from loadtests.samples import Level, RequestSample, ramp, summarise, within
from loadtests.users import SECONDS_TO_ANSWER

_SHORTEST_LEVEL, _LONGEST_LEVEL = 4.0, 15.0
_SETTLING = 2.0


@dataclass
class ClosedLoopRun:
    """Measurements; they are recorded at once, so that an interruption loses nothing.

    Attributes:
        samples: Every request.
        levels: The stretches with a constant number of users; the last has the number wanted.
        interrupted: True if the run was interrupted.
    """

    samples: list[RequestSample] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    interrupted: bool = False


def run_levels(
    classes: list[type[User]],
    users: int,
    levels: int,
    seconds: float,
    *,
    began: float,
    before_last: Callable[[], None],
    say: Callable[[str], None],
) -> ClosedLoopRun:
    """Add users level by level, and measure each level.

    Args:
        classes: The classes of the users.
        users: The number of users in the last level.
        levels: The number of levels.
        seconds: The duration of the last level; earlier ones are shorter.
        began: The start of the run, by `time.time()`.
        before_last: Called when the measurement of the last level begins.
        say: Receives the figures of each level.
    """
    environment = Environment(user_classes=classes, stop_timeout=SECONDS_TO_ANSWER + 1)
    result = ClosedLoopRun()

    def answered(name: str, response_time: float, exception: Any, start_time: float, **_: Any) -> None:
        error = f"{exception}"[:300] if exception else ""
        result.samples.append(RequestSample(start_time - began, name, response_time, error))

    environment.events.request.add_listener(answered)
    runner = environment.create_local_runner()
    short = min(_LONGEST_LEVEL, max(_SHORTEST_LEVEL, seconds / 6))
    try:
        for number in ramp(users, levels):
            last = number == users
            # All new users start within the settling time, so that their number is constant during the measurement.
            runner.start(number, spawn_rate=max(1.0, number / _SETTLING))
            gevent.sleep(_SETTLING)
            while runner.user_count < number:
                gevent.sleep(0.05)
            if last:
                before_last()
            start = time.time() - began
            result.levels.append(Level(number, start, start))
            _wait(result, seconds if last else short, began)
            level = result.levels[-1]
            found = summarise(within(result.samples, level.start, level.end), level.end - level.start)
            say(
                f"{number:>5} users  {found.per_second:8.1f} answers/s   p50 {found.p50_ms or 0:7.1f} ms   "
                f"p95 {found.p95_ms or 0:7.1f} ms   {found.errors} errors"
            )
    except KeyboardInterrupt:
        result.interrupted = True
    finally:
        runner.quit()
    return result


def _wait(result: ClosedLoopRun, seconds: float, began: float) -> None:
    """Wait until the level is over, and update its end meanwhile, in case of an interruption."""
    level = result.levels[-1]
    while (now := time.time() - began) < level.start + seconds:
        gevent.sleep(min(0.25, level.start + seconds - now))
        result.levels[-1] = Level(level.users, level.start, min(time.time() - began, level.start + seconds))
