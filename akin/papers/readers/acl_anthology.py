"""Reader of the ACL Anthology's XML: one file is a collection of volumes of papers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser, tostring

from akin.papers.authors import Author
from akin.papers.doi import bare_doi
from akin.papers.errors import PaperFileUnreadable
from akin.papers.paper import Paper
from akin.papers.readers.fields import parse_day
from akin.papers.readers.report import Flaw, Reason, flaw
from akin.papers.text import clean_abstract, clean_text

_LONG_MARKUP = 1 << 11
"""Bytes without a new element, after which several lines are parsed at a time."""


def acl_papers(path: Path, lines: Iterator[tuple[int, bytes | None]]) -> Iterator[tuple[int, Paper | Flaw]]:
    """Yield the papers and flaws of a collection, each with the line on which its element starts.

    Only the current volume is kept in memory, without the papers already yielded.

    Raises:
        PaperFileUnreadable: the XML is not well-formed; nothing after that place is read.
    """
    collection = volume_id = ""
    volume: Element | None = None
    published: date | None = None
    start = 0
    try:
        for number, event, element in _events(path, lines):
            if event == "start":
                if element.tag == "collection":
                    collection = element.get("id", "")
                elif element.tag == "volume":
                    volume, volume_id, published = element, element.get("id", ""), None
                elif element.tag == "paper":
                    start = number
            elif element.tag == "meta":
                published = _publication_date(element)
            elif element.tag == "paper":
                yield start, _paper(element, collection, volume_id, published)
                if volume is not None:
                    volume.remove(element)
    except ParseError as error:
        raise PaperFileUnreadable(path, f"is not well-formed XML: {error}") from error


def _events(path: Path, lines: Iterator[tuple[int, bytes | None]]) -> Iterator[tuple[int, str, Element]]:
    """Yield the starts and ends of elements, each with its line."""
    parser: XMLPullParser[Element] = XMLPullParser(("start", "end"))
    held, quiet, number = bytearray(), 0, 0
    for number, line in lines:
        if line is None:
            raise PaperFileUnreadable(path, f"line {number:,} is too long to be read")
        held += line
        # Expat parses an incomplete tag again from its start whenever it gets more bytes. A tag of many lines is
        # therefore passed on in pieces of doubling size, which takes time in proportion to its length.
        if quiet > _LONG_MARKUP and len(held) < quiet:
            continue
        quiet += len(held)
        for event, element in _feed(parser, held):
            quiet = 0
            yield number, event, element
    for event, element in _feed(parser, held):
        yield number, event, element
    parser.close()


def _feed(parser: XMLPullParser[Element], held: bytearray) -> Iterator[tuple[str, Element]]:
    parser.feed(bytes(held))
    held.clear()
    # The two events that the parser was made for carry an element each.
    return cast(Iterator[tuple[str, Element]], parser.read_events())


def _paper(element: Element, collection: str, volume: str, published: date | None) -> Paper | Flaw:
    paper_id = _id(element, collection, volume)
    title, abstract = _text(element, "title"), _text(element, "abstract", clean_abstract)
    reason = (
        Reason.NO_ID if not paper_id else Reason.NO_TITLE if not title else Reason.NO_ABSTRACT if not abstract else None
    )
    if reason:
        return flaw(reason, tostring(element, "unicode"), paper_id or None)
    people = (Author(_text(author, "last"), _text(author, "first")) for author in element.findall("author"))
    authors = tuple(author for author in people if author.name)
    return Paper(
        id=paper_id,
        title=title,
        abstract=abstract,
        authors=authors,
        published=published,
        authors_parsed=bool(authors),
        doi=bare_doi(_text(element, "doi")),
    )


def _id(element: Element, collection: str, volume: str) -> str:
    """Return the Anthology's id: the paper's `url`, otherwise made of the ids of collection, volume and paper."""
    stated = _text(element, "url")
    if stated and "/" not in stated:
        return stated
    number = element.get("id", "")
    if not (collection and volume and number):
        return ""
    if collection[0].isdigit():
        return f"{collection}-{volume}.{number}"
    # Until 2019 the numbers of volume and paper had four digits together: 1 + 3, for workshops 2 + 2.
    workshop = collection.startswith("W") or collection in ("C69", "D19")
    return f"{collection}-{volume:0>2}{number:0>2}" if workshop else f"{collection}-{volume}{number:0>3}"


def _publication_date(meta: Element) -> date | None:
    year, month = _text(meta, "year"), _text(meta, "month")
    # "July", "July 5–10" and "Jul-Aug" all begin with a month's name; without one, only the year is used.
    return parse_day(f"1 {month[:3].title()} {year}") or parse_day(year)


def _text(element: Element, tag: str, clean: Callable[[str], str] = clean_text) -> str:
    """Return the text of a child element without its markup."""
    child = element.find(tag)
    return "" if child is None else clean("".join(child.itertext()))
