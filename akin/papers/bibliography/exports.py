"""References in a file of papers that Akin exported: a table (CSV), or records (JSON lines)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from enum import StrEnum

import msgspec

from akin.papers.authors import parse_author

_COLUMNS = ("id", "title", "authors")  # the first ones of the table
_FORMULA_MARK = "'"  # before a cell that a spreadsheet would take for a formula


class ExportedFormat(StrEnum):
    """Format of an exported file."""

    CSV = "csv"
    JSONL = "jsonl"


class _Name(msgspec.Struct):
    name: str = ""
    family: str = ""


class ExportedPaper(msgspec.Struct, kw_only=True):
    """Fields of an exported paper that identify it, or the `problem` of a line that cannot be read."""

    line: int = 0
    problem: str | None = None
    id: str = ""
    title: str = ""
    authors: Sequence[_Name] = ()
    published: str | None = None
    doi: str | None = None

    @property
    def families(self) -> tuple[str, ...]:
        """The family names of the authors."""
        return tuple(each.family or parse_author(each.name).family for each in self.authors)


_DECODER = msgspec.json.Decoder(ExportedPaper)


def detect_export(text: str) -> ExportedFormat | None:
    """Return the format of an exported file; None for any other text."""
    first = text.lstrip("\ufeff \t\r\n").split("\n", 1)[0]
    if first.startswith("{") and '"id"' in first and '"title"' in first:
        return ExportedFormat.JSONL
    # In quotation marks as written, or without them, as a spreadsheet saves it.
    names = [name.strip().strip('"') for name in first.replace(";", ",").split(",", len(_COLUMNS))]
    return ExportedFormat.CSV if tuple(names[: len(_COLUMNS)]) == _COLUMNS else None


def exported_papers(text: str, form: ExportedFormat) -> Iterator[ExportedPaper]:
    """Yield the papers of an exported file, with their lines."""
    text = text.lstrip("\ufeff")
    return _records(text) if form is ExportedFormat.JSONL else _table(text)


def _records(text: str) -> Iterator[ExportedPaper]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            paper = _DECODER.decode(line)
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            paper = ExportedPaper(title=line, problem=f"it is no record of a paper ({error})")
        paper.line = number
        yield paper


def _table(text: str) -> Iterator[ExportedPaper]:
    header = text.lstrip().split("\n", 1)[0]
    sign = ";" if header.count(";") > header.count(",") else ","
    rows = csv.DictReader(io.StringIO(text.lstrip(), newline=""), delimiter=sign, restval="")
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows, None)
        except csv.Error as error:
            yield ExportedPaper(line=line, problem=f"it is no row of a table ({error})")
            continue
        if row is None:
            return
        cells = {name: _plain(cell) for name, cell in row.items() if name and isinstance(cell, str)}
        yield ExportedPaper(
            line=max(line, 2),
            id=cells.get("id", ""),
            title=cells.get("title", ""),
            authors=[_Name(name.strip()) for name in cells.get("authors", "").split(";") if name.strip()],
            published=cells.get("published"),
            doi=cells.get("doi") or None,
        )


def _plain(cell: str) -> str:
    """Return the text of a cell, without the mark that keeps a spreadsheet from reading a formula."""
    return cell[1:] if cell.startswith(_FORMULA_MARK) and not cell[1:2].isalnum() else cell
