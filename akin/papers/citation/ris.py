"""RIS, the format of Research Information Systems: a tag on each line, lines that end in CR LF, `ER` at the end."""

from __future__ import annotations

from collections.abc import Iterator

from akin.papers.authors import MORE_AUTHORS, Author
from akin.papers.citation.work import Work

_KINDS = {
    "article": "JOUR",
    "book": "BOOK",
    "booklet": "PAMP",
    "inbook": "CHAP",
    "incollection": "CHAP",
    "manual": "BOOK",
    "inproceedings": "CPAPER",
    "proceedings": "CONF",
    "phdthesis": "THES",
    "mastersthesis": "THES",
    "techreport": "RPRT",
    "unpublished": "UNPB",
    "misc": "UNPB",
}


def ris_reference(key: str, work: Work) -> str:
    """Return the reference of a work with its key as `ID`."""
    return "".join(f"{tag}  - {value}\r\n" for tag, value in _lines(key, work))


def _lines(key: str, work: Work) -> Iterator[tuple[str, str]]:
    published = work.published
    # A preprint is an unpublished work: RIS has no type of its own for it.
    kind = _KINDS.get(work.kind) or ("UNPB" if not published else "CPAPER" if published.is_conference else "JOUR")
    yield "TY", "GEN" if work.kind == "misc" and not work.arxiv_id else kind
    yield "ID", key
    by = "ED" if work.edited else "AU"
    fields = [("TI", work.title), *((by, _author(each)) for each in work.authors if each != MORE_AUTHORS)]
    fields += [("PY", str(work.year or "")), ("DA", "/".join(f"{part:02}" for part in work.date))]
    if published:
        first, _, last = published.pages.partition("-")
        fields += [
            ("T2", published.venue),
            ("T3", published.series),
            ("VL", published.volume),
            ("IS", published.number),
            ("SP", first),
            ("EP", last),
        ]
    elif work.arxiv_id and not work.publisher:
        fields.append(("PB", "arXiv"))
    fields += [("PB", work.publisher), ("M3", "Master's thesis" if work.kind == "mastersthesis" else "")]
    fields += [("DO", work.doi or ""), ("AN", f"arXiv:{work.arxiv_id}" if work.arxiv_id else "")]
    fields += [("UR", work.url or ""), ("N1", work.note)]
    yield from ((tag, value) for tag, value in fields if value)
    yield "ER", ""


def _author(author: Author) -> str:
    if author.collaboration or not author.given:
        return " ".join(filter(None, (author.family, author.suffix)))
    return ", ".join(filter(None, (author.family, author.given, author.suffix)))
