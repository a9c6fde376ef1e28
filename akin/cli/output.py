"""Print data on standard output and everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from akin.stack_settings import Settings

    stdout: Console
    stderr: Console

_WIDE = 1_000

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@cache
def _console(name: str) -> Console:
    from rich.console import Console

    stream = getattr(sys, name)
    # Programs that read a table get its whole lines.
    width = None if stream is None or stream.isatty() or os.environ.get("COLUMNS") else _WIDE
    return Console(stderr=name == "stderr", highlight=False, soft_wrap=True, width=width)


def __getattr__(name: str) -> Any:
    """Return the console `stdout` or `stderr`, made at its first use as importing rich takes time."""
    if name in ("stdout", "stderr"):
        return _console(name)
    raise AttributeError(name)


def read_settings() -> Settings:
    """Return the settings of this process's environment."""
    from akin.stack_settings import Settings

    return Settings.read()


def say(message: str) -> None:
    """Print a line of progress on standard error."""
    print(message, file=sys.stderr)


def print_json(data: Any) -> None:
    """Print data as JSON on standard output."""
    print(json.dumps(data, ensure_ascii=False, indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on standard output."""
    from rich.table import Table

    table = Table(box=None)
    for place, column in enumerate(columns):
        table.add_column(column, no_wrap=not place)  # ids are to be copied
    for row in rows:
        table.add_row(*row)
    _console("stdout").print(table)


def print_rows(rows: Mapping[str, str]) -> None:
    """Print names with their values on standard output, a line each."""
    width = max(map(len, rows)) + 2
    for name, value in rows.items():
        print(f"{name:<{width}}{value}")


def write_output(to: Path, content: bytes) -> None:
    """Write a file whole, in a folder that is made; or to standard output, which `-` names.

    Raises:
        OSError: It cannot be written.
    """
    from akin.storage.durable import replace_file

    if str(to) == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
    else:
        if not to.parent.exists():
            to.parent.mkdir(parents=True, exist_ok=True)
        replace_file(to, content)


def check_day(text: str) -> str:
    """Return the day of an option, such as 2026-01-31, or an empty text.

    Raises:
        BadParameter: It is no day.
    """
    from akin.papers.readers.fields import parse_day

    if text and (parse_day(text) is None or len(text) != 10):
        raise typer.BadParameter(f"{text}: give a day as 2026-01-31")
    return text


def shown(value: object) -> str:
    """Return a value as tables show it."""
    return f"{value:,}" if isinstance(value, int) else "–" if value is None else str(value)
