"""Author of a paper: a person, or a collaboration."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from papers.text import clean_text

_AND = re.compile(r" ?, ?(?:and )?| ?; ?| and ")  # in a text with one space at a time
_BRACKET = re.compile(r"([()])")
_SUFFIXES = frozenset(("Jr", "Jr.", "Sr", "Sr.", "II", "III", "IV"))


class Author(msgspec.Struct, frozen=True, gc=False, array_like=True):
    r"""Author of a paper, as the source writes it: TeX accents such as `\'e` are kept.

    Attributes:
        family: the family name with its particles, "van der Meer"; of a collaboration, its whole name.
        given: the given names or initials; empty for a collaboration, or if only one name is known.
        suffix: "Jr.", "III" and the like.
        collaboration: True for a collaboration, group, team or institution.
    """

    family: str
    given: str = ""
    suffix: str = ""
    collaboration: bool = False

    @property
    def name(self) -> str:
        """The name as printed: "Calvin Reyes Jr."."""
        return " ".join(part for part in (self.given, self.family, self.suffix) if part)


def parse_authors(text: str) -> tuple[Author, ...]:
    """Return the authors in a printed list: "A. One, B. Two (1) and C. Three Jr. ((1) Somewhere)".

    Affiliations, in brackets, are left out.
    """
    text = clean_text(text)
    if "(" in text:
        text = " ".join(_without_brackets(text).split())
    names: list[str] = []
    for part in _AND.split(text) if " and " in text or ";" in text else text.split(","):
        name = part.strip()
        if name in _SUFFIXES and names:
            names[-1] += f" {name}"
        elif name:
            names.append(name)
    return tuple(map(parse_author, names))


def parse_author(name: str) -> Author:
    """Return the author of one name: "Calvin Reyes Jr."."""
    words = clean_text(name).split()
    suffix = words.pop() if len(words) > 1 and words[-1] in _SUFFIXES else ""
    return Author(words[-1] if words else "", " ".join(words[:-1]), suffix)


def divided_authors(parsed: Sequence[Sequence[str]]) -> tuple[Author, ...]:
    """Return the authors in arXiv's `authors_parsed`: lists of family name, given names, suffix and affiliations."""
    authors = []
    for parts in parsed:
        family, given, suffix, *_ = (*map(clean_text, parts), "", "", "")
        if family or given:
            authors.append(Author(family, given, suffix))
    return tuple(authors)


def _without_brackets(text: str) -> str:
    """Return the text with each pair of brackets and its content as one space; an unpaired bracket stays."""
    kept: list[str] = []
    opened: list[int] = []
    for piece in _BRACKET.split(text):
        if piece == ")" and opened:
            del kept[opened.pop() :]
            kept.append(" ")
            continue
        if piece == "(":
            opened.append(len(kept))
        kept.append(piece)
    return "".join(kept)
