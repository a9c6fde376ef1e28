"""QuerySource drawn from papers: real words, and never the same text twice while there is another."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence

from loadtests.errors import TooFewQueries
from papers import Paper

LEAST_DISTINCT = 1_000

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z$\\(])")
_LEAST_WORDS = 3
_MOST_WORDS = 10
_LEAST_LONG_WORDS = 40
_ATTEMPTS = 30


class QuerySource:
    """An endless supply of texts to search for, the same for the same seed.

    A short one is a title, a sentence or a few consecutive words of a paper; a long one a whole abstract or, once the
    abstracts have been used, a run of its words. A cache gains nothing: texts do not come twice until no new one can be
    found, and then that is counted.

    Attributes:
        distinct: How many titles, sentences and abstracts there are to draw from.
        drawn: Texts given so far.
        repeated: How many of those had been given before.
    """

    def __init__(self, papers: Sequence[Paper], *, seed: int = 0, used: Iterable[str] = ()) -> None:
        """Looks through the papers.

        Args:
            papers: What to draw from.
            seed: Of the drawing.
            used: Texts that the service has seen already.

        Raises:
            TooFewQueries: They hold fewer than `LEAST_DISTINCT` titles, sentences and abstracts.
        """
        self.distinct = distinct_texts(papers)
        if self.distinct < LEAST_DISTINCT:
            raise TooFewQueries(
                f"{len(papers)} papers hold {self.distinct} different titles, sentences and abstracts, and an honest "
                f"measurement needs {LEAST_DISTINCT:,}: index more papers, or name a file of papers with --queries."
            )
        self.drawn = 0
        self.repeated = 0
        self._random = random.Random(seed)
        self._papers = papers
        self._given = set(used)
        self._abstracts = list(dict.fromkeys(paper.abstract for paper in papers))
        self._random.shuffle(self._abstracts)

    def short(self) -> str:
        """A text as people type or copy it."""
        for _ in range(_ATTEMPTS):
            paper = self._random.choice(self._papers)
            kind = self._random.random()
            if kind < 0.4:
                text = paper.title
            elif kind < 0.7:
                text = self._random.choice(sentences(paper.abstract))
            else:
                text = self._run(f"{paper.title} {paper.abstract}", _LEAST_WORDS, _MOST_WORDS)
            if text not in self._given:
                break
        return self._give(text)

    def long(self) -> str:
        """An abstract as people paste it."""
        while self._abstracts:
            text = self._abstracts.pop()
            if text not in self._given:
                return self._give(text)
        for _ in range(_ATTEMPTS):
            abstract = self._random.choice(self._papers).abstract
            text = self._run(abstract, min(_LEAST_LONG_WORDS, len(abstract.split())), len(abstract))
            if text not in self._given:
                break
        return self._give(text)

    def one_of(self, choices: Sequence[str]) -> str:
        """Draws from anything else, with the same seed."""
        return self._random.choice(choices)

    def chance(self, probability: float) -> bool:
        """Whether something happens that does so with this probability."""
        return self._random.random() < probability

    def _run(self, text: str, least: int, most: int) -> str:
        words = text.split()
        length = self._random.randint(min(least, len(words)), min(most, len(words)))
        start = self._random.randint(0, len(words) - length)
        return " ".join(words[start : start + length])

    def _give(self, text: str) -> str:
        self.drawn += 1
        self.repeated += text in self._given
        self._given.add(text)
        return text


def sentences(abstract: str) -> list[str]:
    """The sentences of an abstract that are long enough to search for; the abstract itself if none is."""
    found = [part for part in _SENTENCE_END.split(abstract) if len(part.split()) >= _LEAST_WORDS]
    return found or [abstract]


def distinct_texts(papers: Iterable[Paper]) -> int:
    """How many different titles, sentences and abstracts papers hold."""
    texts: set[str] = set()
    for paper in papers:
        texts.update((paper.title, paper.abstract), sentences(paper.abstract))
    return len(texts)
