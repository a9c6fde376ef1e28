"""CSL-JSON: one array of items, as citation processors read it; also as Zotero and Crossref write it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from akin.papers.authors import Author, parse_author
from akin.papers.bibliography.entry import (
    BrokenEntry,
    Entry,
    clean_key,
    doi_of_address,
    find_date,
    find_ids,
    names_arxiv,
    page_range,
    publisher_of,
    short,
    split_keywords,
    thesis_kind,
    web_address,
)
from akin.papers.bibliography.markup import marked_up_abstract, marked_up_title
from akin.papers.publication import Publication

KINDS = {
    **dict.fromkeys(("article-journal", "article-magazine", "article-newspaper", "review", "periodical"), "article"),
    **dict.fromkeys(("journal-article", "posted-content"), "article"),  # Crossref's own names
    **dict.fromkeys(("book", "classic", "collection", "monograph"), "book"),
    **dict.fromkeys(("chapter", "entry", "entry-dictionary", "entry-encyclopedia", "book-chapter"), "incollection"),
    **dict.fromkeys(("paper-conference", "proceedings-article"), "inproceedings"),
    "thesis": "phdthesis",
    "report": "techreport",
    "manuscript": "unpublished",
    "pamphlet": "booklet",
}
_ZOTERO_ID = re.compile(r"https?://zotero\.org/\S+/([A-Z0-9]{8})")
_EXTRA = re.compile(r"(?:^|\n)\s*+(?:arxiv|eprint)(?: id)?:\s*+(\S+)", re.IGNORECASE)
_CITATION_KEY = re.compile(r"(?:^|\n)\s*+citation key:\s*+(\S+)", re.IGNORECASE)
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_item = msgspec.json.Decoder(dict[str, Any]).decode


def csl_entries(data: bytes) -> Iterator[Entry | BrokenEntry]:
    """Yield the items of a file, in its order.

    Raises:
        ValueError: the file is not one array of JSON.
    """
    try:
        items = _decode_items(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    at, line = 0, 1
    for item in items:
        raw = bytes(item)
        place = data.index(raw, at)
        line += data.count(b"\n", at, place)
        at = place
        try:
            yield _entry(line, _decode_item(raw))
        except (msgspec.DecodeError, RecursionError) as error:
            yield BrokenEntry(line, str(error), raw[:400].decode("utf-8", "replace"))


def _entry(line: int, item: dict[str, Any]) -> Entry:
    def text(*names: str) -> str:
        return next((found for name in names if (found := _text(item.get(name)))), "")

    note, url = text("note"), web_address(text("URL", "url"))
    kind = thesis_kind(KINDS.get(text("type"), "misc"), text("genre"))
    venue = marked_up_title(text("container-title", "event-title"))
    extra = _EXTRA.search(note[:2000])
    number = text("number")
    eprints = [extra[1] if extra else "", url, text("archive_location"), number if "arxiv" in number.lower() else ""]
    arxiv_id, doi = find_ids(text("DOI", "doi") or doi_of_address(url), [*eprints, venue])
    if names_arxiv(venue, arxiv_id):
        venue = ""
    authors, editors = _names(item.get("author")), _names(item.get("editor"))
    key = text("citation-key") or (found[1] if (found := _CITATION_KEY.search(note[:2000])) else "") or text("id")
    if of_zotero := _ZOTERO_ID.fullmatch(key):
        key = of_zotero[1]
    is_preprint = bool(arxiv_id) and kind == "misc"
    return Entry(
        line=line,
        title=marked_up_title(text("title")),
        abstract=marked_up_abstract(text("abstract")),
        authors=authors or editors,
        arxiv_id=arxiv_id,
        doi=doi,
        keywords=split_keywords(_texts(item.get("keyword")) or _texts(item.get("categories"))),
        publication=Publication(
            kind=kind,
            key=clean_key(key),
            venue=short(venue),
            volume=short(text("volume")),
            number=""
            if is_preprint
            else short(text("issue") or ("" if arxiv_id and "arxiv" in number.lower() else number)),
            pages=page_range(text("page")),
            series=short(marked_up_title(text("collection-title"))),
            publisher=publisher_of(marked_up_title(text("publisher")), arxiv_id),
            url=url,
            date=_date(item.get("issued")) or _date(item.get("published")),
            edited=bool(editors) and not authors,
        ),
    )


def _texts(value: object) -> list[str]:
    parts = value if isinstance(value, list) else [value]
    return [str(part) for part in parts if isinstance(part, str | int | float) and not isinstance(part, bool)]


def _text(value: object) -> str:
    """Return a text or a number; of Crossref's lists, the first."""
    return next(iter(_texts(value)), "").strip()


def _names(value: object) -> tuple[Author, ...]:
    names = (_name(each) for each in (value if isinstance(value, list) else []))
    return tuple(name for name in names if name is not None and any(map(str.isalpha, name.name)))


def _name(value: object) -> Author | None:
    if isinstance(value, str):
        return parse_author(value)
    if not isinstance(value, dict):
        return None
    parts = {name: marked_up_title(_text(part)) for name, part in value.items() if isinstance(name, str)}
    if group := parts.get("literal") or parts.get("name"):
        return Author(group, collaboration=True)
    particles = (parts.get("dropping-particle"), parts.get("non-dropping-particle"), parts.get("family"))
    family, given = " ".join(filter(None, particles)), parts.get("given", "")
    return Author(family, given, parts.get("suffix", "")) if family else Author(given) if given else None


def _date(value: object) -> tuple[int, ...]:
    if not isinstance(value, dict):
        return find_date(_text(value))
    parts = value.get("date-parts")
    first = parts[0] if isinstance(parts, list) and parts else None
    if isinstance(first, list) and first:
        return find_date("-".join(map(_text, first)))
    return find_date(_text(value.get("raw")) or _text(value.get("literal")) or _text(value.get("year")))
