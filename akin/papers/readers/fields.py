"""Conversion of a record's text to a paper's fields: days, category codes."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

from akin.papers.categories import CATEGORIES
from akin.papers.text import clean_text

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ISO_DAY = re.compile(r"(\d{4})(?:[-/](\d{1,2})(?:[-/](\d{1,2}))?)?(?:[T ].*)?", re.ASCII)
_CANONICAL = {code.lower(): code for code in CATEGORIES}
_SEPARATORS = re.compile(r"[\s,;|'\"\[\]()]+")
_CODE = re.compile(r"[a-z]+(?:-[a-z]+)?\.[A-Za-z]{2}(?:[A-Za-z-]*[A-Za-z])?", re.ASCII)


@lru_cache(maxsize=1 << 16)
def parse_day(text: str) -> date | None:
    """Return the day of a date's text, or None if the text is not a date.

    Accepts ISO 8601 ("2025-03-18", with or without a time), a year, a year and month (the first day is returned), and
    the form of mail headers in arXiv's versions ("Mon, 2 Apr 2007 19:18:42 GMT").
    """
    text = text.strip()
    try:
        if match := _ISO_DAY.fullmatch(text):
            return date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
        parts = text.partition(",")[2].split() or text.split()
        return date(int(parts[2]), _MONTHS.index(parts[1]) + 1, int(parts[0]))
    except (ValueError, IndexError):
        return None


def is_true(value: object) -> bool:
    """Return True for a flag that is set: true, 1, or a text such as "yes" or "withdrawn"."""
    if isinstance(value, str):
        return value.strip().lower() in {"1", "true", "yes", "y", "withdrawn", "retracted", "deleted"}
    return isinstance(value, int | float) and bool(value)


@lru_cache(maxsize=1 << 16)
def arxiv_codes(text: str) -> tuple[str, ...]:
    """Return the category codes in a list of arXiv's, each once, in order and in the spelling of the taxonomy.

    Spaces, commas, semicolons and bars separate them; a printed list of Python or JSON is read too. Some recent lists
    contain ACM and MSC classes ("cs.CL I.2.7; 68T50"): only known categories, and codes of their form, are returned.
    """
    codes = [_CANONICAL.get(part.lower(), part) for part in _SEPARATORS.split(text)]
    return tuple(dict.fromkeys(code for code in codes if code in CATEGORIES or _CODE.fullmatch(code)))


def categories(text: str) -> tuple[str, ...]:
    """Return the categories in any collection's list: separated by `;`, `,` or `|`, or arXiv codes by spaces.

    arXiv's codes have the spelling of the taxonomy, and a printed list of Python or JSON is read too.
    """
    text = text.strip()
    signs = "'\" " if text.startswith("[") and text.endswith("]") else " "
    found: list[str] = []
    for part in re.split(r"[;,|]", text[1:-1] if len(signs) > 1 else text):
        words = [_CANONICAL.get(word.lower()) for word in part.strip(signs).split()]
        codes = [word for word in words if word is not None]
        found += codes if len(codes) == len(words) else [clean_text(part.strip(signs))]
    return tuple(dict.fromkeys(part for part in found if part))
