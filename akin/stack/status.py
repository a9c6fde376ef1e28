"""Describe a running stack, as text and as JSON, and follow its changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from akin.errors import StackError
from akin.stack import lifecycle
from akin.stack.record import PartState, Stack, find_running_stack
from akin.stack_settings import Settings


def stack_as_json(stack: Stack | None, *, whole: bool) -> dict[str, Any]:
    """Return the state of a stack as JSON; `whole` is True if all of it runs."""
    parts = {part.name: part for part in stack.parts} if stack else {}
    supervisor = stack.supervisor if stack else None
    return {
        "running": whole,
        "processes": [
            {
                "name": child.name,
                "pid": child.pid,
                "alive": child.alive,
                "log": child.log,
                "state": stack.state(child.name),
                **(part_as_json(parts[child.name]) if child.name in parts else {}),
            }
            for child in (stack.children if stack else [])
            if stack is not None
        ],
        "supervisor": {"pid": supervisor.pid, "alive": supervisor.alive, "log": supervisor.log} if supervisor else None,
        "page": stack.page if stack else None,
        "page_path": stack.page_path if stack else None,
        "service": stack.service if stack else None,
        "service_path": stack.service_path if stack else None,
        "triton": stack.triton if stack else None,
        "encoders": stack.encoders if stack else [],
    }


def part_as_json(part: PartState) -> dict[str, object]:
    """Return the history of a part as JSON; times are seconds since 1970."""
    return {"since": part.since, "restarts": part.restarts, "failures": part.failures, "reason": part.reason}


def status_lines(stack: Stack, names: list[str]) -> Iterator[str]:
    """Yield the lines of `akin status` for the parts with these names."""
    parts = {part.name: part for part in stack.parts}
    for name in names:
        child, part, state = stack.child(name), parts.get(name), stack.state(name)
        words = [f"{name:<12} {state}"]
        if part is not None and part.state == state:
            words.append(f"since {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(part.since))}")
        if child is not None:
            words += [f"pid {child.pid}" if child.alive else "no process", child.log]
        yield "  ".join(words)
        if part is not None and (part.restarts or state != "running") and part.reason:
            times = f"restarted {part.restarts} time{'' if part.restarts == 1 else 's'}; " if part.restarts else ""
            yield f"             {times}last: {part.reason}"
        if state == "given up":
            yield "             try again with: akin up"
    if stack.supervised and stack.supervisor is not None:
        yield f"supervisor   running  pid {stack.supervisor.pid}  {stack.supervisor.log}"
    else:
        yield "supervisor   stopped: the parts continue, but nothing restarts a part that ends; start one with: akin up"
    yield f"page         {stack.page}{published(stack.page_path)}"
    yield f"service      {stack.service}{published(stack.service_path)}"


def published(path: str) -> str:
    """Return a note on the path under which a proxy publishes a server; empty if there is none."""
    return f"  (behind a proxy: below {path}/)" if path else ""


def follow(settings: Settings, stack: Stack, say: Callable[[str], None]) -> NoReturn:
    """Print every change of a running stack until Ctrl-C; start a new supervisor if the present one ends.

    Raises:
        StackError: The stack was stopped by another command.
    """
    reported = {part.name: part.state for part in stack.parts}
    while True:
        time.sleep(0.5)
        now = find_running_stack(settings)
        if now is None:
            raise StackError("the stack was stopped by another command.")
        if not now.supervised:
            now = lifecycle.up(settings, say)
        for part in now.parts:
            if part.state != reported.get(part.name):
                reported[part.name] = part.state
                say(f"{part.name}: {part.state}{'' if part.state == 'running' else f' ({part.reason})'}")
