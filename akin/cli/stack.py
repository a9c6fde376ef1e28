"""`akin up`, `down`, `status` and `demo`."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from akin import stack as local
from akin.cli import encoder, index, search
from akin.cli.output import Json, print_json, say, stdout
from akin.errors import StackError
from akin.processes import tail
from akin.registry import promoted_number
from akin.settings import Settings


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
    """Stop what `akin up` started."""
    stopped = local.down(Settings.read())
    say(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")


def status(json: Json = False) -> None:
    """Say what runs. The exit code is 0 when all of it does, 1 otherwise."""
    settings = Settings.read()
    stack = local.running(settings)
    found = {child.name: child.alive for child in stack.children} if stack else {}
    if json:
        print_json(
            {
                "running": bool(found) and all(found.values()),
                "processes": [
                    {"name": child.name, "pid": child.pid, "alive": child.alive, "log": child.log}
                    for child in (stack.children if stack else [])
                ],
                "page": stack.page if stack else None,
                "service": stack.service if stack else None,
                "triton": stack.triton if stack else None,
                "encoders": stack.encoders if stack else [],
            }
        )
    elif stack is None:
        say("nothing runs; start it with: akin up")
    else:
        for child in stack.children:
            stdout.print(
                f"{child.name:<12} {'running' if child.alive else 'stopped'}  pid {child.pid}  {child.log}",
                markup=False,
            )
        stdout.print(f"page         {stack.page}\nservice      {stack.service}", markup=False)
    if not found or not all(found.values()):
        raise typer.Exit(1)


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
    before = local.running(settings)
    if before is None:
        local.check_ports(settings)
    if promoted_number(settings.repository) is None:
        encoder.export_version(settings, source=None, calibration="sample")
    index.build_if_needed(settings, corpus)
    stack = local.up(settings, say)
    try:
        search.show(search.ask(settings, {"query": query, "k": 3}))
        stdout.print(f"\nSearch on {stack.page}   (Ctrl-C stops everything)", markup=False)
        while True:
            time.sleep(0.5)
            for child in stack.children:
                if not child.alive:
                    raise StackError(f"{child.name} stopped by itself. Its log, {child.log}, ends:\n{tail(child.log)}")
    except KeyboardInterrupt:
        say("\nstopping")
    finally:
        # A stack that ran already was started by somebody who still wants it.
        if stack != before:
            local.down(settings)
