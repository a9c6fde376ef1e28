"""Reader of JSON lines and CSV of any layout, through a mapping of fields.

A record needs an id, and a title or an abstract that is not empty. An empty field is kept (test collections have papers
without a title that queries must find); a record without the field that the title or abstract is mapped to is bad.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import msgspec

from akin.papers.arxiv_id import parse_arxiv_id, restore_zeros
from akin.papers.authors import Author, listed_authors, parse_authors
from akin.papers.doi import bare_doi
from akin.papers.paper import Paper
from akin.papers.publication import exported_publication
from akin.papers.readers.arxiv_snapshot import decode_line, id_pattern, json_flaw
from akin.papers.readers.fields import categories, is_true, parse_day
from akin.papers.readers.mapping import Mapping
from akin.papers.readers.report import Flaw, Reason, Report, flaw
from akin.papers.text import clean_abstract, clean_text
from akin.papers.withdrawn import is_withdrawn

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_DELIMITERS = ",;\t"
_END = "\ufdd0"  # a code point that Unicode never assigns to a character


class _WrongType(Exception):
    """A field's value has a type that its target does not accept."""


def json_paper(mapping: Mapping) -> Callable[[bytes], Paper | Flaw]:
    """Return a parser of JSON lines for a mapping."""
    id_in_line = id_pattern(mapping.id)

    def parse(line: bytes) -> Paper | Flaw:
        try:
            record = decode_line(line, _decode)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return json_flaw(line, error, id_in_line)
        return _map_record(record, mapping, line)

    return parse


def csv_papers(
    lines: Iterator[tuple[int, bytes | None]], mapping: Mapping, report: Report
) -> Iterator[tuple[int, Paper | Flaw]]:
    """Yield the papers and flaws of a CSV file with a header, each with the line on which its record starts.

    Args:
        lines: numbered lines of the file.
        mapping: the columns for a paper's fields.
        report: its `cut_off` is set if the last record is incomplete.
    """
    first = next(lines)[1] or b""
    delimiter = csv_delimiter(first)
    header = csv_header(first)
    too_long: list[int] = []
    last = b"\n"

    def text() -> Iterator[str]:
        nonlocal last
        for number, line in lines:
            if line is None:
                too_long.append(number)
                line = b"\n"
            # Bytes that are not UTF-8 become lone surrogates, so that only their record is bad, not the file.
            last = line
            yield line.decode("utf-8", "surrogateescape")
        # In a quoted cell without an end, this is a part of the cell; otherwise it is a row of its own.
        yield _END

    rows = csv.reader(text(), delimiter=delimiter)
    while True:
        start = rows.line_num + 2
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield start, flaw(Reason.BROKEN_CSV, "", detail=str(error))
            continue
        if row and row[-1].endswith(_END):
            if row != [_END]:
                place = header.index(mapping.id) if mapping.id in header else len(row)
                known = row[place].strip() if place < len(row) - 1 else ""
                rest = delimiter.join(row).removesuffix(_END)
                yield start, flaw(Reason.BROKEN_CSV, rest, known or None, "a quoted cell has no end")
            return
        # Only the last line can lack a line end. Such a record is complete if it has all its cells.
        report.cut_off = not last.endswith(b"\n") and len(row) < len(header)
        if too_long:
            yield too_long.pop(), flaw(Reason.LINE_TOO_LONG, "")
        elif row:
            yield start, _csv_paper(row, header, mapping, delimiter)


def csv_delimiter(header: bytes) -> str:
    """Return the most frequent of comma, semicolon and tab in the header."""
    return max(_DELIMITERS, key=lambda delimiter: header.count(delimiter.encode()))


def csv_header(header: bytes) -> list[str]:
    """Return the names of the columns, which cannot contain line ends."""
    text = header.decode("utf-8", "replace").replace("\r", " ")
    try:
        row = next(csv.reader([text], delimiter=csv_delimiter(header)), [])
    except csv.Error:  # a name is longer than the module takes
        return []
    return [name.strip() for name in row]


def _csv_paper(row: list[str], header: list[str], mapping: Mapping, delimiter: str) -> Paper | Flaw:
    excerpt = delimiter.join(row)
    record = dict(zip(header, row, strict=False))
    paper_id = record.get(mapping.id, "").strip() or None
    if not excerpt.isascii() and any("\udc80" <= character <= "\udcff" for character in excerpt):
        known = paper_id if paper_id and paper_id.isprintable() else None
        return flaw(Reason.INVALID_UTF8, excerpt, known)
    if len(row) > len(header):
        detail = f"{len(row)} cells under {len(header)} columns"
        return flaw(Reason.WRONG_COLUMNS, excerpt, paper_id, detail)
    return _map_record(record, mapping, excerpt)


def _map_record(record: dict[str, Any], mapping: Mapping, raw: bytes | str) -> Paper | Flaw:
    paper_id = None
    try:
        paper_id = _id(_value(record, mapping.id))
        if not paper_id:
            return flaw(Reason.NO_ID, raw)
        texts = []
        for field, clean, missing in (
            (mapping.title, clean_text, Reason.NO_TITLE),
            (mapping.abstract, clean_abstract, Reason.NO_ABSTRACT),
        ):
            value = _value(record, field)
            if field and value is None:
                return flaw(missing, raw, paper_id)
            texts.append(_text(value, field, clean))
        title, abstract = texts
        if not title and not abstract:
            return flaw(Reason.NO_TEXT, raw, paper_id)
        comments = _text(_value(record, mapping.comments), mapping.comments, clean_text) or None
        listed = _value(record, mapping.authors)
        return Paper(
            id=paper_id,
            title=title,
            abstract=abstract,
            authors=_authors(listed, mapping.authors),
            categories=_categories(_value(record, mapping.categories), mapping.categories),
            published=_day(_value(record, mapping.published), mapping.published),
            updated=_day(_value(record, mapping.updated), mapping.updated),
            doi=bare_doi(_text(_value(record, mapping.doi), mapping.doi)),
            journal_ref=_text(_value(record, mapping.journal_ref), mapping.journal_ref) or None,
            versions=_versions(_value(record, mapping.versions)),
            comments=comments,
            withdrawn=is_true(_value(record, mapping.withdrawn)) or is_withdrawn(title, abstract, comments),
            authors_parsed=_are_divided(listed),
            publication=exported_publication(_value(record, mapping.publication)) or msgspec.UNSET,
        )
    except _WrongType as error:
        return flaw(Reason.WRONG_TYPE, raw, paper_id, str(error))


def _value(record: dict[str, Any], field: str | None) -> Any:
    if field is None:
        return None
    if field in record or "." not in field:
        return record.get(field)
    value: Any = record
    for key in field.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _id(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value.strip() if value else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    # A spreadsheet makes a number of an arXiv id.
    if isinstance(value, float) and (restore_zeros(str(value)) or parse_arxiv_id(str(value))):
        return str(value)
    raise _WrongType(f"the id is {_kind(value)}")


def _text(value: Any, field: str | None, clean: Callable[[str], str] = clean_text) -> str:
    """Return a text, or the texts of a list joined: some collections store a list of sentences."""
    return clean(" ".join(_strings(value, field, "text")))


def _authors(value: Any, field: str | None) -> tuple[Author, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return parse_authors(value)
    if _are_divided(value):
        return tuple(map(_divided, value))
    if isinstance(value, list):
        names: list[Any] = [part.get("name") if isinstance(part, dict) else part for part in value]
        if all(isinstance(name, str) for name in names):
            return listed_authors(names)
    raise _WrongType(f"{field!r} is {_kind(value)}, not names")


def _divided(author: dict[str, Any]) -> Author:
    family, given, suffix = (clean_text(str(author.get(part) or "")) for part in ("family", "given", "suffix"))
    return Author(family, given, suffix, author.get("collaboration") is True)


def _are_divided(authors: Any) -> bool:
    """Return True for a list of authors of whom each has a family name of its own, as an export of papers writes."""
    return (
        isinstance(authors, list)
        and bool(authors)
        and all(isinstance(each, dict) and isinstance(each.get("family"), str) and each["family"] for each in authors)
    )


def _versions(value: Any) -> int:
    """Return a number of versions; 0 for anything else, as other collections may mean something else."""
    number = int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 5 else value
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 10_000 else 0


def _categories(value: Any, field: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(code for part in _strings(value, field, "categories") for code in categories(part)))


def _strings(value: Any, field: str | None, wanted: str) -> list[str]:
    """Return the strings of a list, a single string in a list, or an empty list for a missing value."""
    strings = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(part, str) for part in strings):
        raise _WrongType(f"{field!r} is {_kind(value)}, not {wanted}")
    return strings


def _day(value: Any, field: str | None) -> date | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise _WrongType(f"{field!r} is {_kind(value)}, not a date")
    return parse_day(value)


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number"}
    return kinds.get(type(value), type(value).__name__)
