"""CSL-JSON: the input data of citation processors (citationstyles.org, schema csl-data.json)."""

from __future__ import annotations

from typing import Any

import msgspec

from akin.papers.authors import MORE_AUTHORS, Author
from akin.papers.citation.work import Work

_KINDS = {
    "article": "article-journal",
    "book": "book",
    "booklet": "pamphlet",
    "inbook": "chapter",
    "manual": "book",
    "incollection": "chapter",
    "inproceedings": "paper-conference",
    "proceedings": "book",
    "phdthesis": "thesis",
    "mastersthesis": "thesis",
    "techreport": "report",
    "unpublished": "manuscript",
}


def csl_item(key: str, work: Work) -> str:
    """Return the item of a work with its key as `id`, indented as in an array."""
    item = msgspec.json.format(msgspec.json.encode([_item(key, work)]), indent=2).decode()
    return item.removeprefix("[\n").removesuffix("\n]")


def _item(key: str, work: Work) -> dict[str, Any]:
    published = work.published
    # "article" is the type of preprints.
    kind = "article" if not published else "paper-conference" if published.is_conference else "article-journal"
    if work.kind:
        kind = "article" if work.kind == "misc" and work.arxiv_id else _KINDS.get(work.kind, "document")
    date = list(work.date) or ([work.year] if work.year else [])
    fields: dict[str, Any] = {
        "title": work.title,
        "editor" if work.edited else "author": [_name(each) for each in work.authors if each != MORE_AUTHORS],
        "issued": {"date-parts": [date]} if date else {},
        "DOI": work.doi,
        "URL": work.url,
        "note": work.note,
    }
    if published:
        fields |= {
            "container-title": published.venue,
            "collection-title": published.series,
            "volume": published.volume,
            "issue": published.number,
            "page": published.pages,
        }
    if work.publisher or work.kind == "mastersthesis":
        fields |= {"publisher": work.publisher, "genre": "Master's thesis" if work.kind == "mastersthesis" else ""}
    elif work.arxiv_id and not published:
        fields |= {"publisher": "arXiv", "number": f"arXiv:{work.arxiv_id}"}
    return {"id": key, "type": kind, **{name: value for name, value in fields.items() if value}}


def _name(author: Author) -> dict[str, str]:
    if author.collaboration or (not author.given and " " in author.family):
        return {"literal": " ".join(filter(None, (author.family, author.suffix)))}
    words = author.family.split()
    particles = 0
    while particles < len(words) - 1 and words[particles].islower():
        particles += 1
    parts = {
        "family": " ".join(words[particles:]),
        "given": author.given,
        "suffix": author.suffix,
        "non-dropping-particle": " ".join(words[:particles]),
    }
    return {name: value for name, value in parts.items() if value}
