"""Find the words of the query in the texts of results, and the sentence of each abstract that fits best.

Words match as in the lexical index: by the terms that its analysis makes of them. Where an abstract has too few of
them, the sentence whose vector is nearest to the query's is taken.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import translate
from itertools import chain, pairwise
from operator import attrgetter
from typing import NamedTuple
from unicodedata import combining, normalize

import numpy as np

from akin.papers.sentences import sentence_spans
from akin.papers.text.mathematics import in_formula, mathematics
from retrieval_service.filter import Clause, Field, Filter, clauses_of
from retrieval_service.ports import LexicalIndex, Vectors
from retrieval_service.search.answer import Highlights, SearchResult
from retrieval_service.search.feedback import feedback_text
from retrieval_service.search.planner import SearchPlan

MOST_SENTENCES = 64
"""Sentences of one page that are embedded: a batch of the encoder."""

_MOST_TERMS = 12  # of a long query that are shown; more would mark most of a text
_MOST_OF_ABSTRACT = 16  # sentences that are embedded
_LONGEST = 1_000  # characters of a sentence that are embedded
# A word whose first letter is that of a term, or not of ASCII, with the rest of its compound: the analysis of a word
# keeps its first letter, so that no other word has to be analysed. The letter comes first as that is searched fast.
_WORD = r"[{letters}\x80-\U0010ffff](?<![^\W_].)(?<=[^\W_])[^\W_]*(?:[-\u2010-\u2013][^\W_]+)*"
_PART = re.compile(r"[^\W_]+")
_TEXT_FIELDS = frozenset({Field.TITLE, Field.ABSTRACT, Field.ANYWHERE})
_PATTERN_WEIGHT = 1.0

Span = tuple[int, int]


class Match(NamedTuple):
    """A place in a text, and the term of the query that it has."""

    start: int
    end: int
    term: str


class QueryWords:
    """The words of a query, to be found in texts.

    Attributes:
        weights: What each of its terms adds to a score.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        terms_of: Callable[[str], Sequence[str]],
        patterns: Sequence[str] = (),
    ) -> None:
        """Take the terms with their weights, the analysis of a word, and words with `*` and `?`."""
        patterns = [_without_accents(pattern) for pattern in patterns]
        self.weights = {**weights, **dict.fromkeys(patterns, _PATTERN_WEIGHT)}
        self._terms_of = terms_of
        self._patterns = {pattern: _expression(pattern) for pattern in patterns}
        letters = "".join({letter for term in self.weights for letter in (term[0], term[0].upper())})
        self._word = re.compile(_WORD.format(letters=re.escape(letters)), re.DOTALL)
        self._known: dict[str, tuple[Match, ...]] = {}

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
        return cls(dict(list(terms.items())[:_MOST_TERMS]), lexical.terms_of, patterns)

    def find(self, text: str) -> list[Match]:
        """Return the places of the words in a text, outside of its formulas."""
        if not self.weights:
            return []
        found = []
        for place in self._word.finditer(text):
            word = place[0]
            matches = self._known.get(word)
            if matches is None:
                matches = self._known[word] = tuple(self._match(word))
            if matches:
                at = place.start()
                found += [Match(at + start, at + end, term) for start, end, term in matches]
        if found and ("$" in text or "\\" in text):
            formulas = mathematics(text)
            found = [one for one in found if not in_formula(formulas, one.start, one.end)]
        return found

    def _match(self, word: str) -> Iterator[Match]:
        """Yield the places of terms in a word: all of a compound if it is a term as one word, else its parts."""
        if not word.isalnum():
            parts = list(_PART.finditer(word))
            if term := self._term("".join(part[0] for part in parts)):
                yield Match(0, len(word), term)
            else:
                yield from (one for part in parts for one in self._match_part(part[0], part.start()))
        else:
            yield from self._match_part(word, 0)

    def _match_part(self, word: str, at: int) -> Sequence[Match]:
        """Return the place of a word's term; of a script without spaces, the places of pairs of letters."""
        if term := self._term(word):
            return [Match(at, at + len(word), term)]
        if word.isascii() or len(pairs := self._terms_of(word)) != len(word) - 1:
            return []
        return [Match(at + n, at + n + 2, pair) for n, pair in enumerate(pairs) if pair in self.weights]

    def _term(self, word: str) -> str | None:
        terms = self._terms_of(word)
        if len(terms) == 1 and terms[0] in self.weights:
            return terms[0]
        if not self._patterns:
            return None
        plain = _without_accents(word)
        return next((pattern for pattern, found in self._patterns.items() if found.fullmatch(plain)), None)


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

    def highlights(self, sentence: Span | None, why: str) -> Highlights:
        """Return the answer's form of the places."""
        title, abstract = ([(one.start, one.end) for one in _apart(part)] for part in (self.title, self.abstract))
        return Highlights(title=title, abstract=abstract, sentence=sentence, why=why)


def mark(result: SearchResult, words: QueryWords) -> Marked:
    """Return the places of a query's words in a result, and the sentence that has the most of them."""
    abstract, sentences = words.find(result.abstract), sentence_spans(result.abstract)
    # Matches and sentences are in the order of the text, and no match is between two sentences.
    ends = [bisect_left(abstract, end, key=attrgetter("start")) for _, end in sentences]
    terms = [{one.term for one in abstract[first:last]} for first, last in pairwise([0, *ends])]
    information = [sum(words.weights[term] for term in some) for some in terms]
    greatest = max(information, default=0.0)
    best = sentences[information.index(greatest)] if greatest > 0 else None
    share = greatest / sum(words.weights.values()) if words.weights else 0.0
    return Marked(words.find(result.title), abstract, sentences, best, share)


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


def _without_accents(word: str) -> str:
    """Return a word in small letters without accents, as the index has it."""
    word = word.lower()
    return word if word.isascii() else "".join(sign for sign in normalize("NFKD", word) if not combining(sign))


def _expression(pattern: str) -> re.Pattern[str]:
    # The standard library's expression takes time in proportion to the word, with any number of signs.
    return re.compile(translate(pattern.replace("[", "[[]")))
