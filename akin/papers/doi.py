"""DOIs in all forms in which records write them: bare, with a prefix, as an address, several in one field.

A DOI is `10.`, the number of its registrant, a slash, and any printable characters (the DOI Handbook, "Numbering"). Its
end is therefore a convention of the text around it: white space, a separator before another DOI, punctuation, or a
bracket that the DOI did not open.
"""

from __future__ import annotations

import html
import re
import unicodedata
from urllib.parse import quote, unquote

_LONGEST_FIELD = 4_000  # characters; several DOIs have a few hundred
_START = re.compile(r"(?<![\w.])10\.\d{1,9}(?:\.\d{1,9})*+(?:/|%2[Ff])")
_ADDRESS = re.compile(r"https?://|(?:dx\.|www\.)?doi\.org/", re.IGNORECASE)
_RESOLVER = re.compile(r"(?:https?://)?(?:dx\.|www\.)?doi\.org/", re.IGNORECASE)
# Some old DOIs have a semicolon in them, so only the start of another DOI makes it a separator.
_NEXT = re.compile(r"[,;|](?=10\.\d|https?:|doi:|(?:dx\.|www\.)?doi\.org)", re.IGNORECASE)
_VIEW = re.compile(r"(?:/(?:full|pdf|epdf|abstract|summary|meta|fulltext|full/html)|\.pdf)$", re.IGNORECASE)
_CLOSING = {")": "(", "]": "[", "}": "{", ">": "<"}
_PUNCTUATION = ".,;:!?'\"’”»*"


def bare_doi(field: str | None) -> str | None:
    """Return the first DOI in a record's field, without a prefix or an address; None if there is no DOI in it.

    The first one is the paper's own: arXiv asks authors to add the DOIs of errata and of further versions behind it.
    """
    if not field or len(field) > _LONGEST_FIELD:
        return None
    if "&" in field:
        field = html.unescape(field)
    if not field.isascii():
        field = "".join(letter for letter in field if unicodedata.category(letter) not in ("Cf", "Cs"))
    for part in _NEXT.sub(" ", field.replace("\\_", "_")).split():
        if found := _doi_of(part):
            return found
    return None


def doi_address(doi: str) -> str:
    """Return the address at which the resolver of DOIs finds a bare DOI."""
    return f"https://doi.org/{quote(doi, safe='/:();._-')}"


def _doi_of(part: str) -> str | None:
    start = _START.search(part)
    if start is None:
        return None
    doi, address = part[start.start() :], _ADDRESS.search(part[: start.start()])
    if address:
        doi = doi.partition("?")[0].partition("#")[0]
    if address or start[0][-1] != "/":
        doi = unquote(doi)
    doi = _without_trailing_punctuation(doi)
    if address and not _RESOLVER.search(part[: start.start()]):
        doi = _VIEW.sub("", doi)
    return doi if doi.isprintable() and doi.partition("/")[2] else None


def _without_trailing_punctuation(doi: str) -> str:
    surplus = {closing: doi.count(closing) - doi.count(opening) for closing, opening in _CLOSING.items()}
    end = len(doi)
    while end:
        last = doi[end - 1]
        if surplus.get(last, 0) > 0:
            surplus[last] -= 1
        elif last not in _PUNCTUATION:
            break
        end -= 1
    return doi[:end]
