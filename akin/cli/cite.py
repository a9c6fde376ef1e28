"""Define `akin cite`, and the export of papers: files that the running service writes."""

from __future__ import annotations

import codecs
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from akin.cli.asking import ask
from akin.cli.output import read_settings, say, write_output
from akin.errors import SearchFailed
from akin.messages import counted

if TYPE_CHECKING:
    from akin.stack_settings import Settings


FORMATS = ("bibtex", "ris", "csl-json", "csv", "jsonl")
"""Formats of a file of papers, as the service names them."""


def formats() -> list[str]:
    """Return the formats, for completion."""
    return list(FORMATS)


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(cite)


def cite(
    ids: Annotated[
        list[str],
        typer.Argument(
            metavar="ID...", help="Papers, each in any form of an arXiv id; - reads ids from standard input."
        ),
    ],
    form: Annotated[
        str, typer.Option("--format", "-f", help="bibtex, ris, csl-json, csv or jsonl.", autocompletion=formats)
    ] = "bibtex",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write this file, not the terminal.")] = None,
) -> None:
    """Print the citations of papers, as the service and the page write them, or all that is known (csv, jsonl).

    The citations are for one file: no key is there twice. Examples: akin cite 2401.09004 hep-th/9901997 > papers.bib;
    cut -f1 ids.tsv | akin cite - --format ris > papers.ris
    """
    named = [each for name in ids for each in (_ids_of_input() if name == "-" else [name])]
    if not named:
        raise typer.BadParameter("standard input has no ids")
    export(read_settings(), {"ids": named, "format": form}, output)


def export(settings: Settings, asked: dict[str, Any], output: Path | None = None) -> None:
    """Print papers as the service writes them, or write them to a file, which is whole or unchanged.

    Args:
        settings: The settings, with the address of the service.
        asked: The parameters of an export.
        output: The file; standard output if None.

    Raises:
        SearchFailed: The service does not run, or refuses the request; the message is then the service's own. Or the
            file cannot be written.
    """
    url = settings.service_url
    response = ask(url, "/export", asked)
    if response.is_error:
        try:
            message = response.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            message = f"{url} answered {response.status_code}: check that no other program uses its port."
        raise SearchFailed(message)
    count = int(response.headers.get("akin-papers", 0))
    if not count:
        say("no paper matches")
    try:
        # Bytes, so that neither the encoding nor the line ends of the terminal change what the service wrote.
        write_output(output or Path("-"), response.content)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SearchFailed(f"{output} cannot be written ({error.strerror}): name another file with --output") from error
    if output is not None and str(output) != "-":
        say(f"{counted(count, 'paper')} in {output}")


def _ids_of_input() -> list[str]:
    """Return the ids in standard input: UTF-8, or UTF-16 with a byte order mark, as PowerShell writes."""
    data = sys.stdin.buffer.read()
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if utf16 else "utf-8-sig").split()
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"standard input is not UTF-8 ({error}): convert it, for example with iconv") from None
