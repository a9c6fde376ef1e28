"""Change queries as people do by accident, and measure how much of a ranking stays.

Overlap@k is the share of the first k papers that both rankings have. RBO, rank-biased overlap, weighs the first ranks
more (W. Webber, A. Moffat and J. Zobel, "A similarity measure for indefinite rankings", 2010); here it is extrapolated
from the ranks that are there.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

import msgspec

PERSISTENCE = 0.9
"""Weight of a rank relative to the one before it."""
_WORD = re.compile(r"[^\W\d_]{4,}")
_GREEK = re.compile(r"\b(alpha|beta|gamma|delta|epsilon|lambda|mu|nu|pi|rho|sigma|tau|phi|psi|omega)\b", re.IGNORECASE)

Change = Callable[[str, random.Random], str]


class Robustness(msgspec.Struct, frozen=True):
    """Rankings of changed queries beside those of the queries themselves.

    Attributes:
        change: The kind of change.
        queries: Queries that it changed.
        overlap: Mean overlap of the first results.
        rbo: Mean rank-biased overlap.
        first: Share of the queries with the same first result.
        worst: Overlap that one query of ten is below.
        without_results: Share of the changed queries that found nothing, or were refused.
    """

    change: str
    queries: int
    overlap: float
    rbo: float
    first: float
    worst: float
    without_results: float


def typo(text: str, dice: random.Random) -> str:
    """Return the text with one mistake in a longer word: letters swapped, left out or doubled."""
    words = list(_WORD.finditer(text))
    if not words:
        return text
    word = dice.choice(words)
    at = dice.randrange(word.start() + 1, word.end() - 1)
    before, after = text[:at], text[at:]
    kind = dice.choice(("swap", "omit", "double"))
    if kind == "swap":
        return before + after[1] + after[0] + after[2:]
    return before + after[1:] if kind == "omit" else before + after[0] + after


def two_typos(text: str, dice: random.Random) -> str:
    """Return the text with two such mistakes."""
    return typo(typo(text, dice), dice)


def truncated(text: str, dice: random.Random) -> str:
    """Return the first half of the words."""
    words = text.split()
    return " ".join(words[: max(1, (len(words) + 1) // 2)])


def dropped_word(text: str, dice: random.Random) -> str:
    """Return the text without one of its words."""
    words = text.split()
    if len(words) > 1:
        del words[dice.randrange(len(words))]
    return " ".join(words)


def tex(text: str, dice: random.Random) -> str:
    """Return the text as an author types it: Greek letters as commands, and one word emphasised."""
    written = _GREEK.sub(lambda found: rf"$\{found[0].lower()}$", text)
    words = list(_WORD.finditer(written))
    if not words or written != text:
        return written
    word = dice.choice(words)
    return written[: word.start()] + rf"\emph{{{word[0]}}}" + written[word.end() :]


CHANGES: Mapping[str, Change] = {
    "small letters": lambda text, dice: text.lower(),
    "capitals": lambda text, dice: text.upper(),
    "a typo": typo,
    "two typos": two_typos,
    "a word left out": dropped_word,
    "the first half": truncated,
    "TeX": tex,
}
"""Every change takes a query and gives a similar one, or the same if it has nothing to change."""


def changed(texts: Sequence[str], change: Change, seed: int = 1) -> list[str]:
    """Return each text, changed."""
    dice = random.Random(seed)
    return [change(text, dice) for text in texts]


def measure(change: str, pairs: Sequence[tuple[Sequence[str], Sequence[str]]], *, k: int) -> Robustness | None:
    """Return how much of the rankings stays; None without a pair.

    Args:
        change: The kind of change.
        pairs: The ids that a query found, at least one, and those that the changed query found.
        k: Ranks that are compared.
    """
    if not pairs:
        return None
    overlaps = sorted(overlap(before[:k], after[:k]) for before, after in pairs)
    return Robustness(
        change=change,
        queries=len(pairs),
        overlap=fmean(overlaps),
        rbo=fmean(rank_biased_overlap(before[:k], after[:k]) for before, after in pairs),
        first=fmean(bool(after) and before[0] == after[0] for before, after in pairs),
        worst=overlaps[len(overlaps) // 10],
        without_results=fmean(not after for _, after in pairs),
    )


def overlap(before: Sequence[str], after: Sequence[str]) -> float:
    """Return the share of the longer ranking's papers that both have."""
    return len(set(before) & set(after)) / max(len(before), len(after), 1)


def rank_biased_overlap(before: Sequence[str], after: Sequence[str], p: float = PERSISTENCE) -> float:
    """Return RBO of two rankings, extrapolated from the depth of the longer one: 1 if equal, 0 without a common id."""
    depth = max(len(before), len(after))
    if not depth:
        return 1.0
    agreement = [len(set(before[:rank]) & set(after[:rank])) / rank for rank in range(1, depth + 1)]
    weighted = sum(share * p**rank for rank, share in enumerate(agreement))
    return (1 - p) * weighted + agreement[-1] * p**depth
