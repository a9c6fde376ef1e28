"""Fetch models or a snapshot from a bucket, then become a server: `python -m akin.start models|snapshot COMMAND…`.

Images start this way. Without AKIN_MODELS_SOURCE or AKIN_SNAPSHOT_SOURCE the server starts at once, with the files
that its volumes have.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from typing import NoReturn

WHAT = ("models", "snapshot")


def main(arguments: list[str]) -> NoReturn:
    """Fetch what a setting names, and replace this process by the command; end with an error's exit code instead."""
    if len(arguments) < 2 or arguments[0] not in WHAT:
        print("usage: python -m akin.start models|snapshot COMMAND…", file=sys.stderr)
        sys.exit(2)
    what, *command = arguments
    if os.environ.get(f"AKIN_{what.upper()}_SOURCE"):
        # The first process of a container ignores SIGTERM unless it has a handler.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        fetch(what)
    program = shutil.which(command[0])
    if program is None:
        print(f"start: there is no command {command[0]!r}", file=sys.stderr)
        sys.exit(127)
    os.execv(program, command)


def fetch(what: str) -> None:
    """Fetch models or a snapshot; print an expected error as one line and end with its code."""
    from akin.errors import AkinError
    from akin.settings import Sources
    from akin.sources import fetch_models, fetch_snapshot
    from akin.stack_settings import Settings

    try:
        settings, sources = Settings.read(), Sources.read()
        if what == "models":
            fetch_models(settings.repository, sources.models_source, log)
        else:
            fetch_snapshot(settings.data, sources.snapshot_source, log)
    except AkinError as error:
        log(str(error))
        sys.exit(error.exit_code)


def log(message: str) -> None:
    """Write a line to the container's log."""
    print(f"start: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
