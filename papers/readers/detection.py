"""Telling a file's format by its first records."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec

from papers.errors import MappingError, UnknownFormat
from papers.readers.mapped_records import csv_header
from papers.readers.mapping import Mapping, check_fields, listing, mapping_by_own_names, suggest_mapping
from papers.readers.paper_file import PaperFile


class Format(StrEnum):
    """A format of files of papers."""

    ARXIV = "arxiv"
    JSONL = "jsonl"
    CSV = "csv"
    ACL = "acl"
    SAMPLE = "sample"


class FileLayout(msgspec.Struct, frozen=True):
    """How a file is read: its format, and a mapping where the format needs one."""

    format: Format
    mapping: Mapping | None = None


# Fields that no collection but arXiv's snapshot has beside an id; they tell it even when its first record is bad.
_ARXIV_ONLY = {"update_date", "authors_parsed", "versions", "journal-ref", "report-no"}
_CSV_NAMES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


def detect_layout(file: PaperFile, mapping: Mapping | None, fmt: Format | None) -> FileLayout:
    """How to read a file, from its name, its head, and what the caller knows about it.

    Raises:
        MappingError: a mapping is needed, or the one given does not fit the file.
        UnknownFormat: the file is none of the formats.
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
        raise MappingError(f"{file.path}: the {fmt} format has fields of its own and takes no mapping")
    return FileLayout(fmt)


def _format(file: PaperFile, head: bytes, mapping: Mapping | None) -> Format:
    start = head.lstrip()
    if file.path.name.lower().endswith(_CSV_NAMES):
        return Format.CSV
    if start.startswith(b"<"):
        if b"<collection" in head:
            return Format.ACL
        raise UnknownFormat(file.path, "is XML or HTML, and no collection of the ACL Anthology")
    if start.startswith(b"[") and _is_array(start):
        if b'"arxiv_num"' in head:
            return Format.SAMPLE
        raise UnknownFormat(file.path, "is one JSON array; write one record a line, as `jq -c '.[]'` does")
    if mapping is not None:
        return Format.JSONL if b"{" in head else Format.CSV
    records = list(_json_records(head))
    if any(_is_arxiv(record) for record in records):
        return Format.ARXIV
    if records:
        return Format.JSONL
    if start.startswith(b"{"):
        raise UnknownFormat(file.path, "none of its first lines is a JSON object of its own")
    if mapping_by_own_names(csv_header(head.partition(b"\n")[0])):
        return Format.CSV
    raise UnknownFormat(file.path, "is neither JSON lines nor CSV nor ACL Anthology XML")


def _fit_mapping(file: PaperFile, mapping: Mapping | None, fields: list[str]) -> Mapping:
    """The mapping given if it fits these fields, or one the fields' own names make."""
    if mapping is not None:
        try:
            check_fields(mapping, fields)
        except MappingError as error:
            raise MappingError(f"{file.path}: {error}") from None
        return mapping
    if own := mapping_by_own_names(fields):
        return own
    names = listing(dict.fromkeys(fields))
    if likely := suggest_mapping(fields):
        raise MappingError(f"{file.path}: its records have the fields {names}; say which is which: --map {likely}")
    raise MappingError(
        f"{file.path}: its records have the fields {names or '(none)'}; "
        "say which is which, in the manner of --map id=_id,title=title,abstract=text"
    )


def _is_arxiv(record: dict[str, Any]) -> bool:
    return "id" in record and ({"title", "abstract"} <= record.keys() or bool(_ARXIV_ONLY & record.keys()))


def _json_records(head: bytes) -> Iterator[dict[str, Any]]:
    """The whole lines of the head that are JSON objects."""
    for line in head.split(b"\n"):
        try:
            record = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if isinstance(record, dict):
            yield record


def _is_array(start: bytes) -> bool:
    """Whether a `[` opens the whole file, and is not one bad line among objects on lines of their own."""
    first = start.partition(b"\n")[0].rstrip()
    return first == b"[" or first.endswith(b",") or next(_json_records(start), None) is None


def _fields(record: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """A record's fields, nested ones with dots."""
    for name, value in record.items():
        yield prefix + name
        if isinstance(value, dict):
            yield from _fields(value, f"{prefix}{name}.")
