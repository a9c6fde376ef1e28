"""Draw queries from papers: real words, and no text twice as long as there is a new one."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from akin.papers import Paper
from akin.papers.sentences import split_sentences
from loadtests.errors import TooFewQueries

LEAST_DISTINCT = 1_000

_LEAST_WORDS = 3
_MOST_WORDS = 10
_LEAST_LONG_WORDS = 40
_ATTEMPTS = 30


class QuerySource:
    """Endless supply of texts to search for, the same for the same seed.

    A short text is a title, a sentence or a few consecutive words of a paper. A long text is a whole abstract or, when
    all abstracts are used, a run of its words. Texts repeat only if no new one is found, so that a cache cannot answer;
    repetitions are counted.

    Attributes:
        distinct: The number of titles, sentences and abstracts to draw from.
        drawn: The number of texts given so far.
        repeated: The number of texts among them that had been given before.
    """

    def __init__(self, papers: Sequence[Paper], *, seed: int = 0, used: Iterable[str] = ()) -> None:
        """Count the texts of the papers.

        Args:
            papers: The papers to draw from.
            seed: The seed of the drawing.
            used: Texts that the service has answered already.

        Raises:
            TooFewQueries: The papers have fewer than `LEAST_DISTINCT` titles, sentences and abstracts.
        """
        self.distinct = distinct_texts(papers)
        if self.distinct < LEAST_DISTINCT:
            raise TooFewQueries(
                f"{len(papers)} papers hold {self.distinct} different titles, sentences and abstracts, and a fair "
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
        """Return a short text, as users type or copy it."""
        for _ in range(_ATTEMPTS):
            paper = self._random.choice(self._papers)
            kind = self._random.random()
            if kind < 0.4:
                text = paper.title
            elif kind < 0.7:
                text = self._random.choice(sentences(paper.abstract))
            else:
                text = self._run(f"{paper.title} {paper.abstract}", _LEAST_WORDS, _MOST_WORDS)
            if text not in self._given and is_plain(text):
                break
        return self._give(text)

    def long(self) -> str:
        """Return a long text, as users paste it."""
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
        """Return one of some values, drawn with the same seed."""
        return self._random.choice(choices)

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
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


def is_plain(text: str) -> bool:
    """Return True if a text has three words of letters, and none that begins an operator or an id of its own."""
    words = text.split()
    letters = sum(word.strip(".,;:!?()'").isalpha() for word in words)
    return letters >= _LEAST_WORDS and not any(word.startswith(("-", '"')) or ":" in word[:-1] for word in words)


def sentences(abstract: str) -> list[str]:
    """Return the sentences of an abstract that are long enough for a query; the abstract if all are too short."""
    found = [part for part in split_sentences(abstract) if len(part.split()) >= _LEAST_WORDS]
    return found or [abstract]


def distinct_texts(papers: Iterable[Paper]) -> int:
    """Return the number of different titles, sentences and abstracts in papers."""
    texts: set[str] = set()
    for paper in papers:
        texts.update((paper.title, paper.abstract), sentences(paper.abstract))
    return len(texts)
