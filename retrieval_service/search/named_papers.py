"""Find the papers that the text of the query box names: one id or several, links to papers, or a DOI."""

from __future__ import annotations

import re
from dataclasses import dataclass

from akin.papers import parse_arxiv_id
from akin.papers.doi import bare_doi
from retrieval_service.search.pasted_queries import unpack_query

MOST_NAMED = 32
"""Papers that one search may be for."""

_LONGEST = 8_000  # characters: so many ids as addresses, with what stands around them
_LONGEST_QUESTION = 300  # characters
_MAY_NAME = re.compile(r"\d{4}[\W_]{0,3}\d{3}|\d{7}|10\.\d{4}")
# The semicolon before the end of an old DOI, 10.1175/…<1606:G>2.0.CO;2, divides nothing.
_BETWEEN = re.compile(r"(?:[\s,|\uff0c\uff1b\u3001]|;(?!(?<=CO;)\d(?:-\w)?(?:[\s;,]|$)))+")
_CONDITION = re.compile(r"^\s*-?id:\S|(?<!\S)[-(]*(?:cites|cited[-_]?by):\S")
# What people leave between ids: words, labels, list marks, and the category behind an id in the margin of a PDF.
_FILLER = re.compile(
    r"(?:and|or|&|e-?prints?|pre-?prints?|arxiv|doi|ids?|papers?|see|also|[-*•–—+]|\(?\d{1,2}[.)]|\[\d{1,3}\]|corr|abs"
    r"|\[[a-z-]+(?:\.[a-z-]+)?\])[:=]?",
    re.ASCII | re.IGNORECASE,
)
_DOI = re.compile(
    r"(?:doi[:=\s]*|(?:https?://)?(?:dx\.|www\.)?doi\.org/|https?://\S{1,200}?/)?10\.\d{4,9}(?:/|%2F)\S+", re.IGNORECASE
)


@dataclass(frozen=True)
class NamedPapers:
    """The papers that a text names, if it does nothing else.

    Attributes:
        names: Their ids, links or DOIs, as they were written, each once.
        left_out: The number of those beyond `MOST_NAMED`.
    """

    names: tuple[str, ...]
    left_out: int = 0


def named_papers(text: str) -> NamedPapers | None:
    """Return the papers that a text names; None for a text with other words, or with a condition such as `id:`."""
    if len(text) > _LONGEST or _MAY_NAME.search(text) is None or _CONDITION.search(text):
        return None
    if "id_list=" in text:
        text = unpack_query(text, [])
    several = _several(text)
    # Names of files and references hold spaces, so that one id may be in several pieces.
    if len(several) < 2 and parse_arxiv_id(text) is not None:
        several = (text,)
    return NamedPapers(several[:MOST_NAMED], max(0, len(several) - MOST_NAMED)) if several else None


def _several(text: str) -> tuple[str, ...]:
    """Return the ids and DOIs that a text consists of, one paper once; empty if it has other words."""
    found: dict[str, str] = {}
    for piece in _BETWEEN.split(text.strip()):
        if not piece or _FILLER.fullmatch(piece):
            continue
        if (named := parse_arxiv_id(piece)) is not None:
            found.setdefault(named.id, piece)
        elif (doi := named_doi(piece)) is not None:
            found.setdefault(doi.lower(), piece)
        else:
            return ()
    return tuple(found.values())


def named_doi(text: str) -> str | None:
    """Return the DOI if the text is nothing but a DOI or its address; otherwise None."""
    text = text.strip().strip("<>()[]{}\"'`“”")
    return bare_doi(text) if len(text) <= 500 and _DOI.fullmatch(text) else None


def names_among_words(text: str) -> str | None:
    """Return the first id or DOI that stands among other words; None if there is none, or the text is an abstract."""
    if len(text) > _LONGEST_QUESTION or _MAY_NAME.search(text) is None:
        return None
    for piece in _BETWEEN.split(text):
        if _MAY_NAME.search(piece) and ":" not in piece.split("/")[0].lower().removeprefix("arxiv:").removeprefix(
            "doi:"
        ):
            if (named := parse_arxiv_id(piece)) is not None:
                return named.id
            if named_doi(piece):
                return named_doi(piece)
    return None
