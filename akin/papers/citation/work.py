"""Work that is cited: a paper's fields as all formats need them, in Unicode, with mathematics as TeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from akin.papers.arxiv_id import links, parse_arxiv_id
from akin.papers.authors import Author
from akin.papers.categories import CATEGORIES
from akin.papers.citation.journal_reference import JournalReference, parse_journal_reference, reference_doi
from akin.papers.doi import bare_doi
from akin.papers.paper import Paper
from akin.papers.publication import Publication
from akin.papers.text import display_text
from akin.papers.text.mathematics import mathematics

# A DOI or an arXiv id where a journal reference should be.
_ONLY_AN_ID = re.compile(
    r"(?:https?://(?:dx\.)?doi\.org/|doi\s?[:.]?\s?)?10\.\d+/\S+|arxiv\s?[:.]?\s?\S+(?:\s?\[[\w.-]+\])?", re.IGNORECASE
)
_PREPRINT_DOI = "10.48550/arxiv."


class Work(NamedTuple):
    """Work that is cited.

    Attributes:
        paper_id: the paper's id in the corpus.
        title: the title; mathematics is TeX between dollar signs.
        authors: the authors, with Unicode letters.
        year: the year of the version that is cited; None if unknown.
        date: the day of the version that is cited, as numbers of year, month and day; empty if only the year is known.
        published: the version in a journal or in proceedings; None if it is not known with certainty.
        doi: the bare DOI, or None.
        arxiv_id: the arXiv id, or None.
        category: the primary category of an arXiv paper; may be empty.
        url: the address of the paper, or None.
        note: remarks; may be empty.
        kind: BibTeX's type of an entry of a library; empty for papers of other sources, whose type follows from
            `published`.
        key: the citation key in the library; may be empty.
        publisher: the publisher, the school or the institution; may be empty.
        edited: True if the authors are the editors.
    """

    paper_id: str
    title: str
    authors: tuple[Author, ...]
    year: int | None
    date: tuple[int, ...]
    published: JournalReference | None
    doi: str | None
    arxiv_id: str | None
    category: str
    url: str | None
    note: str
    kind: str = ""
    key: str = ""
    publisher: str = ""
    edited: bool = False


def cited_work(paper: Paper) -> Work:
    """Return the work to cite for a paper: its published version where that is certain, otherwise the preprint.

    The year and the DOI are those of the cited version. A journal reference that cannot be divided with certainty is
    the preprint's note, unless it is only an id. Of a library's paper, the publication is as its entry states it.
    """
    if paper.publication:
        return _work_of_library(paper, paper.publication)
    reference = readable(paper.journal_ref or "")
    published = parse_journal_reference(reference)
    notes = [published.rest if published else "" if _ONLY_AN_ID.fullmatch(reference) else reference]
    notes += ["Withdrawn"] if paper.withdrawn else []
    found, doi = parse_arxiv_id(paper.id), bare_doi(paper.doi) or reference_doi(reference)
    arxiv_id = found.id if found else None
    if published and doi and doi.lower().startswith(_PREPRINT_DOI):
        doi = None
    day = paper.published
    year = published.year if published else day.year if day else _year_of(arxiv_id) if arxiv_id else None
    if year is None and paper.updated:
        day, year = paper.updated, paper.updated.year
    addresses = links(paper)
    return Work(
        paper_id=paper.id,
        title=readable(paper.title),
        authors=tuple(each for author in paper.authors if (each := _readable_author(author)) is not None),
        year=year,
        date=(day.year, day.month, day.day) if day and not published else (),
        published=published,
        doi=doi,
        arxiv_id=arxiv_id,
        category=paper.categories[0] if arxiv_id and paper.categories else "",
        url=addresses.get("abs") or addresses.get("doi"),
        note="; ".join(filter(None, notes)),
    )


def _work_of_library(paper: Paper, publication: Publication) -> Work:
    found = parse_arxiv_id(paper.id)
    addresses = links(paper)
    parts = (publication.venue, publication.volume, publication.number, publication.pages, publication.series)
    venue, volume, number, pages, series = map(readable, parts)
    date = publication.date
    of_meeting = publication.kind in ("inproceedings", "proceedings")
    reference = JournalReference(venue, date[0] if date else 0, volume, number, pages, of_meeting, series)
    return Work(
        paper_id=paper.id,
        title=readable(paper.title),
        authors=tuple(each for author in paper.authors if (each := _readable_author(author)) is not None),
        year=date[0] if date else _year_of(found.id) if found else None,
        date=date if len(date) > 1 else (),
        published=reference if any(parts) else None,
        doi=bare_doi(paper.doi),
        arxiv_id=found.id if found else None,
        category=paper.categories[0] if found and paper.categories and paper.categories[0] in CATEGORIES else "",
        url=addresses.get("abs") or addresses.get("doi") or addresses.get("url"),
        note="Withdrawn" if paper.withdrawn else "",
        kind=publication.kind,
        key=publication.key,
        publisher=readable(publication.publisher),
        edited=publication.edited,
    )


def readable(text: str) -> str:
    """Return a text on one line, with Unicode letters for TeX's and nothing that a file cannot hold."""
    if not text.isprintable():
        text = "".join(_printable(letter) for letter in text)
    return " ".join(display_text(text).split())


def split_mathematics(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a text, each with True if it is mathematics; that is yielded without its delimiters."""
    at = 0
    for start, end in mathematics(text):
        yield text[at:start], False
        length = 1 if text[start] == "$" and text[start + 1] != "$" else 2
        yield text[start + length : end - length], True
        at = end
    yield text[at:], False


def _printable(letter: str) -> str:
    kind = unicodedata.category(letter)
    return " " if kind in ("Cc", "Zl", "Zp") else "\ufffd" if kind in ("Cs", "Cn") else letter


def _readable_author(author: Author) -> Author | None:
    family, given, suffix = readable(author.family), readable(author.given), readable(author.suffix)
    if not any(map(str.isalnum, family + given)):
        return None
    return Author(family or given, given if family else "", suffix, author.collaboration)


def _year_of(arxiv_id: str) -> int:
    digits = int(arxiv_id.rpartition("/")[2][:2])
    return digits + (1900 if digits >= 91 else 2000)
