"""Write papers as an Atom feed (RFC 4287)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5
from xml.etree.ElementTree import Element, SubElement, tostring

from akin.papers import CATEGORIES
from retrieval_service.search.answer import SearchResult

MEDIA_TYPE = "application/atom+xml"
_NAMESPACE = "http://www.w3.org/2005/Atom"
_SCHEME = "http://arxiv.org/schemas/atom"
_NO_AUTHOR = "No author named"
# What XML 1.0 has no way to write, and the control characters that it advises against.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Feed:
    """Feed, and what it says of itself.

    Attributes:
        title: What is followed.
        address: Its own address.
        same: The address of the same search in another format.
        paper: The address of the service's papers, up to the id.
        changed: The moment since which the corpus is as it is.
    """

    title: str
    address: str
    same: str
    paper: str
    changed: datetime

    def write(self, papers: Iterable[SearchResult]) -> bytes:
        """Return the feed of papers, newest first; those of one day keep their order, and those without one end it."""
        changed = self.changed.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        feed = Element("feed", {"xmlns": _NAMESPACE, "xml:lang": "en"})
        # The query is the address: a reader that is given the same one again has the same feed.
        _add(feed, "id", _urn(self.address.partition("?")[2]))
        _add(feed, "title", self.title)
        _add(feed, "updated", changed)
        _add(SubElement(feed, "author"), "name", "Akin")
        _add(feed, "generator", "Akin")
        _link(feed, "self", self.address, MEDIA_TYPE)
        _link(feed, "alternate", self.same, "application/json")
        for paper in sorted(papers, key=lambda paper: paper.date or "", reverse=True):
            self._write_entry(SubElement(feed, "entry"), paper, changed)
        written: bytes = tostring(feed, "utf-8", xml_declaration=True)
        return written

    def _write_entry(self, entry: Element, paper: SearchResult, changed: str) -> None:
        page = paper.links.get("abs") or paper.links.get("doi") or paper.links.get("url")
        _add(entry, "id", page or _urn(paper.id))
        _add(entry, "title", f"{paper.title or paper.id}{' (withdrawn)' * paper.withdrawn}")
        if paper.date:
            _add(entry, "published", f"{paper.date}T00:00:00Z")
        _add(entry, "updated", f"{paper.date}T00:00:00Z" if paper.date else changed)
        for name in paper.authors or [_NO_AUTHOR]:
            _add(SubElement(entry, "author"), "name", name)
        for code in paper.categories:
            SubElement(
                entry, "category", _clean({"term": code, "scheme": _SCHEME, "label": CATEGORIES.get(code, code)})
            )
        if page:
            _link(entry, "alternate", page, "text/html")
        else:
            _link(entry, "alternate", f"{self.paper}{quote(paper.id, safe='', errors='replace')}", "application/json")
        if pdf := paper.links.get("pdf"):
            _link(entry, "related", pdf, "application/pdf")
        _add(entry, "summary", paper.abstract)


def _add(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = _UNWRITABLE.sub("", text)


def _link(parent: Element, relation: str, address: str, kind: str) -> None:
    SubElement(parent, "link", _clean({"rel": relation, "type": kind, "href": address}))


def _clean(attributes: Mapping[str, str]) -> dict[str, str]:
    return {name: _UNWRITABLE.sub("", value) for name, value in attributes.items()}


def _urn(name: str) -> str:
    """Return an id that is the same for the same name, on every server."""
    return uuid5(NAMESPACE_URL, f"akin:{name}".encode("utf-8", "backslashreplace").decode()).urn
