"""Removal of what users paste together with an id or an address: marks, markup, variants of letters and signs."""

from __future__ import annotations

import re
import unicodedata
from html import unescape
from urllib.parse import unquote

# Signs that look like those of ids and addresses, and that compatibility normalisation does not replace.
_VARIANTS = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\u02d7", "-"),
        **dict.fromkeys("\u3002\uff61\u00b7\u2219\u22c5", "."),
        **dict.fromkeys("\u2044\u2215\u29f8", "/"),
        **dict.fromkeys("\u2236\ua789\u02d0", ":"),
    }
)
_FIRST = re.compile(r"(?:[^\w\\@/.~+-]|_|[-+]\s)++")
_LAST = re.compile(r"(?:[^\w/]|_)")
# One of these is the whole text; the groups are what may hold the id, the best first.
_MARKUP = [
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        r"!?\[(?P<second>[^\[\]]*+)\]\(\s*+<?(?P<first>[^\s>]+?)>?(?:\s++[\"'(][^\n]*)?\)[.,;:]?",  # Markdown
        r"\[[^\[\]]++\]:\s*+<?(?P<first>[^\s>]++)>?(?:\s.*)?",  # a reference in Markdown
        r"\[\[(?P<first>[^\[\]|]++)(?:\]\[|\|)(?P<second>[^\[\]]*+)\]\]",  # Org mode, wikis
        r"\[(?P<first>[a-z]++://\S++) [^\[\]]*+\]",  # MediaWiki
        r"`[^`<>]*+<(?P<first>[^\s<>]++)>`_{0,2}",  # reStructuredText
        r"<a\s[^>]*?\bhref\s*+=\s*+[\"']?(?P<first>[^\"'\s>]++)[^>]*+>(?P<second>.*)</a>",
        r"\\[a-z]++\*?\{(?P<first>[^{}]*+)\}(?:\s*+\{(?P<second>.*)\})?[}\"'.,;\s]*+",  # LaTeX
        # "[2401.09032] A title": the title of arXiv's own page
        r"\[(?P<first>(?:arxiv:)?[a-z.-]*+/?\d[\dv.]++)\] \S.*",
        # A field of BibTeX, RIS, YAML or JSON, or a label before an address.
        r"[\"']?[a-z][a-z\d]*+(?:[_ -][a-z]++)?[\"']?\s*+(?:[:=]|-(?= ))\s*+[\"'{]*+"
        r"(?P<first>(?:[a-z]++://|\\[a-z]++\{|www\.|(?:doi:)?10\.48550/|arxiv).*)",
    )
]


def plain_characters(text: str) -> str:
    """Return the text in plain characters, with one space for each run of whitespace.

    Invisible characters are removed; full-width and other variants of letters, digits and signs, entities of HTML and
    percent-encoded characters become the plain ones.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_VARIANTS)).translate(_VARIANTS)
        text = "".join(letter for letter in text if unicodedata.category(letter) not in ("Cf", "Mn"))
    if "&" in text and ";" in text:
        text = unescape(text)
    for _ in range(2):  # an address inside another one is encoded twice
        if "%" in text:
            text = unquote(text)
    return " ".join(text.split())


def strip_marks(text: str) -> str:
    """Return the text without brackets, quotation marks, punctuation and list marks at its ends."""
    if found := _FIRST.match(text):
        text = text[found.end() :]
    end = len(text)
    while end and _LAST.fullmatch(text, end - 1, end):
        end -= 1
    return text[:end]


def inner_texts(text: str) -> list[str]:
    """Return the address and the text of a link in markup, or the value of a field; empty for other texts."""
    for pattern in _MARKUP:
        if match := pattern.fullmatch(text):
            groups = match.groupdict()
            return [part.strip() for name in ("first", "second") if (part := groups.get(name))]
    return []
