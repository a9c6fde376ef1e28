"""`akin up`, `down`, `status` and `demo`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any, NoReturn

import typer

from akin.cli import encoder, index, search
from akin.cli.output import Json, print_json, say, stdout
from akin.errors import StackError
from akin.registry.versions import promoted_number
from akin.settings import Settings
from akin.stack import lifecycle as local
from akin.stack.record import PartState, Stack, running


def add_to(app: typer.Typer) -> None:
    """Gives the commands to the application."""
    app.command()(up)
    app.command()(down)
    app.command()(status)
    app.command()(demo)


def up() -> None:
    """Start Triton, the service and the page in the background; return when they are ready."""
    stack = local.up(Settings.read(), say)
    stdout.print(
        f"page     {stack.page}\nservice  {stack.service}  (interactive description: {stack.service}/docs)",
        markup=False,
    )


def down() -> None:
    """Stop what `akin up` started, and remove what it has left behind."""
    stopped = local.down(Settings.read())
    say(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")


def status(json: Json = False) -> None:
    """Say what runs. The exit code is 0 when all of it does, 1 otherwise."""
    stack = running(Settings.read())
    found = [each.name for each in stack.parts or stack.children] if stack else []
    whole = stack is not None and bool(found) and all(stack.state(name) == "running" for name in found)
    if json:
        print_json(stack_as_json(stack, whole=whole))
    elif stack is None:
        say("nothing runs; start it with: akin up")
    else:
        for line in lines(stack, found):
            stdout.print(line, markup=False)
    if not whole:
        raise typer.Exit(1)


def stack_as_json(stack: Stack | None, *, whole: bool) -> dict[str, Any]:
    """Return what runs, for programs."""
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
                **(history(parts[child.name]) if child.name in parts else {}),
            }
            for child in (stack.children if stack else [])
            if stack is not None
        ],
        "supervisor": {"pid": supervisor.pid, "alive": supervisor.alive, "log": supervisor.log} if supervisor else None,
        "page": stack.page if stack else None,
        "service": stack.service if stack else None,
        "triton": stack.triton if stack else None,
        "encoders": stack.encoders if stack else [],
    }


def history(part: PartState) -> dict[str, object]:
    """Return what has become of a part, for programs: times in seconds since 1970."""
    return {"since": part.since, "restarts": part.restarts, "failures": part.failures, "reason": part.reason}


def lines(stack: Stack, names: list[str]) -> Iterator[str]:
    """Return what runs, for people."""
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
        yield "supervisor   stopped: what runs goes on, but nothing restarts it when it dies; start one with: akin up"
    yield f"page         {stack.page}\nservice      {stack.service}"


def demo(
    corpus: Annotated[
        str, typer.Argument(help="A file of papers (such as arxiv-metadata-oai-snapshot.json), or `sample`.")
    ] = "sample",
    query: Annotated[
        str, typer.Option(help="The query whose answer is shown.")
    ] = "training neural networks with little labelled data",
) -> None:
    """From papers to a search page in one command: export, index, start, search. Ctrl-C stops everything."""
    settings = Settings.read()
    before = running(settings)
    if before is None:
        local.expect_free(settings)
    if promoted_number(settings.repository) is None:
        encoder.export_version(settings, source=None, calibration="sample")
    index.build_if_needed(settings, corpus)
    stack = local.up(settings, say)
    try:
        search.show(search.ask(settings, {"query": query, "k": 3}))
        stdout.print(f"\nSearch on {stack.page}   (Ctrl-C stops everything)", markup=False)
        accompany(settings, stack)
    except KeyboardInterrupt:
        say("\nstopping")
    finally:
        # A stack that ran already was started by somebody who still wants it.
        if before is None:
            local.down(settings)


def accompany(settings: Settings, stack: Stack) -> NoReturn:
    """Say what becomes of a running stack, until Ctrl-C; replace its supervisor if that dies.

    Raises:
        StackError: The stack was stopped by another command.
    """
    said = {part.name: part.state for part in stack.parts}
    while True:
        time.sleep(0.5)
        now = running(settings)
        if now is None:
            raise StackError("the stack was stopped by another command.")
        if not now.supervised:
            now = local.up(settings, say)
        for part in now.parts:
            if part.state != said.get(part.name):
                said[part.name] = part.state
                say(f"{part.name}: {part.state}{'' if part.state == 'running' else f' ({part.reason})'}")
