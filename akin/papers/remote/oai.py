"""The part of OAI-PMH 2.0 that a harvest needs: the address of a page, and the records and the token of a page.

A page that is well-formed is read by a parser. In any other page the text is repaired and each record is parsed alone.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, ParseError, fromstring

from akin.papers.remote.http import BadAnswer
from akin.papers.remote.oai_records import UnknownMetadata, child, local_name, paper_id_of, record_of, text_of
from akin.papers.remote.xml_repair import decode_xml, repair_text
from akin.papers.text.clean import one_line

FORMATS = ("arXivRaw", "arXiv")
"""Formats of metadata that are understood, the preferred one first."""

CODES = frozenset(
    ("badArgument", "badResumptionToken", "badVerb", "cannotDisseminateFormat", "idDoesNotExist", "noRecordsMatch")
)
"""Codes of errors in answers to ListRecords that the protocol defines."""

_PREFIX = r"(?:[A-Za-z_][\w.-]{0,40}:)?"
_WEB_PAGE = re.compile(r"<(?:!doctype\s++)?html\b", re.IGNORECASE)
_TITLE = re.compile(r"<title\b[^<>]*+>([^<]{1,200})", re.IGNORECASE)
_ROOT = re.compile(rf"<{_PREFIX}OAI-PMH\b([^<>]*+)>")
_ROOT_END = re.compile(rf"</{_PREFIX}OAI-PMH\s*+>")
_LIST_END = re.compile(rf"</{_PREFIX}(?:ListRecords|OAI-PMH)\s*+>")
_RECORD = re.compile(rf"<({_PREFIX}record)\b[^<>]*+>(?=\s*+<{_PREFIX}header\b)")
_HEADER_ID = re.compile(rf"<{_PREFIX}identifier\b[^<>]*+>([^<]{{1,400}})")
_DATESTAMP = re.compile(rf"<{_PREFIX}datestamp\b[^<>]*+>\s*+(\d{{4}}-\d\d-\d\d)")
_RESPONSE_DATE = re.compile(rf"<{_PREFIX}responseDate\b[^<>]*+>([^<]{{1,100}})")
_ERROR = re.compile(rf"<{_PREFIX}error\b([^<>]*+)>([^<]*+)")
_CODE = re.compile(r"""\bcode\s*+=\s*+["']([^"'<>]{0,100})""")
_TOKEN = re.compile(rf"<{_PREFIX}resumptionToken\b([^<>]*+)>([^<]*+)")
_SIZE = re.compile(r"""\bcompleteListSize\s*+=\s*+["'](\d{1,15})["']""", re.ASCII)
_USED_PREFIX = re.compile(r"<([A-Za-z_][\w.-]{0,40}):|\s([A-Za-z_][\w.-]{0,40}):[\w.-]{1,100}\s*+=")
_LONGEST_REASON = 300


class Refusal(Exception):
    """The repository refused the request with a code of the protocol, or with one of its own.

    Attributes:
        code: the code, such as "badResumptionToken" or "noRecordsMatch".
        date: the time of the answer, as the repository wrote it.
    """

    def __init__(self, code: str, explanation: str, date: str = "") -> None:
        """Make the message from the code and the repository's explanation."""
        words = one_line(explanation)[:_LONGEST_REASON]
        super().__init__(f"the repository refuses: {words or code} ({code})")
        self.code = code
        self.date = date


class Unreadable(BadAnswer):
    """The page is damaged: records of it, or its end, cannot be read.

    Attributes:
        page: what can be read of it.
        complete: True if the page has its end, so that its resumption token is known.
    """

    def __init__(self, message: str, page: OaiPage, *, complete: bool) -> None:
        """Store what can be read."""
        super().__init__(message)
        self.page = page
        self.complete = complete


@dataclass
class OaiPage:
    """Answer to one ListRecords request.

    Attributes:
        date: the time of the answer, as the repository wrote it.
        records: papers in the layout of arXiv's snapshot; deleted ones as `{"id", "update_date", "deleted": True}`.
        unusable: the number of records without an id or without metadata.
        token: the resumption token that requests the next page; None on the last page.
        total: the number of records in the whole list, if the repository states it.
        lost: id and day of the records that cannot be read, with None for what is unknown.
        repaired: ids of the records whose text was repaired, with None for what is unknown.
        repairs: the number of characters that were removed, replaced or escaped.
        unknown: the number of records in each format that is not understood.
    """

    date: str
    records: list[dict[str, Any]] = field(default_factory=list)
    unusable: int = 0
    token: str | None = None
    total: int | None = None
    lost: list[tuple[str | None, str | None]] = field(default_factory=list)
    repaired: list[str | None] = field(default_factory=list)
    repairs: int = 0
    unknown: Counter[str] = field(default_factory=Counter)

    def add(self, element: Element) -> None:
        """Add a record, or count it as one that cannot be used."""
        try:
            record = record_of(element)
        except UnknownMetadata as error:
            self.unknown[error.format] += 1
            record = None
        if record is None:
            self.unusable += 1
        else:
            self.records.append(record)


def page_url(base: str, *, token: str | None, since: str | None, subset: str | None, form: str = FORMATS[0]) -> str:
    """Return the address of the page of a resumption token or, without a token, of the first page of a new list."""
    if token:
        return f"{base}?{urlencode({'verb': 'ListRecords', 'resumptionToken': token})}"
    query = {"verb": "ListRecords", "metadataPrefix": form, "from": since, "set": subset}
    return f"{base}?{urlencode({name: value for name, value in query.items() if value})}"


def parse_page(content: bytes) -> OaiPage:
    """Return the records and the token of a page.

    Raises:
        BadAnswer: the content is not an answer of the protocol.
        Unreadable: the content is damaged; the error has what can be read.
        Refusal: the repository refused the request.
    """
    text = decode_xml(content).strip()
    if not text:
        raise BadAnswer("the answer is empty")
    if _WEB_PAGE.search(text, 0, 4096) and not _ROOT.search(text):
        title = _TITLE.search(text, 0, 1 << 16)
        words = f", “{one_line(unescape(title[1]))}”" if title else ""
        raise BadAnswer(f"the answer is not OAI-PMH but a web page{words}")
    if 0 <= text.find("<!DOCTYPE") < text.find("<!ENTITY"):
        raise BadAnswer("the answer declares entities, which OAI-PMH does not need and which may be an attack")
    try:
        root = fromstring(text)
    except (ParseError, ValueError) as error:
        return _damaged_page(text, error)
    if local_name(root) != "OAI-PMH":
        raise BadAnswer(f"the answer is not OAI-PMH but {local_name(root)!r}")
    page = OaiPage(date=text_of(root, "responseDate"))
    if (refusal := child(root, "error")) is not None:
        raise Refusal(refusal.get("code", "unknown"), refusal.text or "", page.date)
    listed = child(root, "ListRecords")
    if listed is None:
        raise BadAnswer("the answer has neither records nor an error")
    for element in listed:
        if local_name(element) == "record":
            page.add(element)
        elif local_name(element) == "resumptionToken":
            page.token = (element.text or "").strip() or None
            size = _SIZE.search(f' completeListSize="{element.get("completeListSize", "")}"')
            page.total = int(size[1]) if size else None
    return page


def offered_formats(content: bytes) -> list[str]:
    """Return the names of the formats in the answer to a ListMetadataFormats request."""
    found = re.findall(rf"<{_PREFIX}metadataPrefix\b[^<>]*+>\s*+([^<\s]{{1,60}})", decode_xml(content)[: 1 << 20])
    return list(dict.fromkeys(found))


def _damaged_page(text: str, problem: Exception) -> OaiPage:
    """Return the page after repairs of its text.

    Raises:
        BadAnswer, Unreadable, Refusal: as of `parse_page`.
    """
    words = f"the answer is not well-formed XML ({problem})"
    root = _ROOT.search(text)
    if root is None:
        raise BadAnswer(words)
    ends = list(_ROOT_END.finditer(text))
    text = text[root.start() : ends[-1].end() if ends else len(text)]
    starts = list(_RECORD.finditer(text))
    head = text[: starts[0].start()] if starts else text
    date = _RESPONSE_DATE.search(head)
    page = OaiPage(date=date[1].strip() if date else "")
    tail = head
    for start, behind in zip(starts, [*(each.start() for each in starts[1:]), len(text)], strict=False):
        piece = text[start.start() : behind]
        end = piece.rfind(f"</{start[1]}")
        end = piece.find(">", end) + 1 if end > 0 else 0
        # In a record without its end, the page's end may still be found behind it.
        tail = piece[end:]
        _add_piece(page, piece[:end], piece, root[1].rstrip("/"))
    if not starts and (refusal := _ERROR.search(head)):
        code = _CODE.search(refusal[1])
        raise Refusal(code[1] if code else "unknown", unescape(refusal[2]), page.date)
    if not starts and "ListRecords" not in head:
        raise BadAnswer(words)
    token = _TOKEN.search(tail)
    if token:
        page.token = None if token[1].endswith("/") else unescape(token[2]).strip() or None
        size = _SIZE.search(token[1])
        page.total = int(size[1]) if size else None
    # A token that is followed by nothing may itself be cut.
    complete = bool(_LIST_END.search(tail, token.end() if token else 0))
    if page.lost or not complete:
        raise Unreadable(words, page, complete=complete)
    return page


def _add_piece(page: OaiPage, record: str, piece: str, namespaces: str) -> None:
    """Repair and add one record of a damaged page, or count it as lost."""
    record, repairs = repair_text(record)
    element = _element(record, namespaces) if record else None
    identifier = _HEADER_ID.search(piece)
    paper_id = paper_id_of(unescape(identifier[1])) or None if identifier else None
    if element is None:
        day = _DATESTAMP.search(piece)
        page.lost.append((paper_id, day[1] if day else None))
        return
    page.add(element)
    if repairs:
        page.repaired.append(paper_id)
        page.repairs += repairs


def _element(record: str, namespaces: str) -> Element | None:
    """Return a record's element, or None; namespaces that nothing declares get a name of their own."""
    used = {one or other for one, other in _USED_PREFIX.findall(record)} - {"xml", "xmlns"}
    more = "".join(f' xmlns:{name}="urn:{name}"' for name in sorted(used) if f"xmlns:{name}" not in namespaces)
    for attributes in (namespaces, ""):
        try:
            return fromstring(f"<root{attributes}{more}>{record}</root>")[0]
        except (ParseError, ValueError, IndexError):
            more = "".join(f' xmlns:{name}="urn:{name}"' for name in sorted(used))
    return None
