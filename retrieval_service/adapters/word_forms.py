"""Find terms of the lexical index in a text, by the words that the index would find the text by.

The words between white space are analysed once for all searches, so that a text of a result takes microseconds: sets of
words are compared, and only words that have a wanted term are looked at. A new word is analysed only if it may have a
wanted term: most new words are rare ones, which are not met again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from retrieval_service.ports import Match

_MOST_KEPT = 50_000  # words of at most `LONGEST_KEPT` letters; then all are analysed anew
LONGEST_KEPT = 40
_MARKS = ".,;:!?()[]\"'"
_SCRIPT = r"\$?[_^]\s*+(?:\{[^{}$\\]*+\}|\d|[A-Za-z](?![A-Za-z0-9]))\$?"
_PART = re.compile(rf"[^\W_]+(?:{_SCRIPT}[^\W_]*)*")  # also CO$_2$ and H_2O
_COMPOUND = re.compile(rf"{_PART.pattern}(?:[-\u2010-\u2013]{_PART.pattern})*")


class _Form(NamedTuple):
    """A place in a word that has a term, and whether it is the whole word."""

    start: int
    end: int
    term: str
    is_whole: bool


class _Kept(NamedTuple):
    """Words that were analysed: the places in each, and the words that have each term."""

    forms: dict[str, Sequence[Sequence[_Form]]]
    words: dict[str, set[str]]


_NONE: frozenset[str] = frozenset()


class WordForms:
    """Finds terms in texts; any number of threads may use it."""

    def __init__(self, terms_of: Callable[[str], Sequence[str]]) -> None:
        """Take the analysis of a word; of one of ASCII letters and digits it may change all but the start.

        A start is three characters, of a term of three or fewer two ("sky" of "skies"). A `y` in the second place may
        change too ("die" of "dying"). That is what Porter's second stemmer does with English.
        """
        self._terms_of = terms_of
        self._kept = _Kept({}, {})

    def find(self, texts: Sequence[str], terms: Collection[str]) -> list[list[Match]]:
        """Return the places in each text of the words that have one of some terms, in the order of the text.

        A compound is one place if it has a wanted term as one word, otherwise its parts are.
        """
        # All texts of a page at once: most of their words are the same, and sets of words are compared once.
        divided = [text.split() for text in texts]
        distinct, kept = set(chain.from_iterable(divided)), self._kept
        starts = tuple({term[: 3 if len(term) > 3 else 2] for term in terms})
        having = {
            word: forms
            for word in distinct.difference(kept.forms)
            if _may_have(word, starts) and (forms := self._analyse(word))
        }
        for term in terms:
            for word in distinct & kept.words.get(term, _NONE):
                if word not in having:  # else another thread may not have kept it yet
                    having[word] = kept.forms[word]
        wanted = {word: found for word, forms in having.items() if (found := list(_wanted(forms, terms)))}
        return [_in_order(text, words, wanted) for text, words in zip(texts, divided, strict=True)]

    def _analyse(self, word: str) -> Sequence[Sequence[_Form]]:
        """Return the places in a word, and keep them."""
        forms = [found for each in _COMPOUND.finditer(word) if (found := list(self._forms(each)))]
        if len(word) <= LONGEST_KEPT:
            kept = self._kept
            if len(kept.forms) >= _MOST_KEPT:
                kept = self._kept = _Kept({}, {})
            for form in (form for some in forms for form in some):
                kept.words.setdefault(form.term, set()).add(word)
            kept.forms[word] = forms  # last, as it says that the word is known
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


def _may_have(word: str, starts: tuple[str, ...]) -> bool:
    """Return False if a word surely has no term that starts so."""
    bare = word.strip(_MARKS)
    if not bare.isascii() or not bare.isalnum() or bare[1:2] in {"y", "Y"}:
        return True
    return bare.lower().startswith(starts)


def _wanted(forms: Sequence[Sequence[_Form]], terms: Collection[str]) -> Iterator[_Form]:
    for some in forms:
        for form in some:
            if form.term in terms:
                yield form
                if form.is_whole:
                    break


def _in_order(text: str, words: Sequence[str], wanted: dict[str, list[_Form]]) -> list[Match]:
    """Return the places in a text of the forms in its words."""
    found: list[Match] = []
    at = 0
    for word in words if wanted else ():
        if word in wanted:
            at = text.index(word, at)
            end = at + len(word)
            # The first place may be within another word.
            while (at and not text[at - 1].isspace()) or (end < len(text) and not text[end].isspace()):
                at = text.index(word, at + 1)
                end = at + len(word)
            for start, stop, term, _ in wanted[word]:
                found.append(Match(at + start, at + stop, term))
            at = end
    return found
