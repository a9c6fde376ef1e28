r"""Mathematics in a text: which dollars enclose a formula, and which are money."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from operator import itemgetter

# The page's script has the same expression (`gradio_ui/mathematics.js`); a test compares them.
MATHEMATICS = (
    r"\\\\|\$\$[^$]+\$\$|\$(?:[^$\\\n]|\\[^\n])+\$|\\\((?:(?!\\[()])[^\n])+\\\)|\\\[(?:(?!\\[\[\]])[^\n])+\\\]|\\\$"
)
_MATHEMATICS = re.compile(MATHEMATICS)
_PROSE = re.compile(r"\s*+(?:\S++\s++\S.*+|[^\W\d_]{2,}+\s*+)", re.DOTALL)
_SIGN = re.compile(r"[\\^_=<>+{}]")

Span = tuple[int, int]


def mathematics(text: str) -> list[Span]:
    r"""Return the start and the end of each formula: `$…$`, `$$…$$`, `\(…\)` and `\[…\]` in one paragraph.

    Dollars are money if a digit follows both ("$5 to $10"), or if a space is inside one of them and there is a number
    or words without any sign of TeX between them ("US$ and A$").
    """
    spans, at = [], 0
    while found := _MATHEMATICS.search(text, at):
        start, at = found.span()
        if found[0] in ("\\\\", "\\$"):
            continue
        if found[0][0] == "$" and found[0][1] != "$" and _is_money(found[0][1:-1], text[at : at + 1]):
            at = start + 1
        else:
            spans.append((start, at))
    return spans


def in_formula(formulas: Sequence[Span], start: int, end: int) -> bool:
    """Return True if a part of a text overlaps with one of its formulas, which are in the order of the text."""
    # Only the last formula that begins before the part's end can.
    at = bisect_left(formulas, end, key=itemgetter(0))
    return at > 0 and start < formulas[at - 1][1]


def _is_money(inner: str, behind: str) -> bool:
    if inner[0].isdigit() and behind.isdigit():
        return True
    padded = inner[0].isspace() or inner[-1].isspace()
    return padded and (inner[0].isdigit() or bool(_PROSE.fullmatch(inner))) and not _SIGN.search(inner)
