"""OAI-PMH 2.0 as far as a harvester needs it: the address of a page, and what a page holds.

The records are asked for as `arXivRaw`, the format nearest to what arXiv stores, and come out in the layout of arXiv's
metadata snapshot, so that one reader reads both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, ParseError, fromstring

from papers.remote.http import BadAnswer

_TEXTS = {
    "id": "id",
    "submitter": "submitter",
    "authors": "authors",
    "title": "title",
    "comments": "comments",
    "journal-ref": "journal-ref",
    "doi": "doi",
    "report-no": "report-no",
    "categories": "categories",
    "license": "license",
    "abstract": "abstract",
}


class Refusal(Exception):
    """The repository refuses, by a code of the protocol.

    Attributes:
        code: such as "badResumptionToken" or "noRecordsMatch".
    """

    def __init__(self, code: str, words: str) -> None:
        """Takes the protocol's code and the repository's own words."""
        super().__init__(f"the repository refuses: {words or code} ({code})")
        self.code = code


@dataclass
class Page:
    """One answer to ListRecords.

    Attributes:
        date: when the repository answered, in its words.
        records: papers in the layout of arXiv's snapshot, and `{"id", "update_date", "deleted": True}` of those gone.
        unusable: records without an id or without metadata.
        token: what asks for the next page; None on the last.
        total: records in the whole list, where the repository says.
    """

    date: str
    records: list[dict[str, Any]] = field(default_factory=list)
    unusable: int = 0
    token: str | None = None
    total: int | None = None


def page_url(base: str, *, token: str | None, since: str | None, subset: str | None) -> str:
    """The address of a page: the one a token stands for, or the first of a new list."""
    if token:
        return f"{base}?{urlencode({'verb': 'ListRecords', 'resumptionToken': token})}"
    asked = {"verb": "ListRecords", "metadataPrefix": "arXivRaw", "from": since, "set": subset}
    return f"{base}?{urlencode({name: value for name, value in asked.items() if value})}"


def parse_page(content: bytes) -> Page:
    """What a page holds.

    Raises:
        BadAnswer: it is not well-formed, or something else than an answer.
        Refusal: the repository refuses.
    """
    try:
        root = fromstring(content)
    except (ParseError, ValueError) as error:
        raise BadAnswer(f"the answer is not well-formed XML ({error})") from error
    if _name(root) != "OAI-PMH":
        raise BadAnswer(f"the answer is no OAI-PMH but {_name(root)!r}")
    page = Page(date=_text(root, "responseDate"))
    if (refused := _child(root, "error")) is not None:
        raise Refusal(refused.get("code", "unknown"), (refused.text or "").strip())
    listed = _child(root, "ListRecords")
    if listed is None or not page.date:
        raise BadAnswer("the answer lists no records and names no error")
    for element in listed:
        if _name(element) == "record":
            record = _record(element)
            if record is None:
                page.unusable += 1
            else:
                page.records.append(record)
        elif _name(element) == "resumptionToken":
            page.token = (element.text or "").strip() or None
            size = element.get("completeListSize", "")
            page.total = int(size) if size.isdigit() else None
    return page


def _record(element: Element) -> dict[str, Any] | None:
    header = _child(element, "header")
    if header is None:
        return None
    # "oai:arXiv.org:0704.0001": old ids have a slash, none has a colon.
    paper_id = _text(header, "identifier").rpartition(":")[2]
    day = _text(header, "datestamp")[:10]
    if header.get("status") == "deleted":
        return {"id": paper_id, "update_date": day, "deleted": True} if paper_id else None
    metadata = _child(element, "metadata")
    raw = next(iter(metadata), None) if metadata is not None else None
    if raw is None:
        return None
    found: dict[str, Any] = dict.fromkeys(_TEXTS.values())
    versions = []
    for part in raw:
        name = _name(part)
        if name in _TEXTS:
            found[_TEXTS[name]] = part.text
        elif name == "version":
            versions.append({"version": part.get("version", ""), "created": _text(part, "date")})
    found["id"] = (found["id"] or paper_id).strip()
    return {**found, "versions": versions, "update_date": day} if found["id"] else None


def _name(element: Element) -> str:
    # Repositories differ in the namespaces they declare; the local names are fixed.
    return element.tag.rpartition("}")[2]


def _child(element: Iterable[Element], name: str) -> Element | None:
    return next((child for child in element if _name(child) == name), None)


def _text(element: Iterable[Element], name: str) -> str:
    child = _child(element, name)
    return (child.text or "").strip() if child is not None else ""
