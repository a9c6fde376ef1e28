"""Words of a title, as they are compared: without case, accents, punctuation, markup and the signs of TeX."""

from __future__ import annotations

import re
import unicodedata

from akin.papers.text import display_text
from akin.papers.text.characters import few_marks

_WORD = re.compile(r"[^\W_]++")
_COMMAND = re.compile(
    r"\\(?:mathrm|mathbf|mathcal|mathbb|mathit|text|rm|bf|it|cal|left|right|displaystyle)(?![A-Za-z])"
)
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,100}>")
# Letters that Unicode does not decompose.
_FOLDED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ß": "ss", "ı": "i", "’": None, "'": None})
_LONGEST = 1_000


def title_words(title: str) -> list[str]:
    """Return the words and numbers of a title; marks of accents are dropped, and an apostrophe divides no word."""
    text = display_text(title[:_LONGEST])
    if "<" in text:
        text = _TAG.sub("", text)
    text = _COMMAND.sub(" ", text).casefold().translate(_FOLDED)
    if not text.isascii():
        marked = unicodedata.normalize("NFKD", few_marks(text))
        text = "".join(letter for letter in marked if not unicodedata.combining(letter))
    return _WORD.findall(text)


def title_key(title: str) -> str:
    """Return what two spellings of a title have in common: its letters and digits."""
    return "".join(title_words(title))
