"""Define `akin resolve`: the papers of the corpus that a bibliography means."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from akin.cli.cite import export
from akin.cli.output import Json, print_json, read_settings, say
from akin.errors import PapersUnusable

if TYPE_CHECKING:
    from akin.papers.bibliography.references import Reference
    from akin.stack_settings import Settings

_AT_ONCE = 2_000  # references of one request
_MOST_CITED = 1_000
_LONGEST = 64 << 20  # bytes
_GZIP = b"\x1f\x8b"


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(resolve)


def resolve(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="BibTeX, RIS, CSL-JSON, or lines of ids, DOIs and titles; - for input."),
    ],
    json: Json = False,
    bibtex: Annotated[bool, typer.Option(help="Print the papers that were found as BibTeX.")] = False,
) -> None:
    """Find the papers of the corpus that the references of a file mean.

    By arXiv id, then by DOI, then by title, authors and year; a line for each: what was found, how, and the reference.
    Examples: akin resolve thesis.bib; akin resolve thesis.bib --bibtex > fresh.bib
    """
    settings = read_settings()
    found = resolved(settings, file)
    ids = list(dict.fromkeys(each["paper"]["id"] for each in found if each["paper"]))
    if json:
        print_json(found)
    elif bibtex:
        if len(ids) > _MOST_CITED:
            say(f"the first {_MOST_CITED:,} of {len(ids):,} papers are cited")
        if ids:
            export(settings, {"ids": ids[:_MOST_CITED], "format": "bibtex"})
    else:
        _print(found)
    named = sum(each["paper"] is not None for each in found)
    say(f"{named:,} of {len(found):,} references are papers of this corpus")


def resolved(settings: Settings, file: str) -> list[dict[str, Any]]:
    """Return the service's answer to each reference of a file, or of standard input for `-`, with its line.

    Raises:
        BadParameter: The file cannot be read.
        PapersUnusable: The file is too large, or has no references.
        SearchFailed: The service does not run, or refuses a reference.
    """
    references = _read(file)
    parts = (references[at : at + _AT_ONCE] for at in range(0, len(references), _AT_ONCE))
    return [each for part in parts for each in _answers(settings, part)]


def _read(file: str) -> list[Reference]:
    from akin.papers.bibliography.decoding import decode_library
    from akin.papers.bibliography.references import read_references

    try:
        data = sys.stdin.buffer.read(_LONGEST + 1) if file == "-" else Path(file).expanduser().read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read ({error.strerror})") from None
    if data.startswith(_GZIP):
        data = _unpacked(file, data)
    if len(data) > _LONGEST:
        raise PapersUnusable(f"{file} is larger than 64 MB: divide it.")
    try:
        references = list(read_references(decode_library(data), _LONGEST)[1])
    except ValueError as error:
        raise PapersUnusable(f"{file} is not one JSON array of CSL-JSON: {error}.") from None
    if not references:
        raise PapersUnusable(f"{file} has no references: give BibTeX, RIS, CSL-JSON, or lines of ids, DOIs and titles.")
    return references


def _unpacked(file: str, data: bytes) -> bytes:
    """Return the content of a gzip file, of which a little more than is read at most."""
    import gzip
    import io
    import zlib

    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as unpacked:
            return unpacked.read(_LONGEST + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise PapersUnusable(f"{file} is gzip that cannot be unpacked ({error}): fetch or copy it again.") from None


def _answers(settings: Settings, references: list[Reference]) -> list[dict[str, Any]]:
    """Return the service's answers to some references, with their lines."""
    from akin.cli.search import request_answer

    whole = [each for each in references if not each.problem]
    answers: list[dict[str, Any]] = []
    if whole:
        body = {"references": list(map(_parts, whole))}
        answers = request_answer(settings, "/references/resolve", body)["references"]
    following = iter(answers)
    return [{**_unread(each), **({} if each.problem else next(following)), "line": each.line} for each in references]


def _parts(reference: Reference) -> dict[str, Any]:
    parts = {
        "title": reference.title,
        "authors": [name[:1_000] for name in reference.authors[:200]],
        "year": reference.year,
        "doi": (reference.doi or "")[:1_000],
        "arxiv_id": reference.arxiv_id,
        "id": reference.paper_id,
        "key": reference.key,
    }
    return {name: value for name, value in parts.items() if value}


def _unread(reference: Reference) -> dict[str, Any]:
    nothing: dict[str, Any] = {"paper": None, "how": None, "confidence": None, "candidates": []}
    return {"reference": reference.text, "key": reference.key, **nothing, "problem": reference.problem}


def _print(found: list[dict[str, Any]]) -> None:
    for each in found:
        reference = " ".join(filter(None, (each.get("key"), each["reference"])))
        if each["problem"]:
            print(f"line {each['line']}\tnot read\t{each['problem']}\t{reference}")
        elif each["paper"]:
            how = each["how"] if each["confidence"] == 1 else f"{each['how']} {each['confidence']:.2f}"
            print(f"line {each['line']}\t{each['paper']['id']}\t{how}\t{each['paper']['title']}")
        else:
            similar = ", ".join(candidate["id"] for candidate in each["candidates"])
            print(f"line {each['line']}\tnot found\t{f'similar: {similar}' if similar else ''}\t{reference}")
