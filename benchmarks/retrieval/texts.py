"""Cut millions of real texts out of a hundred thousand papers: titles, abstracts, runs of sentences and of clauses.

The authors' words are not changed. A clause is used alone and once more after its paper's title, like a passage. Most
texts are short, as the time for an embedding grows with its length and 2.5 million are needed from two cores. Papers
that queries come from give no texts.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from akin.papers import Paper, passage_text

RECIPE_VERSION = 1
TEXT_SHARES = {
    "title": 1.0,
    "abstract": 0.1,
    "1 sentence": 1.0,
    "2 sentences": 0.25,
    "3 sentences": 0.08,
    "4 sentences": 0.04,
    "5 sentences": 0.025,
    "1 clause": 1.0,
    "2 clauses": 1.0,
    "3 clauses": 1.0,
    "title and clause": 1.0,
}
"""The share of the texts of each kind that is used; which ones is random."""
HELD_OUT = 2000
"""The number of papers that queries come from."""
QUERY_KINDS = ("title", "title", "1 sentence", "1 sentence", "abstract")
"""Kinds of queries; each entry is equally likely."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z$\\\"(])")
_CLAUSE_END = re.compile(r"(?<=[,;:])\s+|\s+(?=\()|(?<=\))\s+|\s+(?:--|–|—)\s+")
_LEAST_WORDS = 4
_LONGEST_WINDOW = 5


@dataclass(frozen=True, slots=True)
class Text:
    """Text and its origin.

    Attributes:
        kind: A key of `TEXT_SHARES`.
        paper: The id of its paper.
        text: The text, on one line.
    """

    kind: str
    paper: str
    text: str


def cut_texts(papers: Iterable[Paper], count: int, seed: int = 1) -> tuple[list[Text], list[Text]]:
    """Return texts and queries; the same arguments always give the same ones.

    Args:
        papers: The papers, always in the same order.
        count: The number of texts.
        seed: The seed of every random choice.

    Returns:
        `count` distinct texts in random order, so that the first ones are a sample of all (fewer if the papers give
        fewer), and one query for each of `HELD_OUT` papers that gave no text.
    """
    everything = list(papers)
    rng = random.Random(seed)
    held_out = set(rng.sample(range(len(everything)), min(HELD_OUT, len(everything) // 10)))
    texts: list[Text] = []
    queries: list[Text] = []
    seen: set[bytes] = set()
    # Queries first: then a text that a held-out paper shares with another paper is not among the texts.
    for place in sorted(held_out):
        kind = rng.choice(QUERY_KINDS)
        own = [text for text in pieces(everything[place]) if text.kind == kind]
        if own:
            queries.append(rng.choice(own))
        seen.update(digest(text.text) for text in pieces(everything[place]))
    for place, paper in enumerate(everything):
        if place in held_out:
            continue
        for text in pieces(paper):
            if rng.random() >= TEXT_SHARES[text.kind]:
                continue
            if (key := digest(text.text)) not in seen:
                seen.add(key)
                texts.append(text)
    rng.shuffle(texts)
    return texts[:count], queries


def pieces(paper: Paper) -> Iterator[Text]:
    """Yield every text that can be cut from a paper; an abstract of one sentence comes as both kinds."""

    def text(kind: str, words: str) -> Text:
        return Text(kind, paper.id, words)

    if paper.title:
        yield text("title", paper.title)
    if not paper.abstract:
        return
    yield text("abstract", paper.abstract)
    sentences = _SENTENCE_END.split(paper.abstract)
    for size in range(1, _LONGEST_WINDOW + 1):
        kind = f"{size} sentence{'s' if size > 1 else ''}"
        yield from (text(kind, " ".join(window)) for window in _windows(sentences, size))
    for sentence in sentences:
        clauses = split_clauses(sentence)
        for size in (1, 2, 3):
            # All clauses together are the sentence, which is a text already.
            if size < len(clauses):
                kind = f"{size} clause{'s' if size > 1 else ''}"
                yield from (text(kind, " ".join(window)) for window in _windows(clauses, size))
        if paper.title and len(clauses) > 1:
            for clause in clauses:
                yield text("title and clause", passage_text(Paper(id=paper.id, title=paper.title, abstract=clause)))


def split_clauses(sentence: str) -> list[str]:
    """Cut a sentence at commas, semicolons, colons, dashes and brackets, into pieces of at least four words."""
    found: list[str] = []
    for piece in filter(None, _CLAUSE_END.split(sentence)):
        if found and (len(piece.split()) < _LEAST_WORDS or len(found[-1].split()) < _LEAST_WORDS):
            found[-1] = f"{found[-1]} {piece}"
        else:
            found.append(piece)
    return found


def digest(text: str) -> bytes:
    """Return a digest of a text."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()


def _windows(pieces: list[str], size: int) -> Iterator[list[str]]:
    return (pieces[at : at + size] for at in range(len(pieces) - size + 1))
