"""Detection of a file's format from its first records."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec

from akin.papers.bibliography.formats import LibraryFormat, detect_library
from akin.papers.errors import MappingError, UnknownFormat
from akin.papers.readers.arxiv_snapshot import decode_line
from akin.papers.readers.mapped_records import csv_header
from akin.papers.readers.mapping import Mapping, check_fields, format_field_names, mapping_by_own_names, suggest_mapping
from akin.papers.readers.paper_file import PaperFile


class Format(StrEnum):
    """Format of a file of papers."""

    ARXIV = "arxiv"
    JSONL = "jsonl"
    CSV = "csv"
    ACL = "acl"
    SAMPLE = "sample"
    LIBRARY = "library"


class FileLayout(msgspec.Struct, frozen=True):
    """Format of a file, and a mapping if the format needs one."""

    format: Format
    mapping: Mapping | None = None


# Fields that only arXiv's snapshot has beside an id: they identify it even if its first record is bad.
_ARXIV_ONLY = {"update_date", "authors_parsed", "versions", "journal-ref", "report-no"}
_CSV_NAMES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


def detect_layout(file: PaperFile, mapping: Mapping | None, fmt: Format | None) -> FileLayout:
    """Return the format and mapping of a file, from its name, its beginning and the caller's arguments.

    Raises:
        MappingError: a mapping is needed, or the given one does not fit the file.
        UnknownFormat: the file has none of the formats.
    """
    head = file.head()
    fmt = fmt or _format(file, head, mapping)
    if fmt is Format.CSV:
        return FileLayout(fmt, _fit_mapping(file, mapping, csv_header(head.partition(b"\n")[0])))
    if fmt is Format.JSONL:
        records = list(_json_records(head))
        if not records and mapping is not None:
            return FileLayout(fmt, mapping)
        return FileLayout(fmt, _fit_mapping(file, mapping, [field for record in records for field in _fields(record)]))
    if mapping is not None:
        raise MappingError(f"{file.path}: the {fmt} format has fields of its own and takes no mapping; leave out --map")
    return FileLayout(fmt)


def _format(file: PaperFile, head: bytes, mapping: Mapping | None) -> Format:
    start = head.lstrip()
    is_csv = file.path.name.lower().endswith(_CSV_NAMES)
    if mapping is None and detect_library(head) in ((LibraryFormat.ZOTERO_CSV,) if is_csv else tuple(LibraryFormat)):
        return Format.LIBRARY
    if is_csv:
        return Format.CSV
    if start.startswith(b"<"):
        if b"<collection" in head:
            return Format.ACL
        raise UnknownFormat(
            file.path,
            "is XML or HTML, but not a collection of the ACL Anthology; export a library as BibTeX, RIS or CSL-JSON",
        )
    if start.startswith(b"[") and _is_array(start):
        if b'"arxiv_num"' in head:
            return Format.SAMPLE
        raise UnknownFormat(file.path, "is one JSON array; write one record per line, as `jq -c '.[]'` does")
    if mapping is not None:
        return Format.JSONL if b"{" in head else Format.CSV
    records = list(_json_records(head))
    if any(_is_arxiv(record) for record in records):
        return Format.ARXIV
    if records:
        return Format.JSONL
    if start.startswith(b"{"):
        raise UnknownFormat(file.path, "none of its first lines is a complete JSON object; write one record per line")
    if mapping_by_own_names(csv_header(head.partition(b"\n")[0])):
        return Format.CSV
    raise UnknownFormat(
        file.path, "is not JSON lines, CSV, ACL Anthology XML, BibTeX, RIS or CSL-JSON; convert it to one"
    )


def _fit_mapping(file: PaperFile, mapping: Mapping | None, fields: list[str]) -> Mapping:
    """Return the given mapping if it fits these fields; without one, the mapping that the fields' names make."""
    if mapping is not None:
        try:
            check_fields(mapping, fields)
        except MappingError as error:
            raise MappingError(f"{file.path}: {error}") from None
        return mapping
    if own := mapping_by_own_names(fields):
        return own
    names = format_field_names(dict.fromkeys(fields))
    if likely := suggest_mapping(fields):
        raise MappingError(f"{file.path}: its records have the fields {names}; give a mapping, such as --map {likely}")
    raise MappingError(
        f"{file.path}: its records have the fields {names or '(none)'}; "
        "give a mapping, such as --map id=_id,title=title,abstract=text"
    )


def _is_arxiv(record: dict[str, Any]) -> bool:
    # arXiv writes `journal-ref`; with an underscore it is the name of a paper's field, as in an export of papers.
    if "journal_ref" in record:
        return False
    return "id" in record and ({"title", "abstract"} <= record.keys() or bool(_ARXIV_ONLY & record.keys()))


def _json_records(head: bytes) -> Iterator[dict[str, Any]]:
    """Yield the complete lines of a file's beginning that are JSON objects."""
    for line in head.split(b"\n"):
        try:
            record = decode_line(line, msgspec.json.decode)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if isinstance(record, dict):
            yield record


def _is_array(start: bytes) -> bool:
    """Return True if a `[` opens the whole file, False if it opens one bad line among JSON lines."""
    first = start.partition(b"\n")[0].rstrip()
    return first == b"[" or first.endswith(b",") or next(_json_records(start), None) is None


def _fields(record: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the names of a record's fields; the parts of nested names are joined by dots."""
    for name, value in record.items():
        yield prefix + name
        if isinstance(value, dict):
            yield from _fields(value, f"{prefix}{name}.")
