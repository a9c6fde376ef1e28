"""The project's one rule for where a sentence of an abstract ends."""

from __future__ import annotations

import re

from akin.papers.text.mathematics import in_formula, mathematics

# A sentence begins with a capital, a digit or a formula. "e.g." and "et al." are rarely followed by one of these.
# Known-item evaluation sets are cut by this rule: a change makes their results incomparable with earlier ones.
_BOUNDARY = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9$\\])")
_GAP = re.compile(r"[.!?](\s+)(?=[A-Z0-9$\\])")  # the same places, which are found faster so
_ENDS = (".", "!", "?", "…", "。", "！", "？")
_CLOSING = "\"'”’»)]"


def split_sentences(text: str, *, cuts: int = 0) -> list[str]:
    """Return the sentences of a text in order; joined with spaces, they give a text on one line again.

    Args:
        text: the text.
        cuts: the number of cuts at most, after which the last piece holds all remaining sentences; 0 for no limit.
    """
    pieces = _BOUNDARY.split(text.strip().replace("\n", " "), maxsplit=cuts)
    return [piece for piece in pieces if piece]


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return the start and the end of each sentence of a text, as `split_sentences` cuts it; no formula is cut."""
    formulas = mathematics(text) if "$" in text or "\\" in text else []
    gaps = [found.span(1) for found in _GAP.finditer(text)]
    if formulas:
        gaps = [gap for gap in gaps if not in_formula(formulas, *gap)]
    starts = [0, *(end for _, end in gaps)]
    ends = [*(start for start, _ in gaps), len(text)]
    return [(start, end) for start, end in zip(starts, ends, strict=True) if text[start:end].strip()]


def ends_sentence(text: str) -> bool:
    """Return True if a text ends with the mark that ends a sentence, closing quotes and brackets aside."""
    return text.rstrip(_CLOSING).endswith(_ENDS)
