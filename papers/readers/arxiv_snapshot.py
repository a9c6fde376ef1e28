"""Reader of the arXiv metadata snapshot: one JSON object a line, in the layout in which arXiv publishes its metadata.

Harvests are stored in this layout too, with one more kind of line: `{"id": …, "deleted": true}`.
"""

from __future__ import annotations

import re
from datetime import date

import msgspec

from papers.authors import divided_authors, parse_author, parse_authors
from papers.doi import bare_doi
from papers.paper import Paper
from papers.readers.fields import arxiv_codes, parse_day
from papers.readers.report import Flaw, Reason, Withdrawn, flaw
from papers.text import clean_abstract, clean_text


class _Version(msgspec.Struct, gc=False):
    created: str | None = None


class _Record(msgspec.Struct, gc=False, rename={"journal_ref": "journal-ref"}):
    """Fields that are read of a record; all others are skipped without being decoded."""

    id: str | None = None
    title: str | None = None
    abstract: str | None = None
    authors: str | list[str] | None = None
    authors_parsed: list[list[str]] | None = None
    categories: str | list[str] | None = None
    versions: list[_Version] | None = None
    update_date: str | None = None
    doi: str | None = None
    journal_ref: str | None = None
    deleted: bool = False


_decode = msgspec.json.Decoder(_Record).decode
_AN_ID = rb"""\s*+:\s*+("(?:[^"\\]|\\.){1,200}"|[0-9]{1,30}+(?![.eE]))"""
_ID_IN_BROKEN_JSON = re.compile(rb'"_?id"' + _AN_ID)


def arxiv_paper(line: bytes) -> Paper | Flaw | Withdrawn:
    """Return the paper in a line of the snapshot, or why there is none; id, title and abstract are required."""
    try:
        if not line.isascii():
            # The decoder does not check the encoding of the fields that it skips.
            line.decode()
        record = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return json_flaw(line, error)
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
        authors = divided_authors(record.authors_parsed)
    elif isinstance(record.authors, list):
        authors = tuple(author for name in record.authors if (author := parse_author(name)).name)
    else:
        authors = parse_authors(record.authors) if record.authors else ()
    codes = record.categories
    if isinstance(codes, list):
        codes = " ".join(codes)
    # `update_date` also changes when only the metadata was changed; it is used if the versions have no day.
    versions = record.versions or []
    published = _version_date(versions[0]) if versions else None
    updated = _version_date(versions[-1]) if versions else None
    return Paper(
        id=paper_id,
        title=title,
        abstract=abstract,
        authors=authors,
        categories=arxiv_codes(codes) if codes else (),
        published=published,
        updated=updated or (parse_day(record.update_date) if record.update_date else None),
        doi=bare_doi(record.doi),
        journal_ref=clean_text(record.journal_ref) or None if record.journal_ref else None,
        versions=len(versions),
        authors_parsed=bool(record.authors_parsed),
    )


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


def _version_date(version: _Version) -> date | None:
    # Without the time of day, millions of versions share the few thousand texts that `parse_day` caches.
    return parse_day(version.created[:16]) if version.created else None
