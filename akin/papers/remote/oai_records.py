"""Records of an OAI-PMH answer, in the layout of arXiv's metadata snapshot, so that one reader reads both.

The formats `arXivRaw`, the nearest to arXiv's own, and `arXiv` are understood.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.etree.ElementTree import Element

from akin.papers.arxiv_id import parse_arxiv_id

_TEXTS = (
    *("id", "submitter", "authors", "title", "comments", "journal-ref", "doi", "report-no", "categories", "license"),
    "abstract",
)


class UnknownMetadata(Exception):
    """The metadata of a record are in a format that is not understood.

    Attributes:
        format: the name of the metadata's element, such as "dc".
    """

    def __init__(self, name: str) -> None:
        """Store the name of the format's element."""
        super().__init__(name)
        self.format = name


def record_of(element: Element) -> dict[str, Any] | None:
    """Return a record as the snapshot's line has it, a deleted one as `{"id", "update_date", "deleted": True}`.

    None is returned for a record without an id or without metadata.

    Raises:
        UnknownMetadata: the metadata are in another format.
    """
    header = child(element, "header")
    if header is None:
        return None
    paper_id = paper_id_of(text_of(header, "identifier"))
    day = text_of(header, "datestamp")[:10]
    if header.get("status", "").strip().lower() == "deleted":
        return {"id": paper_id, "update_date": day, "deleted": True} if paper_id else None
    metadata = child(element, "metadata")
    raw = next(iter(metadata), None) if metadata is not None else None
    if raw is None:
        return None
    found: dict[str, Any] = dict.fromkeys(_TEXTS)
    versions = []
    for part in raw:
        name = local_name(part)
        if name == "authors" and len(part):
            found |= _divided_authors(part)
        elif name in _TEXTS:
            text = "".join(part.itertext())
            # The snapshot keeps the spaces around an abstract, which mark its paragraphs.
            found[name] = (text if name == "abstract" else text.strip()) or None
        elif name == "version":
            versions.append({"version": part.get("version", ""), "created": text_of(part, "date")})
        elif name == "created":
            versions.insert(0, {"version": "v1", "created": (part.text or "").strip()})
        elif name == "updated":
            # The format `arXiv` has the day of the newest version, but not its number.
            versions.append({"version": "", "created": (part.text or "").strip()})
    if found["abstract"] is None and local_name(raw).lower() not in ("arxivraw", "arxiv"):
        raise UnknownMetadata(local_name(raw))
    # A repository may give its records other identifiers; the id in the metadata is the paper's.
    found["id"] = paper_id_of(found["id"] or "") or paper_id
    return {**found, "versions": versions, "update_date": day} if found["id"] else None


def paper_id_of(identifier: str) -> str:
    """Return the paper's id in a record's identifier, such as "oai:arXiv.org:0704.0001".

    arXiv's ids are returned in their canonical form, whichever namespace is before them.
    """
    identifier = identifier.strip()
    local = identifier.split(":", 2)[-1] if identifier[:4].lower() == "oai:" else identifier
    for candidate in (local, local.rpartition(":")[2]):
        if found := parse_arxiv_id(candidate.lower()):
            return found.id
    return local


def _divided_authors(element: Element) -> dict[str, Any]:
    """Return `authors` and `authors_parsed` of the format `arXiv`, which divides the names."""
    parsed = [
        [text_of(author, "keyname"), text_of(author, "forenames"), text_of(author, "suffix")]
        for author in element
        if local_name(author) == "author"
    ]
    printed = (" ".join(part for part in (given, family, suffix) if part) for family, given, suffix in parsed)
    return {"authors": ", ".join(printed), "authors_parsed": parsed}


def local_name(element: Element) -> str:
    """Return an element's name without its namespace: repositories declare different ones."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def child(element: Iterable[Element], name: str) -> Element | None:
    """Return the first child of that local name."""
    return next((each for each in element if local_name(each) == name), None)


def text_of(element: Iterable[Element], name: str) -> str:
    """Return the text of the first child of that local name, without the spaces around it."""
    found = child(element, name)
    return "".join(found.itertext()).strip() if found is not None else ""
