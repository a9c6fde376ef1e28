"""Decide if a reference and a paper are one work by title, authors and year.

The titles are *equal* if their letters and digits are; one is a *part* of the other if the other goes on behind it (a
lost subtitle, a title that was cut); they are *near* if a few letters differ, as typing mistakes do. Authors agree if
the reference's first author is one of the paper's, years if the paper is at most one year younger and five years older.

| titles | authors | years | confidence |
| --- | --- | --- | --- |
| equal | agree | any | 0.99 |
| equal, three words or more | one side states none | do not disagree | 0.95 |
| part | agree | do not disagree | 0.9 |
| near | agree | do not disagree | 0.85 |

Everything else is no match. Numbers and numerals always count: "Kites" is no part of "Kites II", and "in 2D" is not
near "in 3D". Preprints are older than what is cited, so that years may differ.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from akin.papers import Paper
from akin.papers.bibliography.references import Reference
from akin.papers.titles import title_key, title_words

EQUAL, EQUAL_ALONE, PART, NEAR = 0.99, 0.95, 0.9, 0.85
_OLDER, _YOUNGER = 5, 1  # years of a paper, against those of the reference
_LEAST_WORDS = 3
_LEAST_PART, _LEAST_PART_WORDS = 20, 4  # letters and words of a title that is a part of another
_SIMILAR_LENGTH = 0.85
_MOST_TYPOS = 0.08  # of the letters of a title
_ANOTHER = re.compile(
    r"(?:\d\w*|[ivx]{1,4}|part|erratum|corrigendum|addendum|supplement\w*|reply|response|comment|revisited|continued"
    r"|appendix|volume|chapter)"
)
_NUMERAL = re.compile(r"[ivx]{1,4}|\w*\d\w*")
_SMALL_WORDS = frozenset("a an the of on in for to and with by at from as via is are".split())


class ReadTitle(NamedTuple):
    """Title, authors and year of a reference or a paper, ready to be compared."""

    words: list[str]
    key: str
    families: tuple[str, ...]
    year: int | None


def read_reference(reference: Reference) -> ReadTitle:
    """Return what is compared of a reference."""
    words = title_words(reference.title)
    return ReadTitle(words, "".join(words), _last_words(reference.authors), reference.year)


def read_paper(paper: Paper) -> ReadTitle:
    """Return what is compared of a paper."""
    words = title_words(paper.title)
    year = paper.published.year if paper.published else None
    return ReadTitle(words, "".join(words), _last_words([author.family for author in paper.authors]), year)


def agreement(one: ReadTitle, paper: ReadTitle) -> float:
    """Return the confidence that a reference is a paper; 0 if it is not to be taken for it."""
    if not one.key or not paper.key:
        return 0.0
    authors, years = _authors_agree(one.families, paper.families), _years_agree(one.year, paper.year)
    if one.key == paper.key:
        if authors:
            return EQUAL if len(one.words) >= _LEAST_WORDS or years else 0.0
        long_enough = len(one.words) >= _LEAST_WORDS and len(one.key) >= _LEAST_PART // 2
        return EQUAL_ALONE if authors is None and years is not False and long_enough else 0.0
    if not authors or years is False:
        return 0.0
    if _is_part(one, paper) or _is_part(paper, one):
        return PART
    return NEAR if _is_near(one.words, paper.words) else 0.0


def _last_words(families: Sequence[str]) -> tuple[str, ...]:
    """Return the last word of each family name, as particles are often lost."""
    names = (title_key(family.split()[-1]) for family in families[:200] if family.strip())
    return tuple(dict.fromkeys(name for name in names if name))


def _authors_agree(one: Sequence[str], paper: Sequence[str]) -> bool | None:
    return one[0] in paper if one and paper else None


def _years_agree(one: int | None, paper: int | None) -> bool | None:
    return None if one is None or paper is None else -_YOUNGER <= one - paper <= _OLDER


def _is_part(short: ReadTitle, long: ReadTitle) -> bool:
    """Return True if a title goes on where another one ends, within a word too, and not with a number or "Part"."""
    if len(short.key) < _LEAST_PART or len(short.words) < _LEAST_PART_WORDS or not long.key.startswith(short.key):
        return False
    behind, at = [], 0
    for word in long.words:
        at += len(word)
        if at > len(short.key):
            behind.append(word)
    return not any(map(_ANOTHER.fullmatch, behind))


def _is_near(one: Sequence[str], other: Sequence[str]) -> bool:
    """Return True if two titles differ in a few letters within words, or in small words."""
    length = max(sum(map(len, one)), sum(map(len, other)))
    if length < _LEAST_PART or min(sum(map(len, one)), sum(map(len, other))) < _SIMILAR_LENGTH * length:
        return False
    edits = small = 0
    for kind, first, last, start, end in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        here, there = one[first:last], other[start:end]
        if any(map(_NUMERAL.fullmatch, (*here, *there))):
            return False
        if not here or not there:
            small += len(here) + len(there)
            if not _SMALL_WORDS.issuperset((*here, *there)):
                return False
            continue
        typos = _typos("".join(here), "".join(there))
        if typos is None:
            return False
        edits += typos
    return edits <= max(2, _MOST_TYPOS * length) and small <= 2


def _typos(one: str, other: str) -> int | None:
    """Return the number of letters that differ between two words; None if they are other words.

    A letter at the beginning often makes another word: "symmetric", "asymmetric".
    """
    if one == other:
        return 0
    if one[0] != other[0] or min(len(one), len(other)) < 3:
        return None
    same = sum(block.size for block in SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks())
    edits = max(len(one), len(other)) - same
    return edits if edits <= max(1, max(len(one), len(other)) // 4) else None
