"""More and more people who wait for their answers: a closed loop, played by Locust."""

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
    """What happened; it grows while the people play, so that an interruption loses nothing.

    Attributes:
        samples: Every request.
        levels: The stretches with a constant number of people, the last one at the number asked for.
        interrupted: Whether the run was cut short.
    """

    samples: list[RequestSample] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    interrupted: bool = False


def run_levels(
    people: list[type[User]],
    users: int,
    levels: int,
    seconds: float,
    *,
    began: float,
    before_last: Callable[[], None],
    say: Callable[[str], None],
) -> ClosedLoopRun:
    """Lets more and more people in, and counts what they meet.

    Args:
        people: The classes of users.
        users: Most of them at once.
        levels: Numbers of them that are measured on the way, the last included.
        seconds: How long the last level lasts; those before it are shorter.
        began: When the run began, of `time.time()`.
        before_last: Called when the counting of the last level begins.
        say: Told each level's figures.
    """
    environment = Environment(user_classes=people, stop_timeout=SECONDS_TO_ANSWER + 1)
    played = ClosedLoopRun()

    def answered(name: str, response_time: float, exception: Any, start_time: float, **_: Any) -> None:
        error = f"{exception}"[:300] if exception else ""
        played.samples.append(RequestSample(start_time - began, name, response_time, error))

    environment.events.request.add_listener(answered)
    runner = environment.create_local_runner()
    short = min(_LONGEST_LEVEL, max(_SHORTEST_LEVEL, seconds / 6))
    try:
        for number in ramp(users, levels):
            last = number == users
            # All join within the settling time, so that the crowd's size is constant while it is counted.
            runner.start(number, spawn_rate=max(1.0, number / _SETTLING))
            gevent.sleep(_SETTLING)
            while runner.user_count < number:
                gevent.sleep(0.05)
            if last:
                before_last()
            start = time.time() - began
            played.levels.append(Level(number, start, start))
            _let_play(played, seconds if last else short, began)
            level = played.levels[-1]
            found = summarise(within(played.samples, level.start, level.end), level.end - level.start)
            say(
                f"{number:>5} users  {found.per_second:8.1f} answers/s   p50 {found.p50_ms or 0:7.1f} ms   "
                f"p95 {found.p95_ms or 0:7.1f} ms   {found.errors} errors"
            )
    except KeyboardInterrupt:
        played.interrupted = True
    finally:
        runner.quit()
    return played


def _let_play(played: ClosedLoopRun, seconds: float, began: float) -> None:
    """Waits, and keeps the end of the level up to date in case of an interruption."""
    level = played.levels[-1]
    while (now := time.time() - began) < level.start + seconds:
        gevent.sleep(min(0.25, level.start + seconds - now))
        played.levels[-1] = Level(level.users, level.start, min(time.time() - began, level.start + seconds))
