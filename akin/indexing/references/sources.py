"""Files of citations: which there are, which format each has, and their records.

OpenAlex: works as JSON lines, `referenced_works` with OpenAlex ids; and its lists of merged ids, CSV with
`id,merge_into_id`. Semantic Scholar: the data sets `papers` (`corpusid`, `externalids`) and `citations`
(`citingcorpusid`, `citedcorpusid`), as JSON lines. Pairs: CSV, TSV or two words a line, the citing paper first, or the
columns `citing` and `cited` of a header. All may be gzip.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from akin.papers import UnknownFormat
from akin.papers.errors import PaperFileUnreadable
from akin.papers.readers.paper_file import PaperFile

_ENDINGS = (".gz", ".jsonl", ".ndjson", ".json", ".csv", ".tsv")
_NO_RECORDS = frozenset(["manifest", "manifest.json", "package.json"])
_LOOKED_AT = 20  # lines of a file that are read to find its format
_SHOWN = 120

Record = TypeVar("Record")
Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class Kind(StrEnum):
    """Format of a file, in the order in which files are read: first those that say which paper an id means."""

    OPENALEX = "OpenAlex works"
    OPENALEX_MERGED = "OpenAlex merged ids"
    S2_PAPERS = "Semantic Scholar papers"
    S2_CITATIONS = "Semantic Scholar citations"
    PAIRS = "pairs"


class Location(msgspec.Struct, gc=False):
    """Place where OpenAlex found a work."""

    id: str | None = None
    landing_page_url: str | None = None
    pdf_url: str | None = None


class Work(msgspec.Struct, gc=False):
    """Work of OpenAlex; its other fields are not decoded."""

    id: str
    doi: str | None = None
    ids: dict[str, object] | None = None
    locations: list[Location] | None = None
    primary_location: Location | None = None
    referenced_works: list[str | None] | None = None
    cited_by_count: Number | None = None


class ScholarPaper(msgspec.Struct, gc=False):
    """Paper of Semantic Scholar."""

    corpusid: Number
    externalids: dict[str, object] | None = None
    citationcount: Number | None = None


class ScholarCitation(msgspec.Struct, gc=False):
    """Citation of Semantic Scholar; one side is null if it is none of its papers."""

    citingcorpusid: Number | None
    citedcorpusid: Number | None


@dataclass
class SourceFile:
    """File of citations.

    Attributes:
        path: the file.
        kind: its format.
        lines: lines with something in them that were read so far.
        broken: those that could not be read.
        first_broken: number of the first of these, and the reason.
        bytes_read: bytes read so far.
        bytes_total: size of the file; 0 if it was not opened yet.
    """

    path: Path
    kind: Kind
    lines: int = 0
    broken: int = 0
    first_broken: tuple[int, str] | None = None
    bytes_read: int = 0
    bytes_total: int = 0
    columns: tuple[int, int] = field(default=(0, 1))
    header: bool = False

    def records(self, kind: type[Record]) -> Iterator[Record]:
        """Yield the records of a file of JSON lines.

        Raises:
            PaperFileUnreadable: The file breaks off, is corrupt, or most of its lines cannot be read.
        """
        decode = msgspec.json.Decoder(kind, strict=False).decode
        for number, line in self.read_lines():
            try:
                record = decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                self.note_broken(number, str(error))
                continue
            yield record
        self._check()

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield the two ids of each line of a file of pairs.

        Raises:
            PaperFileUnreadable: The file breaks off, is corrupt, or most of its lines cannot be read.
        """
        first, second = self.columns
        delimiter: str | None = None
        header = self.header
        for number, line in self.read_lines():
            text = line.decode("utf-8", "replace").strip("\r\n")
            if text.startswith("#"):
                continue
            delimiter = _delimiter(text) if delimiter is None else delimiter
            if header:
                header = False
                continue
            found = cells(text, delimiter)
            if len(found) <= max(first, second) or not (found[first].strip() and found[second].strip()):
                self.note_broken(number, "has no two ids")
                continue
            yield found[first].strip(), found[second].strip()
        self._check()

    def note_broken(self, number: int, reason: str) -> None:
        """Count a line that cannot be read."""
        self.broken += 1
        if self.first_broken is None:
            self.first_broken = (number, reason)

    def read_lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines with something in them, numbered from 1, and count them.

        Raises:
            PaperFileUnreadable: The file breaks off or is corrupt.
        """
        file = PaperFile(self.path)
        try:
            if file.bytes_total is None:
                raise PaperFileUnreadable(self.path, "is a pipe, and is read twice: write it to a file")
            self.bytes_total = file.bytes_total
            for number, line in file.lines():
                self.bytes_read = file.bytes_read
                if line is None:
                    self.lines += 1
                    self.note_broken(number, "is too long")
                elif line.strip():
                    self.lines += 1
                    yield number, line
        finally:
            file.close()

    def _check(self) -> None:
        if self.first_broken and self.broken * 2 > self.lines:
            line, reason = self.first_broken
            raise PaperFileUnreadable(
                self.path,
                f"{self.broken:,} of {self.lines:,} lines are no records of {self.kind} (line {line}: "
                f"{reason[:_SHOWN]}); nothing was imported",
            )


def find_files(paths: Sequence[Path]) -> list[SourceFile]:
    """Return the files to read, of folders all files in them, in the order in which they are read.

    Raises:
        PaperFileError: A file is missing, cannot be read, or has none of the formats.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = (each for each in sorted(path.rglob("*")) if each.is_file() and _may_hold_records(each))
            found.update(dict.fromkeys(inside))
        else:
            found[path] = None
    if not found:
        names = ", ".join(map(str, paths))
        raise UnknownFormat(paths[0], f"no file that ends in {', '.join(_ENDINGS)} is in {names}")
    kinds = list(Kind)
    return sorted((_recognise(path) for path in found), key=lambda file: (kinds.index(file.kind), file.path))


def _may_hold_records(path: Path) -> bool:
    return path.name.endswith(_ENDINGS) and path.name not in _NO_RECORDS and not path.name.startswith(".")


def _recognise(path: Path) -> SourceFile:
    """Return a file with its format, which the first lines show."""
    for _, line in islice(SourceFile(path, Kind.PAIRS).read_lines(), _LOOKED_AT):
        start = line.lstrip()[:1]
        if start == b"{":
            if kind := _kind_of(line):
                return SourceFile(path, kind)
        elif start == b"[":
            raise UnknownFormat(path, "is a JSON array; write one record per line")
        elif (named := _pairs_of(path, line)) is not None:
            return named
    raise UnknownFormat(
        path,
        "is no file of citations that is known: OpenAlex works, Semantic Scholar papers or citations (all JSON lines), "
        "or pairs of a citing and a cited id (CSV, TSV or two words a line)",
    )


def _kind_of(line: bytes) -> Kind | None:
    try:
        names = msgspec.json.decode(line, type=dict[str, msgspec.Raw]).keys()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if {"citingcorpusid", "citedcorpusid"} <= names:
        return Kind.S2_CITATIONS
    if {"corpusid", "externalids"} <= names:
        return Kind.S2_PAPERS
    return Kind.OPENALEX if "id" in names and {"referenced_works", "doi"} & names else None


def _pairs_of(path: Path, line: bytes) -> SourceFile | None:
    """Return a file as one of pairs, or of merged ids, if its first line is one of them; None for a comment."""
    text = line.decode("utf-8", "replace").strip()
    if text.startswith("#"):
        return None
    names = [cell.strip().lower() for cell in cells(text, _delimiter(text))]
    if {"id", "merge_into_id"} <= set(names):
        columns = names.index("id"), names.index("merge_into_id")
        return SourceFile(path, Kind.OPENALEX_MERGED, columns=columns, header=True)
    for citing, cited in (("citing", "cited"), ("citing_id", "cited_id"), ("source", "target")):
        if {citing, cited} <= set(names):
            return SourceFile(path, Kind.PAIRS, columns=(names.index(citing), names.index(cited)), header=True)
    return SourceFile(path, Kind.PAIRS) if len(names) >= 2 and all(names[:2]) else None


def _delimiter(text: str) -> str:
    return next((sign for sign in ("\t", ",", ";") if sign in text), " ")


def cells(text: str, delimiter: str) -> list[str]:
    """Return the cells of a line; none if its quotation marks are wrong."""
    if delimiter == " ":
        return text.split()
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []
