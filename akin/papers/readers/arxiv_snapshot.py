"""Reader of the arXiv metadata snapshot: one JSON object a line, in the layout in which arXiv publishes its metadata.

Harvests are stored in this layout too, with one more kind of line: `{"id": …, "deleted": true}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

import msgspec

from akin.papers.arxiv_id import parse_arxiv_id, restore_zeros
from akin.papers.authors import listed_authors, parse_authors, snapshot_authors
from akin.papers.doi import bare_doi
from akin.papers.paper import Paper
from akin.papers.readers.fields import arxiv_codes, is_true, parse_day
from akin.papers.readers.report import Flaw, Reason, Withdrawn, flaw
from akin.papers.text import clean_abstract, clean_text
from akin.papers.withdrawn import is_withdrawn


class _Version(msgspec.Struct, gc=False):
    version: str | int | None = None
    created: str | None = None


class _Record(msgspec.Struct, gc=False, rename={"journal_ref": "journal-ref"}):
    """Fields that are read of a record; all others are skipped without being decoded."""

    id: str | float | None = None
    title: str | None = None
    abstract: str | None = None
    authors: str | list[str] | None = None
    authors_parsed: list[list[str]] | None = None
    categories: str | list[str] | None = None
    versions: list[_Version | str] | int | None = None
    update_date: str | None = None
    published: Any = None
    updated: Any = None
    comments: Any = None
    withdrawn: Any = False
    doi: str | None = None
    journal_ref: str | None = None
    deleted: bool = False


_decode = msgspec.json.Decoder(_Record).decode
_T = TypeVar("_T")
_REPAIRABLE = (b"NaN", b"Infinity", b"\\u")
_HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")
_VERSION_NUMBER = re.compile(r"[vV]?(\d{1,4})", re.ASCII)
_AN_ID = rb"""\s*+:\s*+("(?:[^"\\]|\\.){1,200}"|[0-9]{1,30}+(?![.eE]))"""
_ID_IN_BROKEN_JSON = re.compile(rb'"_?id"' + _AN_ID)


def arxiv_paper(line: bytes) -> Paper | Flaw | Withdrawn:
    """Return the paper in a line of the snapshot, or why there is none; id, title and abstract are required."""
    try:
        if not line.isascii():
            # The decoder does not check the encoding of the fields that it skips.
            line.decode()
        record = decode_line(line, _decode)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return json_flaw(line, error)
    if isinstance(record.id, float):
        # A spreadsheet made a number of the id.
        if parse_arxiv_id(str(record.id)) is None and restore_zeros(str(record.id)) is None:
            return flaw(Reason.WRONG_TYPE, line, None, "Expected `str`, got a number - at `$.id`")
        record.id = str(record.id)
    paper_id = record.id.strip() if record.id else ""
    if not paper_id:
        return flaw(Reason.NO_ID, line)
    if record.deleted:
        return Withdrawn(paper_id)
    title = clean_text(record.title) if record.title else ""
    if not title:
        return flaw(Reason.NO_TITLE, line, paper_id)
    abstract = clean_abstract(record.abstract) if record.abstract else ""
    if not abstract:
        return flaw(Reason.NO_ABSTRACT, line, paper_id)

    if record.authors_parsed:
        authors = snapshot_authors(record.authors, record.authors_parsed)
    elif isinstance(record.authors, list):
        authors = listed_authors(record.authors)
    else:
        authors = parse_authors(record.authors) if record.authors else ()
    codes = record.categories
    if isinstance(codes, list):
        codes = " ".join(codes)
    count, published, updated = _version_days(record.versions)
    comments = clean_text(record.comments) or None if isinstance(record.comments, str) else None
    # `update_date` also changes when only the metadata was changed; it is used if nothing else has a day.
    updated = updated or _day(record.updated) or _day(record.update_date)
    return Paper(
        id=paper_id,
        title=title,
        abstract=abstract,
        authors=authors,
        categories=arxiv_codes(codes) if codes else (),
        published=published or _day(record.published),
        updated=updated,
        doi=bare_doi(record.doi),
        journal_ref=clean_text(record.journal_ref) or None if record.journal_ref else None,
        versions=count,
        comments=comments,
        withdrawn=is_true(record.withdrawn) or is_withdrawn(title, abstract, comments),
        authors_parsed=bool(record.authors_parsed),
    )


def decode_line(line: bytes, decode: Callable[[bytes], _T]) -> _T:
    r"""Return a line's record; Python's `NaN` and `Infinity` are null, and halves of a pair (`\ud83d`) are U+FFFD.

    Raises:
        msgspec.DecodeError: The line is no JSON for another reason.
    """
    try:
        return decode(line)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if not any(sign in line for sign in _REPAIRABLE):
            raise
        try:
            whole = json.dumps(json.loads(line, parse_constant=lambda _: None), ensure_ascii=False)
        except ValueError:
            whole = ""
        if not whole:
            raise
        return decode(_HALF_OF_A_PAIR.sub("\ufffd", whole).encode())


def json_flaw(line: bytes, error: Exception, id_in_line: re.Pattern[bytes] = _ID_IN_BROKEN_JSON) -> Flaw:
    """Return the reason why a line cannot be decoded, and the id that it seems to have."""
    paper_id = _seeming_id(line, id_in_line)
    reason, detail = Reason.BROKEN_JSON, str(error)
    if isinstance(error, UnicodeDecodeError):
        return flaw(Reason.INVALID_UTF8, line, paper_id, guessed=True)
    if isinstance(error, msgspec.ValidationError):
        reason = Reason.WRONG_TYPE if "`$" in str(error) else Reason.NOT_AN_OBJECT
        paper_id = paper_id if reason is Reason.WRONG_TYPE else None
    return flaw(reason, line, paper_id, detail, guessed=True)


def id_pattern(field: str) -> re.Pattern[bytes]:
    """Return the pattern that finds the id in a line that cannot be decoded.

    Args:
        field: the id's field; in a nested name, joined by dots, only the last part is searched for.
    """
    return re.compile(b'"' + re.escape(field.rpartition(".")[2].encode()) + b'"' + _AN_ID)


def _seeming_id(line: bytes, id_in_line: re.Pattern[bytes]) -> str | None:
    found = id_in_line.search(line)
    if found is None:
        return None
    try:
        return str(msgspec.json.decode(found[1])).strip() or None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _version_days(versions: list[_Version | str] | int | None) -> tuple[int, date | None, date | None]:
    """Return the number of versions, and the days of the first and of the newest; the list may have any order."""
    if not isinstance(versions, list):
        return versions or 0, None, None
    found = []
    for version in versions:
        name, created = (version.version, version.created) if isinstance(version, _Version) else (version, version)
        number = _VERSION_NUMBER.fullmatch(str(name)) if name is not None else None
        # Without the time of day, millions of versions share the few thousand texts that `parse_day` caches.
        found.append((int(number[1]) if number else 0, parse_day(created[:16]) if created else None))
    if len(found) > 1:
        # By the number; by the day where a version has no number.
        numbered = all(number for number, _ in found)
        found.sort(key=lambda each: (each[0] if numbered else 0, each[1] or date.min))
    days = [day for _, day in found if day is not None]
    return max([len(found), *(number for number, _ in found)]), days[0] if days else None, days[-1] if days else None


def _day(value: Any) -> date | None:
    return parse_day(value[:40]) if isinstance(value, str) else None
