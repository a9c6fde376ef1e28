"""Find terms of the lexical index in a text, by the words that the index would find the text by.

Only words that may have a wanted term are looked at: those that begin like it, which is seen for all texts of a page
at once by numbers of three characters. Such a word is analysed once for all searches.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import accumulate
from string import ascii_lowercase, digits
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval_service.ports import Match

_MOST_KEPT = 50_000  # words of at most `LONGEST_KEPT` letters; then all are analysed anew
LONGEST_KEPT = 40
_SCRIPT = r"\$?[_^]\s*+(?:\{[^{}$\\]*+\}|\d|[A-Za-z](?![A-Za-z0-9]))\$?"
_PART = re.compile(rf"[^\W_]+(?:{_SCRIPT}[^\W_]*)*")  # also CO$_2$ and H_2O
_COMPOUND = re.compile(rf"{_PART.pattern}(?:[-\u2010-\u2013]{_PART.pattern})*")

# A character of a word is a number from 1, in either case; any other is 0.
_LETTERS = f" {ascii_lowercase}{digits}"
_NUMBERS = np.array([*(max(_LETTERS.find(chr(point).lower()), 0) for point in range(128)), 0], np.uint8)
_MANY = len(_LETTERS)
_SPACE = ord(" ")  # white space, and control characters, are up to this
_FOREIGN = 128  # stands for all characters beyond ASCII


class _Form(NamedTuple):
    """A place in a word that has a term, and whether it is the whole word."""

    start: int
    end: int
    term: str
    is_whole: bool


class WordForms:
    """Finds terms in texts; any number of threads may use it."""

    def __init__(self, terms_of: Callable[[str], Sequence[str]]) -> None:
        """Take the analysis of a word; of one of ASCII letters and digits it may change all but the start.

        A start is three characters, of a term of three or fewer two ("sky" of "skies"). A `y` in the second place may
        change too ("die" of "dying"). That is what Porter's second stemmer does with English.
        """
        self._terms_of = terms_of
        self._kept: dict[str, Sequence[Sequence[_Form]]] = {}

    def find(self, texts: Sequence[str], terms: Collection[str]) -> list[list[Match]]:
        """Return the places in each text of the words that have one of some terms, in the order of the text.

        A compound is one place if it has a wanted term as one word, otherwise its parts are.
        """
        found: list[list[Match]] = [[] for _ in texts]
        begins = list(accumulate((len(text) + 1 for text in texts), initial=1))
        whole = "\n".join(["", *texts, "\n\n"])
        wanted: dict[str, list[_Form]] = {}
        for start, end in _words_to_look_at(whole, terms):
            word = whole[start:end]
            if (places := wanted.get(word)) is None:
                forms = self._kept.get(word)
                places = wanted[word] = list(_wanted(self._analyse(word) if forms is None else forms, terms))
            if places:
                number = bisect_right(begins, start) - 1
                at = start - begins[number]
                found[number] += [Match(at + first, at + last, term) for first, last, term, _ in places]
        return found

    def _analyse(self, word: str) -> Sequence[Sequence[_Form]]:
        """Return the places in a word, and keep them."""
        forms = [found for each in _COMPOUND.finditer(word) if (found := list(self._forms(each)))]
        if len(word) <= LONGEST_KEPT:
            if len(self._kept) >= _MOST_KEPT:
                self._kept = {}
            self._kept[word] = forms
        return forms

    def _forms(self, compound: re.Match[str]) -> Iterator[_Form]:
        parts, first = list(_PART.finditer(compound[0])), compound.start()
        if len(parts) > 1 and len(terms := self._terms_of("".join(part[0] for part in parts))) == 1:
            yield _Form(first, compound.end(), terms[0], is_whole=True)
        for part in parts:
            yield from self._forms_of_part(part[0], first + part.start())

    def _forms_of_part(self, word: str, at: int) -> Iterator[_Form]:
        """Yield the place of a word's term; of a script without spaces, the places of pairs of letters."""
        terms = self._terms_of(word)
        if len(terms) == 1:
            yield _Form(at, at + len(word), terms[0], is_whole=False)
        elif not word.isascii() and len(terms) == len(word) - 1:
            yield from (_Form(at + n, at + n + 2, pair, is_whole=False) for n, pair in enumerate(terms))


def _words_to_look_at(text: str, terms: Iterable[str]) -> Iterable[tuple[int, int]]:
    """Return the start and end of each word between white space, unless it surely has none of some terms.

    The text must begin with white space, and end with two characters of it at least.
    """
    points = _points(text)
    numbers = _NUMBERS[points]
    in_word = numbers > 0
    starts = np.flatnonzero(in_word[1:] & ~in_word[:-1]) + 1
    # The number of a start may include characters of the next word, which does no harm.
    second, third = numbers[starts + 1], numbers[starts + 2]
    may_have = _starts_of(terms)[numbers[starts], second, third]
    # A compound with a short first part begins with letters of two parts.
    hyphens = points == ord("-")
    may_have |= hyphens[starts + 1] | ((second > 0) & hyphens[starts + 2])
    other = np.flatnonzero((points == _FOREIGN) | (points == ord("_")) | (points == ord("^")))
    spaces = np.flatnonzero(points <= _SPACE)
    looked_at = np.zeros(len(spaces), np.bool_)
    looked_at[np.searchsorted(spaces, starts[may_have])] = True
    looked_at[np.searchsorted(spaces, other)] = True
    words = np.flatnonzero(looked_at)
    return zip((spaces[words - 1] + 1).tolist(), spaces[words].tolist(), strict=True)


def _points(text: str) -> NDArray[np.uint8]:
    """Return the number of each character in ASCII, and the same number for all others."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.minimum(points, _FOREIGN).astype(np.uint8)


def _starts_of(terms: Iterable[str]) -> NDArray[np.bool_]:
    """Return which three numbers a word may start with that has one of some terms."""
    starts = np.zeros((_MANY, _MANY, _MANY), np.bool_)
    starts[:, _LETTERS.index("y")] = True
    for term in terms:
        known = tuple(map(_LETTERS.find, term[: 3 if len(term) > 3 else 2]))
        if min(known, default=-1) > 0:  # other terms are those of words beyond ASCII or with scripts
            starts[known] = True
    return starts


def _wanted(forms: Sequence[Sequence[_Form]], terms: Collection[str]) -> Iterator[_Form]:
    for some in forms:
        for form in some:
            if form.term in terms:
                yield form
                if form.is_whole:
                    break
