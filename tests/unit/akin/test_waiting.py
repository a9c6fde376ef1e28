from __future__ import annotations

import pytest

from akin.errors import StackError
from akin.stack import wait
from akin.stack.wait import wait_for


class Clock:
    """Clock that only moves when the code sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(wait.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(wait.time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def away_until(clock: Clock, moment: float) -> str:
    if clock.now < moment:
        raise StackError("nothing answers at triton:8001")
    return "here"


def test_an_available_result_is_returned_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    clock = Clock(monkeypatch)
    assert wait_for("Triton", lambda: away_until(clock, 0), 0, said.append) == "here"
    assert said == []


def test_a_wait_is_reported_with_its_reason_every_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    clock = Clock(monkeypatch)
    assert wait_for("Triton", lambda: away_until(clock, 165), 600, said.append) == "here"
    assert said == [
        f"waiting for Triton (at most {left} s): nothing answers at triton:8001" for left in (600, 570, 540)
    ]


@pytest.mark.parametrize("seconds", [0, 7.5])
def test_after_the_wait_the_last_error_is_raised(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    clock = Clock(monkeypatch)
    with pytest.raises(StackError, match="nothing answers at triton:8001"):
        wait_for("Triton", lambda: away_until(clock, 1e9), seconds, lambda _: None)
    assert clock.now == 100.0 + seconds
