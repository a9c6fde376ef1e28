"""RIS: references as lines of a tag and a value, from `TY` to `ER`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from akin.papers.authors import Author, parse_author, parse_authors
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
from akin.papers.doi import bare_doi
from akin.papers.publication import Publication

KINDS = {
    **dict.fromkeys(("JOUR", "EJOUR", "JFULL", "MGZN", "NEWS", "INPR", "ABST"), "article"),
    **dict.fromkeys(("BOOK", "EBOOK", "EDBOOK"), "book"),
    **dict.fromkeys(("CHAP", "ECHAP"), "incollection"),
    **dict.fromkeys(("CPAPER", "CONF"), "inproceedings"),
    "THES": "phdthesis",
    "RPRT": "techreport",
    "UNPB": "unpublished",
    "MANSCPT": "unpublished",
    "PAMP": "booklet",
}
_START = re.compile(r"\s{0,8}TY(?P<space>\s{1,2})-\s?(?P<kind>.*)")
# Two spaces stand before the hyphen. Where `TY` has one, the other tags of the reference may have one too.
_TAG = re.compile(r"\s{0,8}([A-Z][A-Z0-9])  -(?:\s(.*))?")
_LOOSE_TAG = re.compile(r"\s{0,8}([A-Z][A-Z0-9])\s{1,2}-(?:\s(.*))?")
_TITLES = ("TI", "T1", "CT")
_VENUES = ("T2", "JO", "JF", "BT", "JA", "J2")
_AROUND = ("FN", "VR", "EF")
"""Tags of Web of Science around the references of a file: the file's name, its version and its end."""


def ris_entries(text: str) -> Iterator[Entry | BrokenEntry]:
    """Yield the references of a file, in its order.

    A line without a tag continues the one before. A reference without `ER` ends where the next one begins; one without
    `TY` is broken.
    """
    tags: list[tuple[str, list[str]]] = []  # of the reference that is read, with the lines of their values
    started, pattern = 0, _TAG
    for number, line in enumerate(text.split("\n"), 1):
        start = _START.fullmatch(line)
        if start:
            pattern = _TAG if start["space"] == "  " else _LOOSE_TAG
        found = pattern.fullmatch(line)
        if tags and (start or (found and found[1] == "ER")):
            yield _reference(started, tags)
            tags = []
        if found and found[1] != "ER" and (tags or found[1] not in _AROUND):
            started = started if tags else number
            tags.append((found[1], [(found[2] or "").strip()]))
        elif tags and not found and len(tags) > 1:
            tags[-1][1].append(line)
    if tags:
        yield _reference(started, tags)


def _reference(line: int, tags: list[tuple[str, list[str]]]) -> Entry | BrokenEntry:
    if tags[0][0] != "TY":
        text = "\n".join(f"{tag}  - {lines[0]}" for tag, lines in tags[:5])
        return BrokenEntry(line, "the reference has no line TY", text[:400])
    values: dict[str, list[str]] = {}
    for tag, lines in tags:
        if (value := "\n".join(lines).strip()) and value not in values.get(tag, ()):
            values.setdefault(tag, []).append(value)

    def first(*names: str) -> str:
        return next((values[name][0] for name in names if name in values), "")

    authors, editors = _names(values, "AU", "A1"), _names(values, "ED", "A2", "A3")
    kind = thesis_kind(KINDS.get(first("TY").upper(), "misc"), first("M3"))
    title = marked_up_title(first(*_TITLES) or (first("BT") if kind == "book" else "") or first("ST"))
    addresses = [address for text in values.get("UR", ()) if (address := web_address(text))]
    numbered = [text.split("\n")[0] for tag in ("DO", "M3", "N1") for text in values.get(tag, ())]
    doi = next((text for text in (*numbered[:8], *map(doi_of_address, addresses)) if bare_doi(text)), "")
    arxiv_id, doi_found = find_ids(doi, [first("AN"), *addresses[:8], first("M1"), first("JO"), first("T2")])
    venue = marked_up_title(next((text for name in _VENUES if (text := first(name)) and text != first("TI")), ""))
    if names_arxiv(venue, arxiv_id):
        venue = ""
    if arxiv_id and kind == "unpublished" and not venue:
        kind = "misc"  # a preprint
    abstract = first("AB", "N2")
    return Entry(
        line=line,
        title=title,
        abstract=marked_up_abstract(abstract),
        authors=authors or editors,
        arxiv_id=arxiv_id,
        doi=doi_found,
        keywords=split_keywords(values.get("KW", ())),
        publication=Publication(
            kind=kind,
            key=clean_key(first("ID", "LB")),
            venue=short(venue),
            volume=short(first("VL")),
            number=short(first("IS")),
            pages=page_range(first("SP", "C7"), first("EP")),
            series=short(marked_up_title(first("T3"))) if kind != "article" and first("T3") != venue else "",
            publisher=publisher_of(marked_up_title(first("PB")), arxiv_id),
            url=addresses[0] if addresses else "",
            date=_date(first("DA"), first("PY", "Y1")),
            edited=bool(editors) and not authors,
        ),
    )


def _names(values: dict[str, list[str]], *tags: str) -> tuple[Author, ...]:
    """Return the names under the first of some tags that has any; each is "Family, Given, Suffix" or a group."""
    for tag in tags:
        if found := [author for text in values.get(tag, ()) for author in _authors(text)]:
            return tuple(found)
    return ()


def _authors(text: str) -> tuple[Author, ...]:
    name = marked_up_title(text).strip(" ,;")
    parts = [part.strip() for part in name.split(",")]
    if ";" in name or len(parts) > 3:
        return parse_authors(name)
    if len(parts) > 1 and all(parts):
        return (Author(parts[0], parts[1], parts[2] if len(parts) > 2 else ""),)
    return (parse_author(name),) if any(map(str.isalpha, name)) else ()


def _date(day: str, year: str) -> tuple[int, ...]:
    """Return the date of `DA` if it is in the year of `PY`, which is then the whole date, otherwise that of `PY`.

    Web of Science has month and day alone in `DA`.
    """
    stated = find_date(year)
    whole = find_date(day) or (find_date(str(stated[0]), day) if day and stated else ())
    return whole if whole and (not stated or (stated[0] == whole[0] and len(whole) > len(stated))) else stated
