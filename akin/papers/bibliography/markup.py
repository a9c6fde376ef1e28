r"""Texts of entries as a reader sees them: TeX's accents and braces, HTML's tags and entities are replaced."""

from __future__ import annotations

import re

from akin.papers.text import clean_abstract, clean_text, display_text
from akin.papers.text.mathematics import mathematics

# Unicode never assigns these; `display_text` uses others of the same block.
_OPEN, _CLOSE, _TIE = "\ufdd8", "\ufdd9", "\ufdda"
_ESCAPED = re.compile(r"(?<!\\)\\([{}])")
# As managers of references write them: in titles, and in abstracts from JATS.
_BLOCK_TAG = re.compile(
    r"</?(?:jats:)?(?:p|br|div|sec|title|h[1-6]|li|ul|ol|list|list-item|label)\b[^<>]{0,200}>", re.I
)
_TAG = re.compile(
    r"</?(?:jats:)?(?:i|b|u|em|strong|sub|sup|inf|sc|scp|span|tt|code|italic|bold|underline|monospace|a|font|inline-formula"
    r"|ext-link|xref)\b[^<>]{0,200}>",
    re.IGNORECASE,
)
# ADS writes the raised box before a tilde.
_TILDE = re.compile(r"(?:\\raisebox\s*+\{[^{}]{0,20}\}\s*+)?\\textasciitilde(?![A-Za-z])(?:\{\}|\s)?")
_BACKSLASH = re.compile(r"\$\s*+\\(?:backslash|textbackslash)\s*+\$")
_ANGLES = re.compile(r"\{?\\text(less|greater)\s*+(?:\{\})?\}?|\$([<>])\$")


def plain_title(text: str) -> str:
    """Return a field of BibTeX on one line."""
    return clean_text(_tags(_from_tex(text)))


def plain_abstract(text: str) -> str:
    """Return an abstract of BibTeX, with each paragraph on one line."""
    return clean_abstract(_tags(_from_tex(text)))


def marked_up_title(text: str) -> str:
    """Return a field of RIS or CSL-JSON on one line: there, only tags and entities are markup."""
    return clean_text(_tags(text))


def marked_up_abstract(text: str) -> str:
    """Return an abstract of RIS or CSL-JSON, with each paragraph on one line."""
    return clean_abstract(_tags(text))


def _from_tex(text: str) -> str:
    if not ("\\" in text or "{" in text or "~" in text or "`" in text or "--" in text):
        return text
    text = _ANGLES.sub(lambda found: "<" if (found[1] or found[2]) in ("less", "<") else ">", text)
    text = _TILDE.sub(_TIE, text)
    text = _BACKSLASH.sub("", _ESCAPED.sub(lambda found: _OPEN if found[1] == "{" else _CLOSE, text))
    text = display_text(text)
    kept, at = [], 0
    for start, end in mathematics(text):
        kept += [
            _unbraced(text[at:start]),
            text[start:end].replace(_OPEN, "\\{").replace(_CLOSE, "\\}").replace(_TIE, "~"),
        ]
        at = end
    return "".join((*kept, _unbraced(text[at:])))


def _unbraced(text: str) -> str:
    return text.replace("{", "").replace("}", "").replace(_OPEN, "{").replace(_CLOSE, "}").replace(_TIE, "~")


def _tags(text: str) -> str:
    if "<" not in text:
        return text
    return _TAG.sub("", _BLOCK_TAG.sub("\n\n", text))
