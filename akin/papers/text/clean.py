"""Cleaning of a source's text: the same words, whatever tool they were pasted from. TeX stays as it is.

Every reader cleans titles, abstracts, names, comments and references here. What is embedded, displayed and searched
by words is made from the result.
"""

from __future__ import annotations

import re

from akin.papers.text.characters import clean_characters
from akin.papers.text.line_ends import join_broken_words

# Controls that are no white space. They stand for a sign that was lost, so that words stay apart.
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]+")
_PARAGRAPH = "\u2029"
# As arXiv reads abstracts: an empty line or an indented line begins a paragraph.
_EMPTY_LINE = re.compile(r"\n[^\S\n]*+\n\s*+")
_INDENTED = re.compile(r"\n[^\S\n]++(?=\S)")
_SENTENCE_ENDS = (".", "!", "?", ":", ";", "$", ")", "]", "}", '"', "'", "”", "…", "。", "！", "？", "：")


def clean_text(text: str) -> str:
    """Return a text on one line, without entities, invisible characters, ligatures and broken words."""
    if text.isascii() and "-" not in text and "&" not in text:
        return one_line(text)
    return one_line(join_broken_words(clean_characters(text)))


def clean_abstract(text: str) -> str:
    r"""Return a text with each paragraph on one line, and `\n` between paragraphs.

    A paragraph begins after an empty line, or with an indented line. If every line is indented and some sentence
    continues in the next line, the indentation is layout.
    """
    text = join_broken_words(clean_characters(text)).strip()
    if "\n" not in text:
        return one_line(text)
    text = _EMPTY_LINE.sub(_PARAGRAPH, text)
    if _INDENTED.search(text):
        text = _INDENTED.sub(_PARAGRAPH if _indentation_counts(text) else " ", text)
    if _PARAGRAPH not in text:
        return one_line(text)
    return "\n".join(line for part in text.split(_PARAGRAPH) if (line := one_line(part)))


def one_line(text: str) -> str:
    """Return the text with each run of white space or controls as one space, and none at the ends."""
    # Splitting an abstract takes longer than the rest of its record. White space other than a space is not printable,
    # so two quick checks show that there is nothing to split.
    text = text.strip().replace("\n", " ")
    if "  " in text or not text.isprintable():
        return " ".join(_CONTROLS.sub(" ", text).split())
    return text


def _indentation_counts(text: str) -> bool:
    lines = text.split("\n")
    if not all(line[:1].isspace() for line in lines[1:]):
        return True
    return all(line.rstrip().endswith(_SENTENCE_ENDS) for line in lines[:-1])
