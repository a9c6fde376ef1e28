"""The part of OAI-PMH 2.0 that a harvest needs: the address of a page, and the records of a page.

The records are requested as `arXivRaw`, the format nearest to arXiv's own, and are returned in the layout of arXiv's
metadata snapshot, so that one reader reads both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, ParseError, fromstring

from papers.remote.http import BadAnswer

_TEXTS = (
    *("id", "submitter", "authors", "title", "comments", "journal-ref", "doi", "report-no", "categories", "license"),
    "abstract",
)


class Refusal(Exception):
    """The repository refused the request with a code of the protocol.

    Attributes:
        code: the code, such as "badResumptionToken" or "noRecordsMatch".
    """

    def __init__(self, code: str, explanation: str) -> None:
        """Make the message from the protocol's code and the repository's explanation."""
        super().__init__(f"the repository refuses: {explanation or code} ({code})")
        self.code = code


@dataclass
class OaiPage:
    """Answer to one ListRecords request.

    Attributes:
        date: the time of the answer, as the repository wrote it.
        records: papers in the layout of arXiv's snapshot; deleted ones as `{"id", "update_date", "deleted": True}`.
        unusable: the number of records without an id or without metadata.
        token: the resumption token that requests the next page; None on the last page.
        total: the number of records in the whole list, if the repository states it.
    """

    date: str
    records: list[dict[str, Any]] = field(default_factory=list)
    unusable: int = 0
    token: str | None = None
    total: int | None = None


def page_url(base: str, *, token: str | None, since: str | None, subset: str | None) -> str:
    """Return the address of the page of a resumption token or, without a token, of the first page of a new list."""
    if token:
        return f"{base}?{urlencode({'verb': 'ListRecords', 'resumptionToken': token})}"
    query = {"verb": "ListRecords", "metadataPrefix": "arXivRaw", "from": since, "set": subset}
    return f"{base}?{urlencode({name: value for name, value in query.items() if value})}"


def parse_page(content: bytes) -> OaiPage:
    """Return the records and the token of a page.

    Raises:
        BadAnswer: the content is not well-formed, or is not an answer of the protocol.
        Refusal: the repository refused the request.
    """
    try:
        root = fromstring(content)
    except (ParseError, ValueError) as error:
        raise BadAnswer(f"the answer is not well-formed XML ({error})") from error
    if _name(root) != "OAI-PMH":
        raise BadAnswer(f"the answer is not OAI-PMH but {_name(root)!r}")
    page = OaiPage(date=_text(root, "responseDate"))
    if (refusal := _child(root, "error")) is not None:
        raise Refusal(refusal.get("code", "unknown"), (refusal.text or "").strip())
    listed = _child(root, "ListRecords")
    if listed is None or not page.date:
        raise BadAnswer("the answer has neither records nor an error")
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
    # "oai:arXiv.org:0704.0001": arXiv ids contain no colon.
    paper_id = _text(header, "identifier").rpartition(":")[2]
    day = _text(header, "datestamp")[:10]
    if header.get("status") == "deleted":
        return {"id": paper_id, "update_date": day, "deleted": True} if paper_id else None
    metadata = _child(element, "metadata")
    raw = next(iter(metadata), None) if metadata is not None else None
    if raw is None:
        return None
    found: dict[str, Any] = dict.fromkeys(_TEXTS)
    versions = []
    for part in raw:
        name = _name(part)
        if name in _TEXTS:
            found[name] = part.text
        elif name == "version":
            versions.append({"version": part.get("version", ""), "created": _text(part, "date")})
    found["id"] = (found["id"] or paper_id).strip()
    return {**found, "versions": versions, "update_date": day} if found["id"] else None


def _name(element: Element) -> str:
    # Repositories declare different namespaces; only the local names are fixed.
    return element.tag.rpartition("}")[2]


def _child(element: Iterable[Element], name: str) -> Element | None:
    return next((child for child in element if _name(child) == name), None)


def _text(element: Iterable[Element], name: str) -> str:
    child = _child(element, name)
    return (child.text or "").strip() if child is not None else ""
