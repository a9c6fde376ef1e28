"""Define `akin digest`: what is new in saved searches."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer

from akin.cli.asking import ask
from akin.cli.output import Json, print_json, read_settings, say, write_output
from akin.errors import SavedSearchesUnusable, SearchFailed
from akin.messages import counted

_FORMATS = ["text", "markdown", "html"]


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(digest)


def digest(
    saved: Annotated[Path, typer.Argument(metavar="SAVED.toml", help="The saved searches: [[search]] tables.")],
    since: Annotated[
        str, typer.Option(help="The first day: 2026-01-31, 2026-01, 2026, or 7d for the last seven days.")
    ],
    form: Annotated[
        str, typer.Option("--format", "-f", help="text, markdown or html.", autocompletion=lambda: _FORMATS)
    ] = "text",
    abstracts: Annotated[bool, typer.Option("--abstracts", help="Print the abstracts too.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write, in one step.")] = None,
    json: Json = False,
) -> None:
    """Report the papers since a day in saved searches, each paper once.

    A saved search has the names of the API: name, query or like, categories, authors and the others of docs/search.md.
    Example: akin digest saved.toml --since 7d --format html --output digest.html
    """
    if form not in _FORMATS:
        raise typer.BadParameter(f"{form!r} is none of {', '.join(_FORMATS)}", param_hint="--format")
    first = _first_day(since)
    from akin.digest.collect import collect
    from akin.digest.saved import read_saved

    searches = read_saved(saved)
    settings = read_settings()
    from akin.cli.search import request_search

    found = collect(searches, first, _newest(settings.service_url), lambda body: request_search(settings, body))
    for section in found.sections:
        for note in section.notes:
            say(f"note: {section.name}: {note}")
    if json:
        import dataclasses

        print_json(dataclasses.asdict(found))
        return
    from akin.digest.write import FORMATS

    try:
        write_output(output or Path("-"), FORMATS[form](found, abstracts).encode("utf-8", "replace"))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SavedSearchesUnusable(f"{output} cannot be written: {error.strerror}") from None
    if output is not None and str(output) != "-":
        say(f"{output}: {counted(found.count, 'paper')}")


def _first_day(since: str) -> str:
    since = since.strip()
    if days := re.fullmatch(r"(\d{1,5})d", since, re.ASCII):
        return (date.today() - timedelta(days=int(days[1]))).isoformat()
    parts = re.fullmatch(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", since, re.ASCII)
    try:
        if parts is None:
            raise ValueError
        date(int(parts[1]), int(parts[2] or 1), int(parts[3] or 1))
    except ValueError:
        raise typer.BadParameter(
            f"{since!r} is no day, month or year that exists, and no number of days such as 7d", param_hint="--since"
        ) from None
    return since


def _newest(url: str) -> str | None:
    """Return the day of the newest paper of the corpus."""
    response = ask(url, "/corpus")
    try:
        content = response.json()
        if response.is_error:
            raise SearchFailed(str(content["error"]["message"]))
        newest: str | None = content["newest"]
    except (ValueError, KeyError, TypeError):
        return None
    return newest
