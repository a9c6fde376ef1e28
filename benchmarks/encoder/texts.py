"""Endless supply of texts out of a corpus; no text comes twice, so that no cache can answer."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from akin.papers import Paper, read_papers

SUPPLY_KINDS = ("abstracts", "titles", "queries", "mixed")
_QUERY_WORDS = (3, 9)
_TITLE_WORDS = (6, 14)
# English as BERT's vocabulary cuts it has 1.3 to 1.4 tokens a word.
_MOST_WORDS = 380


def read_complete_papers(path: Path, most: int) -> list[Paper]:
    """Return the first papers of a corpus that have a title and an abstract of 14 words or more."""
    papers: list[Paper] = []
    with read_papers(path) as reader:
        for paper in reader:
            if paper.title and len(paper.abstract.split()) >= _TITLE_WORDS[1]:
                papers.append(paper)
                if len(papers) == most:
                    break
    if not papers:
        raise SystemExit(f"{path} has no paper with a title and an abstract; name another corpus.")
    return papers


class Supply:
    """Texts of four kinds, the same for the same corpus and seed.

    `abstracts` and `titles` are real until the corpus is used up; then an abstract is composed of the first half of one
    paper's and the second half of another's, and a title is a run of words. `queries` are runs of three to nine words
    of a paper. `mixed` are the three in turn.

    Attributes:
        given: The number of texts given so far, by kind.
        composed: The number of composed ones among them; the results contain both numbers.
    """

    def __init__(self, papers: Sequence[Paper], seed: int = 0) -> None:
        """Draw from these papers."""
        self.given: Counter[str] = Counter()
        self.composed: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._papers = list(papers)
        self._random.shuffle(self._papers)
        self._real: dict[str, Iterator[str]] = {
            "abstracts": iter([paper.abstract for paper in self._papers]),
            "titles": iter([paper.title for paper in self._papers]),
        }
        self._seen: set[int] = set()
        self._turn = 0

    def take(self, kind: str, count: int) -> list[str]:
        """Return the next texts of a kind."""
        return [self._next(kind) for _ in range(count)]

    def of_random_length(self, count: int, tokens: int = 512) -> list[str]:
        """Return texts of one word to about `tokens` tokens; all lengths are equally likely."""
        texts = []
        for _ in range(count):
            length = self._random.randint(1, _MOST_WORDS * tokens // 512)
            words: list[str] = []
            while len(words) < length:
                words += self._words()
            start = self._random.randint(0, len(words) - length)
            # Short runs repeat; the number makes each text new.
            texts.append(" ".join([*words[start : start + length], str(self.given["random"])]))
            self.given["random"] += 1
        return texts

    def _next(self, kind: str) -> str:
        if kind == "mixed":
            self._turn += 1
            return self._next(SUPPLY_KINDS[self._turn % 3])
        while True:
            text = next(self._real.get(kind, iter(())), None)
            real = text is not None
            if text is None:
                text = self._compose(kind)
            if hash(text) not in self._seen:
                break
        self._seen.add(hash(text))
        self.given[kind] += 1
        self.composed[kind] += not real and kind != "queries"
        return text

    def _words(self) -> list[str]:
        paper = self._random.choice(self._papers)
        return f"{paper.title}. {paper.abstract}".split()

    def _compose(self, kind: str) -> str:
        if kind == "abstracts":
            first, second = (self._random.choice(self._papers).abstract.split() for _ in range(2))
            cut = self._random.uniform(0.4, 0.6)
            return " ".join(first[: int(len(first) * cut)] + second[int(len(second) * cut) :])
        words = self._words()
        length = self._random.randint(*(_TITLE_WORDS if kind == "titles" else _QUERY_WORDS))
        start = self._random.randint(0, max(0, len(words) - length))
        return " ".join(words[start : start + length])
