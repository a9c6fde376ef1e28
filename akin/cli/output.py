"""Print data on standard output and everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from akin.stack_settings import Settings

    stdout: Console
    stderr: Console

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@cache
def _console(name: str) -> Console:
    from rich.console import Console

    return Console(stderr=name == "stderr", highlight=False, soft_wrap=True)


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

    table = Table(*columns, box=None)
    for row in rows:
        table.add_row(*row)
    _console("stdout").print(table)
