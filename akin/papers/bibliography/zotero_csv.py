"""CSV as Zotero exports it: one row for each item."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from akin.papers.authors import Author
from akin.papers.bibliography.entry import (
    BrokenEntry,
    Entry,
    clean_key,
    doi_of_address,
    find_date,
    find_ids,
    page_range,
    publisher_of,
    short,
    split_keywords,
    web_address,
)
from akin.papers.bibliography.markup import marked_up_abstract, marked_up_title
from akin.papers.publication import Publication

KINDS = {
    **dict.fromkeys(("journalArticle", "magazineArticle", "newspaperArticle"), "article"),
    "book": "book",
    "bookSection": "incollection",
    "conferencePaper": "inproceedings",
    "thesis": "phdthesis",
    **dict.fromkeys(("encyclopediaArticle", "dictionaryEntry"), "incollection"),
    "report": "techreport",
    "manuscript": "unpublished",
}
_NO_WORKS = ("note", "attachment", "annotation")


def zotero_entries(text: str) -> Iterator[Entry | BrokenEntry]:
    """Yield the items of a file, in its order; notes and attachments are left out."""
    rows = csv.reader(io.StringIO(text, newline=""))
    header = next(rows, [])
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows, None)
        except csv.Error as error:
            yield BrokenEntry(line, str(error), "")
            continue
        if row is None:
            return
        if len(row) > len(header):
            yield BrokenEntry(line, f"{len(row)} cells under {len(header)} columns", ",".join(row)[:400])
        elif any(row) and (item := dict(zip(header, row, strict=False))).get("Item Type") not in _NO_WORKS:
            yield _entry(line, item)


def _entry(line: int, item: dict[str, str]) -> Entry:
    get = item.get
    url = web_address(get("Url", ""))
    extra = get("Extra", "")[:500].removeprefix("arXiv:").strip().split("\n")[0]
    eprints = [url, get("Archive Location", ""), extra, get("Number", ""), get("Report Number", "")]
    arxiv_id, doi = find_ids(get("DOI", "") or doi_of_address(url), eprints)
    kind = KINDS.get(get("Item Type", ""), "misc")
    authors, editors = _names(get("Author", "")), _names(get("Editor", ""))
    return Entry(
        line=line,
        title=marked_up_title(get("Title", "")),
        abstract=marked_up_abstract(get("Abstract Note", "")),
        authors=authors or editors,
        arxiv_id=arxiv_id,
        doi=doi,
        keywords=split_keywords((get("Manual Tags", ""), get("Automatic Tags", ""))),
        publication=Publication(
            kind=kind,
            key=clean_key(get("Key", "")),
            venue=short(marked_up_title(get("Publication Title", "") or get("Conference Name", ""))),
            volume=short(get("Volume", "")),
            number=short(get("Issue", "")),
            pages=page_range(get("Pages", "")),
            series=short(get("Series", "")),
            publisher=publisher_of(get("Publisher", ""), arxiv_id),
            url=url,
            date=find_date(get("Date", "")) or find_date(get("Publication Year", "")),
            edited=bool(editors) and not authors,
        ),
    )


def _names(text: str) -> tuple[Author, ...]:
    """Return the names of a cell: "Family, Given; Group"."""
    found = []
    for name in filter(None, (marked_up_title(part) for part in text.split(";"))):
        family, comma, given = (part.strip() for part in name.partition(","))
        found.append(Author(family, given) if comma and family else Author(name.strip(" ,"), collaboration=True))
    return tuple(author for author in found if any(map(str.isalpha, author.name)))
