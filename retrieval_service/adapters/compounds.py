"""Spellings of compounds that an index has: `pre-training`, `pretraining` and `pre training` are one word.

The index holds a hyphenated compound in both forms, apart and as one word (`spellings`). The rest is done here, with
the words that the index has: a query's adjacent words are also looked up as one word, and a query's word as two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice

from tantivy import Searcher

from retrieval_service.adapters.common_rows import Terms
from retrieval_service.adapters.english import STOP_WORDS, word_analyzer
from retrieval_service.adapters.spellings import close_line_ends, join_compound, separate_letters

LONGEST = 12
"""Words. In a longer text only hyphenated compounds have other spellings."""

LONGEST_RANKED = 4
"""Words. A longer query is ranked by its words as they are written and by its hyphenated compounds."""

WEIGHT = 0.5
"""Weight of another spelling in a ranking: it is rarer than what it stands for, and may mean something else."""

_FEW_PAPERS = 100  # a word that more papers have needs no other spelling to find papers to rank
_MOST_WAYS = 16
_SHORTEST_PART = 3  # letters: "no table" is not "notable"
# The rarer part of an open compound may have so many papers: its phrase is searched for beside the query.
_MOST_PAPERS = 20_000
_WORDS_KEPT = 20_000
_FIELDS = ("title", "abstract")
# How ä, ö and ü are written without their marks; not in "Michael", "values" or in short words such as "poet".
_DIGRAPH = re.compile(r"(?<![aeiouq])(?:([ao])e(?!l$)|(u)e(?=[^\W\daeiouy]{2}))", re.IGNORECASE)
_SHORTEST_WITH_DIGRAPH = 6
# Function words that compounds such as "few-shot" begin or end with; "has ten" is not "hasten".
_IN_COMPOUNDS = frozenset("after back down few many off on one out over through under up".split())
_NOT_IN_COMPOUNDS = frozenset(STOP_WORDS) - _IN_COMPOUNDS


class CompoundSpellings:
    """Finds other spellings of the words of a query."""

    def __init__(self, searcher: Searcher) -> None:
        """Take an opened index."""
        self._searcher = searcher
        self._words = word_analyzer()
        self.splits = lru_cache(_WORDS_KEPT)(self._splits)

    def phrases(self, text: str) -> list[Terms]:
        """Return the phrases that mean the same as a plain text, the one as written first; none if it has no term."""
        phrases = {self._terms(separate_letters(text)): None}
        words = close_line_ends(text.split())
        if len(words) <= LONGEST:
            phrases |= {self._terms(separate_letters(way)): None for way in islice(self._ways(words), _MOST_WAYS)}
        elif "-" in text:
            phrases[self._terms(separate_letters(" ".join(map(join_compound, words))))] = None
        return [terms for terms in phrases if terms]

    def joined_pairs(self, text: str) -> list[str]:
        """Return adjacent words of a short plain text as one word, where the index has it as often as the rarer one."""
        words = _words_of_short(text)
        return [
            word
            for at in range(len(words) - 1)
            if (word := self._pair(words, at)) and self._papers(word) >= min(map(self._papers, words[at : at + 2]))
        ]

    def open_phrases(self, text: str) -> list[Terms]:
        """Return the two words of each rare word of a short plain text that may be written apart."""
        rare = [word for word in dict.fromkeys(_words_of_short(text)) if self._papers(word) < _FEW_PAPERS]
        return [self._terms(way) for word in rare for way in self.splits(word)]

    def _ways(self, words: Sequence[str]) -> Iterator[str]:
        """Yield the spellings of some words."""
        steps = [[(at + 1, words[at]), *self._steps(words, at)] for at in range(len(words))]

        def walk(at: int) -> Iterator[tuple[str, ...]]:
            if at == len(words):
                yield ()
            else:
                for end, spelling in steps[at]:
                    yield from ((spelling, *rest) for rest in walk(end))

        return (" ".join(way) for way in walk(0))

    def _steps(self, words: Sequence[str], at: int) -> Iterator[tuple[int, str]]:
        """Yield other spellings of a word, or of it and the next one, each with the place of the word behind."""
        word = words[at]
        if "-" in word:
            parts = word.split("-")
            joined = [join_compound(word)] if len(parts) > 2 else []
            joined += ["-".join([*parts[:n], parts[n] + parts[n + 1], *parts[n + 2 :]]) for n in range(len(parts) - 1)]
            yield from ((at + 1, way) for way in joined[:LONGEST] if all(map(self._is_known, way.split("-"))))
        yield from ((at + 1, way) for way in self.splits(word))
        if pair := self._pair(words, at):
            yield at + 2, pair
        if len(word) >= _SHORTEST_WITH_DIGRAPH and "e" in word:
            folded = _DIGRAPH.sub(lambda found: found[1] or found[2], word)
            if folded != word and self._is_known(folded):
                yield at + 1, folded

    def _pair(self, words: Sequence[str], at: int) -> str | None:
        pair = words[at : at + 2]
        if len(pair) < 2 or not all(word.isalnum() and word.lower() not in _NOT_IN_COMPOUNDS for word in pair):
            return None
        joined = "".join(pair)
        return joined if not joined.isdecimal() and self._is_known(joined) else None

    def _splits(self, word: str) -> tuple[str, ...]:
        """Return the ways to write a word as two words that the index has, one of which is not common."""
        if not word.isalpha() or len(word) > 40:
            return ()
        ways = ((word[:at], word[at:]) for at in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1))
        return tuple(
            f"{first} {second}"
            for first, second in ways
            if first.lower() not in _NOT_IN_COMPOUNDS
            and second.lower() not in _NOT_IN_COMPOUNDS
            and (papers := self._papers(first))
            and (others := self._papers(second))
            and min(papers, others) <= _MOST_PAPERS
        )

    def _is_known(self, word: str) -> bool:
        return self._papers(word) > 0

    def _papers(self, word: str) -> int:
        """Return the number of papers that have a word in one of the fields."""
        terms = self._words.analyze(word)
        return max(self._searcher.doc_freq(field, terms[0]) for field in _FIELDS) if len(terms) == 1 else 0

    def _terms(self, text: str) -> Terms:
        tokens = self._words.pre_tokenize(text).tokens
        return tuple((token.position - tokens[0].position, token.text) for token in tokens)


def _words_of_short(text: str) -> list[str]:
    words = text.split(None, LONGEST_RANKED)
    return words if len(words) <= LONGEST_RANKED else []
