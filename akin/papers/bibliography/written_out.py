"""References that are written out, as in the list at the end of a paper: where each begins, its arXiv id and title."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from akin.papers.arxiv_id import parse_arxiv_id

LIST_MARK = re.compile(r"\s*+(?:[-*•–]\s++|\(?\d{1,4}[.)]\s++|\[\d{1,4}\]\s++)?+")
"""Bullet or number before a reference of a list, or nothing: it always matches."""
_NUMBER = re.compile(r"\s*+(?:(\[)\d{1,4}\]|(\(?)\d{1,3}([.)]))\s")
_BULLET = re.compile(r"\s*+[-*•–]\s")
_BETWEEN_IDS = re.compile(r"[\s,;]++")
_LONGEST = 2_000  # characters of a reference
_LEAST = 3  # references that are a list
_MOST_IDS = 200  # of a line
_ARXIV = re.compile(
    r"(?:\barxiv(?:\s?preprint\s?arxiv)?\s?:?\s?|\barxiv\.org/[a-z]{3,4}/)"
    r"(\d{4}\.\d{4,5}|[a-z-]{2,12}(?:\.[a-z]{2})?/\d{7})(?!\d)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“„]([^\"“”„]{10,300})[\"”“]")
_YEAR = re.compile(r"\b(?:19|20)\d\d")
_SENTENCE_END = re.compile(
    # A name has three letters, or it is one such as "Wu" behind an initial; a shorter word is an abbreviation.
    r"(?<=[^\W\d_]{3})[.?!]\s++|(?<=\.\s[A-Z][a-z])\.\s++|(?<=\bet al)\.\s++|(?<=\d\))[.,:]?\s++|(?<=\d{4})\.\s++"
)
_YEAR_IN_BRACKETS = re.compile(r"\s*+\(\d{4}[a-z]?\)$")
_NAMES_END = re.compile(r"(?:,\s*+|\s)(?:et al|others)$")
_BETWEEN_NAMES = re.compile(r",\s*+(?:and|&)\s|\s(?:and|&)\s|[,;]\s*+")
_NAME = re.compile(r"(?:[^\W\d_a-z][\w.'’-]*+|van|von|de|der|den|la|le|di|da|del|dos|al|el|bin)", re.UNICODE)


def references_in(text: str) -> Iterator[tuple[int, str]]:
    """Yield the references of a text with the numbers of their lines, counted from 1.

    Each line is one; in a numbered list, lines without a mark or a number like the first one belong to the reference
    before, unless they are ids.
    """
    lines = text.splitlines()
    numbered = _NUMBER.match(next((line for line in lines if line.strip()), ""))
    start, parts, length = 0, list[str](), 0
    for number, line in enumerate(lines, 1):
        if numbered and parts and length < _LONGEST and _goes_on(line, numbered.groups()):
            parts.append(line)
            length += len(line)
            continue
        if parts:
            yield start, "\n".join(parts)
        start, parts, length = number, [line] if line.strip() else [], len(line)
    if parts:
        yield start, "\n".join(parts)


def is_reference_list(text: str) -> bool:
    """Return True if a text has three numbered references, each with a year, or more."""
    if text.count("\n") < _LEAST - 1 or len(_YEAR.findall(text)) < _LEAST:
        return False
    return sum(1 for _, each in references_in(text) if _NUMBER.match(each) and _YEAR.search(each)) >= _LEAST


def ids_in(line: str) -> tuple[str, ...]:
    """Return the arXiv ids of a line that consists of several; none for another line."""
    pieces = [piece for piece in _BETWEEN_IDS.split(line.strip()) if piece]
    if not 2 <= len(pieces) <= _MOST_IDS:
        return ()
    found: dict[str, None] = {}
    for piece in pieces:
        if (known := parse_arxiv_id(piece)) is None:
            return ()
        found[known.id] = None
    return tuple(found)


def arxiv_id_in(reference: str) -> str | None:
    """Return the arXiv id that a reference states behind "arXiv:" or in an address; None for none, or several."""
    found = {match[1].lower() for match in _ARXIV.finditer(reference[:_LONGEST])}
    known = parse_arxiv_id(found.pop()) if len(found) == 1 else None
    return known.id if known else None


def title_in(reference: str) -> str:
    """Return the title in a reference: what stands in quotation marks, or the sentence behind the names of authors.

    A text that has no year, or does not begin with names, is a title itself.
    """
    reference = reference[:_LONGEST]
    if not _YEAR.search(reference):
        return reference
    if quoted := _QUOTED.search(reference):
        return quoted[1].strip(" ,.")
    names, *others = _SENTENCE_END.split(reference, maxsplit=2)
    return others[0].strip(" ,.") if others and _are_names(names) else reference


def _goes_on(line: str, signs: Sequence[str | None]) -> bool:
    """Return True if a line of a list, whose numbers have these signs, belongs to the reference before it."""
    number = _NUMBER.match(line)
    begins = number is not None and number.groups() == signs
    return bool(line.strip()) and not begins and not _BULLET.match(line) and parse_arxiv_id(line) is None


def _are_names(text: str) -> bool:
    plain = _NAMES_END.sub("", _YEAR_IN_BRACKETS.sub("", text))
    pieces = [piece for piece in _BETWEEN_NAMES.split(plain) if piece]
    if plain == text and len(pieces) < 2 and "." not in plain:
        return False  # one word or two may be a title
    return all(len(words := piece.split()) <= 5 and all(map(_NAME.fullmatch, words)) for piece in pieces)
