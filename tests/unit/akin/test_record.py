"""Test the record of a running stack."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace

import pytest

from akin.stack import record
from akin.stack.processes import Child, start_time
from akin.stack.record import PartState, Stack
from akin.stack_settings import Settings

THIS = Child("Triton", os.getpid(), start_time(os.getpid()) or 0, "triton.log")
GONE = Child("the supervisor", os.getpid(), 1, "supervisor.log")


def stack_of(*children: Child, state: record.State = "running") -> Stack:
    parts = [PartState(child.name, state, 1.0) for child in children]
    return Stack(list(children), [1], "http://s", "http://p", "t", "h", complete=True, parts=parts)


def test_a_stack_is_read_as_it_was_written(settings: Settings) -> None:
    record.create(settings, stack_of(THIS), GONE)
    stack = record.find_running_stack(settings)
    assert stack == replace(stack_of(THIS), supervisor=GONE, boot=record.boot())


def test_a_change_keeps_what_others_have_written(settings: Settings) -> None:
    record.create(settings, stack_of(THIS), GONE)
    record.update(settings, lambda stack: replace(stack, encoders=[1, 2]))
    record.update(settings, lambda stack: replace(stack, complete=False))
    stack = record.read(settings)
    assert stack is not None
    assert (stack.encoders, stack.complete) == ([1, 2], False)


def test_a_stopped_stack_is_not_recorded_again(settings: Settings) -> None:
    record.create(settings, stack_of(THIS), GONE)
    shutil.rmtree(settings.run)
    record.update(settings, lambda stack: stack)
    assert record.read(settings) is None
    assert not settings.run.exists()


def test_a_record_from_before_the_last_boot_is_ignored(settings: Settings) -> None:
    record.write(settings, replace(stack_of(THIS), boot="another"))
    assert record.find_running_stack(settings) is None


def test_a_record_of_an_earlier_release_is_read(settings: Settings) -> None:
    record.write(settings, stack_of(THIS))
    found = json.loads(record.record_path(settings).read_text())
    for name in ("parts", "supervisor", "attempts", "boot", "triton_metrics"):
        del found[name]
    record.record_path(settings).write_text(json.dumps(found))
    stack = record.find_running_stack(settings)
    assert stack is not None
    assert (stack.supervised, stack.serves, stack.state("Triton")) == (False, True, "running")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"children": 1}', '{"children": [], "more": 1}'])
def test_an_unreadable_record_counts_as_absent(settings: Settings, text: str) -> None:
    settings.run.mkdir()
    record.record_path(settings).write_text(text)
    assert record.read(settings) is None


def test_without_a_supervisor_the_process_decides_the_state() -> None:
    written = replace(stack_of(THIS, GONE, state="restarting"), supervisor=GONE)
    assert (written.state("Triton"), written.state("the supervisor")) == ("running", "stopped")


def test_a_triton_that_is_being_started_does_not_serve_yet() -> None:
    assert not replace(stack_of(THIS, state="starting"), supervisor=THIS).serves
    assert replace(stack_of(THIS, state="running"), supervisor=THIS).serves


def test_a_part_that_has_just_ended_is_not_running() -> None:
    dead = replace(THIS, started=1)
    assert replace(stack_of(dead), supervisor=THIS).state("Triton") == "restarting"
