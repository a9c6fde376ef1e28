"""Test the output of `akin status` and of a running demonstration."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from akin.errors import StackError
from akin.stack import status
from akin.stack.processes import Child, start_time
from akin.stack.record import PartState, Stack
from akin.stack_settings import Settings

PART = PartState("the service", "running", 0.0)
STACK = Stack([], [1], "http://s", "http://p", "t", "h", complete=True, parts=[PART])


def stack_of(state: PartState, *, supervised: bool = True) -> Stack:
    """Return a stack of one part, whose supervisor is this process or has ended."""
    started = start_time(os.getpid()) if supervised else 1
    return replace(STACK, parts=[state], supervisor=Child("the supervisor", os.getpid(), started or 0, ""))


def test_a_demonstration_prints_changes_of_its_parts_and_replaces_an_ended_supervisor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    died = replace(PART, state="restarting", reason="was ended by SIGKILL")
    met = [stack_of(PART), stack_of(died), stack_of(died), stack_of(PART), stack_of(PART, supervised=False), None]
    mended: list[Settings] = []
    said: list[str] = []
    monkeypatch.setattr(status.time, "sleep", lambda _: None)
    monkeypatch.setattr(status, "find_running_stack", lambda _: met.pop(0))
    monkeypatch.setattr(status.lifecycle, "up", lambda settings, say: mended.append(settings) or stack_of(PART))
    with pytest.raises(StackError, match="stopped by another command"):
        status.follow(Settings.read({}), STACK, said.append)
    assert said == ["the service: restarting (was ended by SIGKILL)", "the service: running"]
    assert len(mended) == 1


def test_the_status_as_text_has_the_history() -> None:
    given_up = replace(PART, state="given up", restarts=7, reason="no such model (failure 8 in a row).")
    told = "\n".join(status.status_lines(stack_of(given_up), ["the service"]))
    assert "the service  given up  since " in told
    assert "restarted 7 times; last: no such model (failure 8 in a row)." in told
    assert "try again with: akin up" in told
    assert "supervisor   running" in told
    assert "nothing restarts a part" in "\n".join(
        status.status_lines(stack_of(PART, supervised=False), ["the service"])
    )


def test_the_status_names_the_path_of_a_proxy() -> None:
    told = list(status.status_lines(replace(stack_of(PART), page_path="/akin"), ["the service"]))
    assert told[-2:] == ["page         http://p  (behind a proxy: below /akin/)", "service      http://s"]


def test_the_status_as_json_has_the_earlier_fields_and_the_history() -> None:
    child = Child("the service", 1, 1, "service.log")
    found = status.stack_as_json(replace(stack_of(PART), children=[child]), whole=True)
    assert found["running"] is True
    (process,) = found["processes"]
    assert {"name", "pid", "alive", "log", "state", "since", "restarts", "failures", "reason"} == set(process)
    assert {"page", "service", "triton", "encoders", "supervisor"} <= set(found)
    assert status.stack_as_json(None, whole=False)["processes"] == []
