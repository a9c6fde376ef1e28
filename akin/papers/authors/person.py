"""Division of one person's name into family name, given names and suffix.

arXiv publishes its rule with its software (github.com/arXiv/arxiv-base, `arxiv.authors`): the last word is the family
name, with one or two particles before it; a word such as Jr or III behind two others is a suffix.
"""

from __future__ import annotations

import re

from akin.papers.authors.author import Author

_PARTICLES = frozenset(("van", "der", "de", "la", "von", "del", "della", "da", "mac", "ter", "dem", "di"))
_SUFFIXES = frozenset(("jr", "sr", "i", "ii", "iii", "iv", "v", "jr.", "sr.", "ii.", "iii.", "iv."))
_BEHIND_COMMA = _SUFFIXES - {"i", "v"}  # which may be initials
_NO_SPACE_BEHIND_DOT = re.compile(r"(?<!\\)\.(?=[^\s.,'’)\]}–‐-])")
_WORD = re.compile(r"[^\W\d_]+")
_LONGEST_INITIALS = 16
_MOST_CAPITALS = 3  # "JP", "ABC"; more are an acronym
_IDEOGRAPHS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\s·・]+")


def tidy(name: str) -> str:
    """Return a name with one space behind each dot and none before a hyphen: "J.P. -M. Om" becomes "J. P.-M. Om"."""
    if "." in name:
        name = _NO_SPACE_BEHIND_DOT.sub(". ", name)
    name = " ".join(name.split())
    return name.replace(". -", ".-") if ". -" in name else name


def divide(name: str) -> Author:
    """Return the author with a name in natural order, "Pieter van der Meer", divided by arXiv's rule."""
    words = name.split(" ")
    count = len(words)
    if count == 1:
        return Author(name)
    last = words[-1]
    if count > 2:
        if words[-2].lower() in _PARTICLES:
            first = -3 if count > 3 and words[-3].lower() in _PARTICLES else -2
            return Author(" ".join(words[first:]), " ".join(words[:first]))
        if len(last) < 5 and last.lower() in _SUFFIXES:
            return Author(words[-2].rstrip(","), " ".join(words[:-2]), last)
    if not name.isascii() and _IDEOGRAPHS.fullmatch(name):
        return Author(name)  # the family name is first, and the printed name must keep this order
    return Author(last, " ".join(words[:-1]))


def divide_inverted(name: str) -> Author:
    """Return the author with a name that has its family name first: "Meer, Jr., Pieter" or "Meer, Pieter, Jr."."""
    family, *others = [part.strip() for part in name.split(",") if part.strip()] or [""]
    suffix = next((part for part in others if is_suffix(part)), "")
    given = " ".join(part for part in others if part is not suffix)
    if not given:
        whole = divide(f"{family} {suffix}" if suffix else family)
        return whole if not suffix or whole.suffix else Author(family, "", suffix)
    return Author(family, given, suffix)


def is_suffix(text: str) -> bool:
    """Return True if a text between commas is the suffix of the name before it: "Jr.", "III"."""
    return len(text) < 5 and text.lower() in _BEHIND_COMMA


def is_initials(text: str) -> bool:
    """Return True for "A.", "J.-P.", "A B" or "AB", with or without TeX accents."""
    if len(text) > _LONGEST_INITIALS or text[1:2].islower():
        return False
    words = _WORD.findall(text)
    if len(words) == 1:
        return len(words[0]) <= _MOST_CAPITALS and words[0].isupper()
    return bool(words) and all(len(word) == 1 and word.isupper() for word in words)
