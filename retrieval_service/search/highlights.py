"""Find the words of the query in the texts of results, and the sentence of each abstract that fits best.

Words match as in the lexical index: by the terms that its analysis makes of them. Where an abstract has too few of
them, the sentence whose vector is nearest to the query's is taken.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import translate
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from akin.papers.sentences import sentence_spans
from akin.papers.text.mathematics import mathematics
from retrieval_service.filter import Clause, Field, Filter, clauses_of
from retrieval_service.ports import LexicalIndex, Match, Vectors
from retrieval_service.search.answer import Highlights, SearchResult
from retrieval_service.search.feedback import feedback_text
from retrieval_service.search.planner import SearchPlan
from retrieval_service.search.reasons import in_words
from retrieval_service.search.sentences import Sentence

MOST_SENTENCES = 64
"""Sentences of one page that are embedded: a batch of the encoder."""

_MOST_TERMS = 12  # of a long query that are shown; more would mark most of a text
_MOST_OF_ABSTRACT = 16  # sentences that are embedded
_LONGEST = 1_000  # characters of a sentence that are embedded
_WORD = re.compile(r"[^\W_]+(?:[-\u2010-\u2013][^\W_]+)*")
_PART = re.compile(r"[^\W_]+")
_SIGNS = re.compile(r"([*?])")
_TEXT_FIELDS = frozenset({Field.TITLE, Field.ABSTRACT, Field.ANYWHERE})
_PATTERN_WEIGHT = 1.0
_STEPS = 1 << 20

Span = tuple[int, int]


class QueryWords:
    """The words of a query, to be found in texts.

    Attributes:
        weights: What each of its terms adds to a score.
        information: Their sum.
    """

    def __init__(self, weights: Mapping[str, float], lexical: LexicalIndex, patterns: Sequence[str] = ()) -> None:
        """Take the terms with their weights, the index whose analysis finds them, and words with `*` and `?`."""
        self._lexical = lexical
        patterns = ["".join(map(self._plain, _SIGNS.split(pattern))) for pattern in patterns]
        # In whole steps, sums are exact: sentences with the same words are equal, in whatever order they have them.
        self.weights = {term: round(weight * _STEPS) / _STEPS for term, weight in weights.items()}
        self.weights |= dict.fromkeys(patterns, _PATTERN_WEIGHT)
        self.information = sum(self.weights.values())
        self._patterns = {pattern: _expression(pattern) for pattern in patterns}
        self._known: dict[str, str | None] = {}

    @classmethod
    def of(cls, plan: SearchPlan, lexical: LexicalIndex) -> QueryWords:
        """Return the words of a plan: those that rank papers, and those that a paper must have."""
        required = list(_required(plan.admitted)) if plan.admitted else []
        against = ("", 0.0)
        text = plan.words or ""
        if plan.words is None:
            text, against = feedback_text(plan.like, plan.unlike)
        words = " ".join(chain([text], *(map(str, clause.values) for clause in required if not clause.pattern)))
        terms = lexical.informative_terms(words, against=against)
        patterns = [str(value) for clause in required if clause.pattern for value in clause.values]
        return cls(dict(list(terms.items())[:_MOST_TERMS]), lexical, patterns)

    def find(self, texts: Sequence[str]) -> list[list[Match]]:
        """Return the places of the words in each text, outside of its formulas."""
        if not self.weights:
            return [[] for _ in texts]
        return list(map(self._admitted, texts, self._lexical.find_terms(texts, self.weights)))

    def _admitted(self, text: str, found: list[Match]) -> list[Match]:
        """Return the places in a text with those of patterns, and without those in formulas."""
        if self._patterns:
            known = {one.start for one in found}
            found += [one for one in self._find_patterns(text) if one.start not in known]
            found.sort()
        if found and ("$" in text or "\\" in text):
            formulas = mathematics(text)
            found = [one for one in found if not _cuts(formulas, one.start, one.end)]
        return found

    def _find_patterns(self, text: str) -> Iterator[Match]:
        """Yield the places of words that a pattern matches: a compound as one word, else its parts."""
        for place in _WORD.finditer(text):
            parts = list(_PART.finditer(place[0]))
            if len(parts) > 1 and (pattern := self._pattern("".join(part[0] for part in parts))):
                yield Match(place.start(), place.end(), pattern)
                continue
            for part in parts:
                if pattern := self._pattern(part[0]):
                    yield Match(place.start() + part.start(), place.start() + part.end(), pattern)

    def _pattern(self, word: str) -> str | None:
        """Return the pattern that matches a word."""
        if word not in self._known:
            plain = self._plain(word)
            matching = (pattern for pattern, found in self._patterns.items() if found.fullmatch(plain))
            self._known[word] = next(matching, None)
        return self._known[word]

    def _plain(self, word: str) -> str:
        return word if word in ("*", "?") else self._lexical.plain_word(word)


class Marked(NamedTuple):
    """The places in a result, before its sentence and its reason are known.

    Attributes:
        title: Words of the query in the title.
        abstract: Words of the query in the abstract.
        sentences: The sentences of the abstract.
        best: The sentence with the most information by its words; None if no word is in the abstract.
        share: The share of the query's information that this sentence has.
    """

    title: list[Match]
    abstract: list[Match]
    sentences: list[Span]
    best: Span | None
    share: float

    def highlights(self, sentence: Span | None, why: Sequence[Sentence]) -> Highlights:
        """Return the answer's form of the places."""
        title, abstract = ([(one.start, one.end) for one in _apart(part)] for part in (self.title, self.abstract))
        coded = [part.coded() for part in why]
        return Highlights(title=title, abstract=abstract, sentence=sentence, why=in_words(why), coded_why=coded)


def mark(results: Sequence[SearchResult], words: QueryWords) -> list[Marked]:
    """Return the places of a query's words in results, and the sentence of each that has the most of them."""
    places = words.find([text for result in results for text in (result.title, result.abstract)])
    return [
        _marked(result.abstract, title, abstract, words)
        for result, title, abstract in zip(results, places[::2], places[1::2], strict=True)
    ]


def _marked(text: str, title: list[Match], abstract: list[Match], words: QueryWords) -> Marked:
    sentences = sentence_spans(text)
    best, greatest, at, information = None, 0.0, 0, 0.0
    counted: set[str] = set()
    for start, _, term in abstract:
        # Matches and sentences are in the order of the text, and no match is between two sentences.
        if start >= sentences[at][1]:
            information = 0.0
            counted.clear()
            while start >= sentences[at][1]:
                at += 1
        if term not in counted:
            counted.add(term)
            information += words.weights[term]
            if information > greatest:
                best, greatest = sentences[at], information
    share = greatest / words.information if greatest else 0.0
    return Marked(title, abstract, sentences, best, share)


def nearest_sentences(vector: Vectors, vectors: Vectors, counts: Sequence[int]) -> list[int]:
    """Return the number of the nearest sentence of each abstract.

    Args:
        vector: The query's unit vector.
        vectors: Unit vectors of all sentences, those of one abstract behind those of the other.
        counts: The number of sentences of each abstract.
    """
    near = vectors @ vector
    return [int(np.argmax(part)) for part in np.split(near, np.cumsum(counts)[:-1])]


def sentences_to_embed(result: SearchResult, marked: Marked) -> list[str]:
    """Return the sentences of an abstract that are compared with the query, at most a number of them."""
    return [result.abstract[start:end][:_LONGEST] for start, end in marked.sentences[:_MOST_OF_ABSTRACT]]


def _apart(matches: Sequence[Match]) -> Iterator[Match]:
    """Yield the matches with those together that overlap."""
    last: Match | None = None
    for one in matches:
        if last is not None and one.start < last.end:
            last = last._replace(end=max(last.end, one.end))
            continue
        if last is not None:
            yield last
        last = one
    if last is not None:
        yield last


def _required(admitted: Filter) -> Iterator[Clause]:
    """Yield the conditions on words of title or abstract that papers meet."""
    for clause in (inner for part in (*admitted.clauses, *admitted.joined) for inner in clauses_of(part)):
        if clause.field in _TEXT_FIELDS and not clause.excluded:
            yield clause


def _cuts(formulas: Sequence[Span], start: int, end: int) -> bool:
    """Return True if a place overlaps with one of a text's formulas that is not all in it."""
    at = bisect_right(formulas, start, key=itemgetter(1))
    while at < len(formulas) and formulas[at][0] < end:
        if formulas[at][0] < start or formulas[at][1] > end:
            return True
        at += 1
    return False


def _expression(pattern: str) -> re.Pattern[str]:
    # The standard library's expression takes time in proportion to the word, with any number of signs.
    return re.compile(translate(pattern.replace("[", "[[]")))
