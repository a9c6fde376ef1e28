"""Texts with their matches, as HTML: words of the query in `mark`, and the sentence that fits best in a `span`."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]


def marked(text: str, words: Sequence[Span], sentence: Span | None = None) -> str:
    """Return a text, escaped, with some words marked, and with one sentence set apart.

    Places that are not in the text, or overlap with an earlier one, are left out.
    """
    if sentence is None or not 0 <= sentence[0] < sentence[1] <= len(text):
        return _part(text, 0, len(text), words)
    start, end = sentence
    best = f'<span class="akin-best">{_part(text, start, end, words)}</span>'
    return f"{_part(text, 0, start, words)}{best}{_part(text, end, len(text), words)}"


def excerpt(text: str, words: Sequence[Span], sentence: Span) -> str:
    """Return one sentence of a text, escaped, with some words marked."""
    return _part(text, *sentence, words)


def _part(text: str, first: int, last: int, words: Sequence[Span]) -> str:
    pieces, at = [], first
    for start, end in words:
        if at <= start < end <= last:
            pieces.append(f"{escape(text[at:start])}<mark>{escape(text[start:end])}</mark>")
            at = end
    return "".join([*pieces, escape(text[at:last])])
