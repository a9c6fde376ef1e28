"""Entry of a library, and the conversions of its fields that all formats share."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from akin.papers.arxiv_id import parse_arxiv_id
from akin.papers.authors import Author
from akin.papers.doi import bare_doi
from akin.papers.publication import Publication
from akin.papers.text.clean import one_line

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_YEAR = re.compile(r"(?<!\d)(?:1\d|20|21)\d\d(?!\d)", re.ASCII)
_ISO = re.compile(r"(\d{4})[-/](\d{1,2})(?:[-/](\d{1,2}))?(?!\d)", re.ASCII)
_NUMBER = re.compile(r"(?<!\d)\d{1,2}(?!\d)", re.ASCII)
_MONTH = re.compile(rf"(?<![^\W\d])({'|'.join(_MONTHS)})", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\s{}<>\"\\]++", re.IGNORECASE)
_DASHES = re.compile(r"\s*+(?:-{1,3}|[‐‑‒–—−])\s*+")
_ARXIV_DOI = re.compile(r"10\.48550/arxiv\.", re.IGNORECASE)
_LONGEST_ADDRESS = 2_000
_LONGEST_KEY = 200
_LONGEST_FIELD = 400
_LONGEST_KEYWORD = 60
_MOST_KEYWORDS = 20
_MASTERS = re.compile(r"master|\bm\.?sc\b|bachelor|diplom", re.IGNORECASE)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Entry of a library, with its texts as a reader sees them; mathematics is TeX between dollars.

    Attributes:
        line: the line, counted from 1, on which it starts.
        title: on one line; may be empty.
        abstract: paragraphs, separated by a line break; may be empty.
        authors: people and groups; of a book without authors, its editors.
        arxiv_id: the canonical arXiv id, or None.
        doi: the bare DOI, or None; never that of an arXiv preprint.
        keywords: arXiv's primary category first if the entry states it, then the entry's keywords.
        publication: the rest, with the citation key.
    """

    line: int
    title: str = ""
    abstract: str = ""
    authors: tuple[Author, ...] = ()
    arxiv_id: str | None = None
    doi: str | None = None
    keywords: tuple[str, ...] = ()
    publication: Publication = Publication()

    @property
    def year(self) -> int | None:
        """The year of publication, or None."""
        return self.publication.date[0] if self.publication.date else None


class BrokenEntry(msgspec.Struct, frozen=True):
    """Part of a file that is meant to be an entry and cannot be read.

    Attributes:
        line: the line on which it starts.
        detail: the fault.
        text: the beginning of the part.
        key: its citation key, if that can be told.
    """

    line: int
    detail: str
    text: str
    key: str | None = None


def find_ids(doi: str, eprints: Iterable[str]) -> tuple[str | None, str | None]:
    """Return the arXiv id and the DOI of an entry: the first text that is an arXiv id wins, as arXiv's DOI does."""
    found = bare_doi(doi)
    if found and _ARXIV_DOI.match(found):
        eprints, found = [found, *eprints], None
    for text in eprints:
        if text and (known := parse_arxiv_id(text)):
            return known.id, found
    return None, found


def doi_of_address(address: str) -> str:
    """Return an address of the resolver of DOIs, which states the DOI; otherwise an empty text."""
    return address if "doi.org/" in address else ""


def clean_key(key: str) -> str:
    """Return a citation key that can be an id: on one line, of limited length, not only dots."""
    key = one_line(key)[:_LONGEST_KEY]
    return key if key.strip(". ") else ""


def short(text: str) -> str:
    """Return a field on one line, cut after 400 characters."""
    return one_line(text)[:_LONGEST_FIELD]


def web_address(text: str) -> str:
    """Return the first http or https address in a field; empty if there is none, or it is too long to be one."""
    found = _ADDRESS.search(text[: 2 * _LONGEST_ADDRESS])
    address = found[0].rstrip(".,;") if found else ""
    return address if len(address) <= _LONGEST_ADDRESS and address.isprintable() else ""


def find_date(year: str, month: str = "", day: str = "") -> tuple[int, ...]:
    """Return year, month and day as far as the fields state them: "2020-01-05", "2020" with "jan", "5 Jan 2020".

    Args:
        year: a year or a date.
        month: the name or the number of a month, or a day and a month.
        day: the day.
    """
    year, month, day = year[:_LONGEST_FIELD], month[:_LONGEST_FIELD], day[:_LONGEST_FIELD]
    if iso := _ISO.search(year):
        return _valid(int(iso[1]), int(iso[2]), int(iso[3] or 0))
    found = _YEAR.search(year)
    if found is None:
        return ()
    rest = month or f"{year[: found.start()]} {year[found.end() :]}"
    named = _MONTH.search(rest)
    numbers = [int(number) for number in _NUMBER.findall(rest)]
    if named:
        of_month = _MONTHS.index(named[1].lower()) + 1
        return _valid(int(found[0]), of_month, int(day) if day.isdecimal() else numbers[0] if numbers else 0)
    if not month or not numbers:
        return (int(found[0]),)
    return _valid(int(found[0]), numbers[0], int(day) if day.isdecimal() and len(day) < 3 else 0)


def page_range(first: str, last: str = "") -> str:
    """Return pages with a hyphen between first and last."""
    pages = _DASHES.sub("-", short(first))
    return f"{pages}-{short(last)}" if pages and last and last != first and "-" not in pages else pages


def publisher_of(text: str, arxiv_id: str | None) -> str:
    """Return a publisher; none where it is arXiv, which the id says."""
    return "" if arxiv_id and text.strip().lower() in ("arxiv", "arxiv.org") else short(text)


def split_keywords(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the keywords in some fields, each once; commas, semicolons and line ends separate them."""
    parts = (one_line(part) for text in texts for part in re.split(r"[,;|\n]", text[: 1 << 14]))
    kept = (part for part in parts if part and len(part) <= _LONGEST_KEYWORD and any(map(str.isalnum, part)))
    return tuple(dict.fromkeys(kept))[:_MOST_KEYWORDS]


def _valid(year: int, month: int, day: int) -> tuple[int, ...]:
    if not 1 <= month <= 12:
        return (year,)
    return (year, month, day) if 1 <= day <= 31 else (year, month)


def names_arxiv(venue: str, arxiv_id: str | None) -> bool:
    """Return True if a venue is only arXiv's, which the id says."""
    return bool(parse_arxiv_id(venue) or (arxiv_id and venue.lower() in ("corr", "arxiv")))


def thesis_kind(kind: str, degree: str) -> str:
    """Return the kind of a work; that of a master's thesis if the degree of a thesis is below a doctor's."""
    return "mastersthesis" if kind == "phdthesis" and _MASTERS.search(degree[:200]) else kind
