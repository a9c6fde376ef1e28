"""Texts that a stranger may send to stall a program: runs of what expressions repeat, alone and between others."""

from __future__ import annotations

from collections.abc import Callable
from time import thread_time

FIRST, SHORT, LONG = 1_250, 5_000, 20_000
"""Characters. The longest is what a query may have."""

MOST_SECONDS = 2.0
"""What a text of that length may cost: four times what it takes a quick machine, for slow and busy ones."""

_MOST_TIMES = 8  # the time for four times as many characters
_PLAINLY_QUICK = 0.01  # seconds: hardly any work that grows with the square of the length is done by then
_TRIES = 5

_REPEATED = (
    # One character, over and over.
    *(" ", "\t", "\n", "{", "}", "\\", '"', "'", "`", "-", ":", "$", "<", ">", "&", "%", "#", "_", "^", "~", "=", "/"),
    *(".", ",", ";", "!", "?", "(", ")", "[", "]", "*", "@", "+", "|", "0", "1", "a", "A", "é", "α", "ß", "丁"),
    *("\u0301", "\u0344", "\ufdfa", "\u200d", "\u00a0", "\u2028", "\x00", "\x1c", "\U0001f600", "\u1100", "“", "–"),
    # A few characters, over and over.
    *("a ", " a", "a-", "-a ", "a, ", "a,", ", ", "; ", "a.", "1.", "1 ", "a1", "A b ", "ab12 ", "a:b ", "a/", "αβ "),
    *("\u0301\u0323", "a\u0301\u0323", "é\u0323", "\u1100\u1161", "\r\n", "{ ", "{}", "{a}", "{a", "a}", "{\\", "\\{"),
    *("\\a", "\\'{", "\\' ", "\\'a", "\\'a ", "\\'{a}", "\\v ", "\\v{", "\\o ", "\\o{}", "\\var", "\\alpha"),
    *("\\mathbf{", "\\mathbf", "\\i", "_{", "_ ", "_{ ", "_{a}", "^{a", "^a", "$_", "$_{", "$_1$", "x_1", "$a$", "$ "),
    *('"a" ', '"a ', ' "', "ti:", "ti:a ", 'ti:"', "-ti:", "cat:a,", "au:a ", "arxiv:", "arXiv: ", "arxiv.org/abs/"),
    *("2101.00001 ", "2101.", "math/", "%25", "%", "&amp;", "&#x", "<b>", "</", "http://", "//", "?a=", "(a", "(a)"),
    *("&", "&amp;amp;", "&#38;", "ab-\n", "ab- ", "a-\nb", "ab-ab-\n", "\n ", "\n\n", "a\n b", "ﬁ\u0301", "\u00ad "),
    *("\u00ad", "\u200b", "\u200bb", "\\(", "\\[", "\\$", "$$", "$ a", "$1", "`a", "`", "--", "a~"),
    *("\\emph{", "{\\it ", "\\foo{", "\\href{a", "\\'{\\^", "\\textsuperscript{", "http://", "http://a~", "{a}{"),
    *("()", ")(", "( ", "and ", " and ", ", and ", "Jr., ", "i", "iv ", "the ", "e.g. ", "'s ", "don't "),
)  # fmt: skip
_BETWEEN = (
    # What stands before, over and over, and behind.
    *(("_{", " ", "x"), ("_", " ", "{"), ("^{", " ", "\\"), ("$_{a", " ", "$"), ("_{", "a", "$"), ("_{a", " ", "a")),
    *(("\\'", " ", "1"), ("\\v", " ", "1"), ("\\'{", " ", "1"), ("\\'a", " ", "x"), ("\\'a}", " ", "x")),
    *(("\\o", " ", "x"), ("{\\'", " ", "{"), ("a", " ", "a"), ("a", "\n", "a"), ("a", "\u0301", "a"), ("(", "a", "")),
    *(("a", "(a) ", "and"), ("a ; b", " ", "an"), ("a and b", "()", "x"), ("arxiv", " ", "x"), ("arxiv:", " ", "1")),
    *(("2101.00001", " ", "["), ("2101.00001 [", "a", "!"), ('"', " ", "x"), ("-", "a", ":"), ("a.", "A", "-")),
    *(("a.aa", "-", ""), ("https://", "\u0301\u0323", "/a"), ("https://", "a", "@"), ("arxiv.org/abs/", "1", "")),
    *(("10.48550/arxiv.", "a", ""), ("2020-", "1", ""), ("2020T", " ", "\n"), ("Mon, ", " ", "x"), ("cs.", "*", "")),
)  # fmt: skip


def _repeated(piece: str) -> Callable[[int], str]:
    return lambda length: (piece * (length // len(piece) + 1))[:length]


def _between(before: str, piece: str, behind: str) -> Callable[[int], str]:
    return lambda length: before + _repeated(piece)(length - len(before) - len(behind)) + behind


def _nested(opening: str, closing: str) -> Callable[[int], str]:
    return lambda length: _repeated(opening)(length // 2) + _repeated(closing)(length // 2)


RUNS: dict[str, Callable[[int], str]] = {
    **{repr(piece): _repeated(piece) for piece in _REPEATED},
    **{f"{before!r} {piece!r} {behind!r}": _between(before, piece, behind) for before, piece, behind in _BETWEEN},
    **{
        f"nested {opening!r}": _nested(opening, closing) for opening, closing in ("()", "{}", "[]", "<>", ("(a ", ") "))
    },
    # Marks of two classes in turn, which normalisation sorts.
    "marks in the wrong order": lambda length: "a" + "\u0301" * (length // 2) + "\u0323" * (length // 2),
    "distinct words": lambda length: " ".join(map(str, range(length // 6)))[:length],
    "distinct letters": lambda length: "".join(chr(0x4E00 + number) for number in range(length)),
}
"""A text of any length, by a name for each kind."""


def cost(work: Callable[[str], object], text: str) -> float:
    """Return the seconds of this thread's processor time that a call takes."""
    started = thread_time()
    work(text)
    return thread_time() - started


def objection(work: Callable[[str], object], text: Callable[[int], str]) -> str | None:
    """Return why work on a kind of text is too slow, or None.

    A short text goes first, so that work in cubic time is found out within a second or so.
    """
    for length in (FIRST, LONG):
        taken = cost(work, text(length))
        if taken > MOST_SECONDS and (taken := cost(work, text(length))) > MOST_SECONDS:
            return f"{taken:.2f} s for {length} characters"
    if taken < _PLAINLY_QUICK:
        return None
    short = MOST_SECONDS
    for _ in range(_TRIES):
        short = min(short, cost(work, text(SHORT)))
        if taken <= _MOST_TIMES * short:
            return None
        taken = min(taken, cost(work, text(LONG)))
    return f"{taken / short:.1f} times the time for {LONG} as for {SHORT} characters"
