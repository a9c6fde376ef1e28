"""Text of a record into a paper's fields: names, days, category codes, text on one line."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

from papers.categories import CATEGORIES

_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, start=1)}
_ISO_DAY = re.compile(r"(\d{4})(?:[-/](\d{1,2})(?:[-/](\d{1,2}))?)?(?:[T ].*)?", re.ASCII)
_CODE = re.compile(r"[a-z]+(?:-[a-z]+)?\.[A-Za-z]{2}(?:[A-Za-z-]*[A-Za-z])?", re.ASCII)
_AND = re.compile(r" ?, ?(?:and )?| ?; ?| and ")  # in a text with one space at a time
_SPACES = re.compile(" ++")
_BRACKET = re.compile(r"([()])")
_SUFFIXES = frozenset(("Jr", "Jr.", "Sr", "Sr.", "II", "III", "IV"))


def one_line(text: str) -> str:
    """The text with every run of whitespace as one space and none at the ends."""
    # Splitting a whole abstract costs more than the rest of its record. Whitespace other than a space is not
    # printable, so two quick looks tell that there is nothing to split.
    text = text.strip().replace("\n", " ")
    if "  " in text or not text.isprintable():
        return " ".join(text.split())
    return text


@lru_cache(maxsize=1 << 16)
def day(text: str) -> date | None:
    """The day a date names, or None when it names none.

    Reads ISO 8601 ("2025-03-18", with or without a time), a year or a year and month alone (their first day), and
    the form of mail headers that arXiv's versions carry ("Mon, 2 Apr 2007 19:18:42 GMT").
    """
    text = text.strip()
    try:
        if match := _ISO_DAY.fullmatch(text):
            return date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
        parts = text.partition(",")[2].split() or text.split()
        return date(int(parts[2]), _MONTHS[parts[1]], int(parts[0]))
    except (ValueError, IndexError, KeyError):
        return None


def author_names(text: str) -> tuple[str, ...]:
    """The names in a printed list of authors: "A. One, B. Two (1) and C. Three Jr. ((1) Somewhere)".

    Affiliations stand in brackets and are left out.
    """
    text = one_line(text)
    if "(" in text:
        text = _SPACES.sub(" ", _without_brackets(text))
    names: list[str] = []
    for part in _AND.split(text) if " and " in text or ";" in text else text.split(","):
        name = one_line(part)
        if name in _SUFFIXES and names:
            names[-1] += f" {name}"
        elif name:
            names.append(name)
    return tuple(names)


def _without_brackets(text: str) -> str:
    """Return the text with a space for each pair of brackets and what is between; a bracket without another stays."""
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


def parsed_names(parsed: list[list[str]]) -> tuple[str, ...]:
    """The names in arXiv's `authors_parsed`: lists of last name, first name, suffix and then affiliations."""
    names = (one_line(f"{' '.join(parts[1:2])} {' '.join(parts[:1])} {' '.join(parts[2:3])}") for parts in parsed)
    return tuple(name for name in names if name)


@lru_cache(maxsize=1 << 16)
def arxiv_codes(text: str) -> tuple[str, ...]:
    """The category codes in arXiv's space-separated list, each once, in order.

    Some recent lists run on into ACM and MSC classes ("cs.CL I.2.7; 68T50"): what is neither a known category nor
    shaped like one is left out.
    """
    return tuple(dict.fromkeys(code for code in text.split() if code in CATEGORIES or _CODE.fullmatch(code)))


def categories(text: str) -> tuple[str, ...]:
    """The categories in a list of any collection's: separated by `;`, `,` or `|`, or arXiv codes by spaces."""
    parts = [one_line(part) for part in re.split(r"[;,|]", text)]
    if len(parts) == 1:
        codes = parts[0].split()
        if all(code in CATEGORIES for code in codes):
            parts = codes
    return tuple(dict.fromkeys(part for part in parts if part))
