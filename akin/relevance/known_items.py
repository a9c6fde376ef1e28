"""Make known-item sets: a part of a paper is the query, and the rest of the paper is the one relevant passage."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from akin.papers import Paper
from akin.papers.reservoir import Reservoir
from akin.papers.sentences import split_sentences
from akin.relevance.collection import CORPUS, QUERIES
from akin.relevance.errors import RelevanceError
from akin.relevance.writing import write_folder, write_judgements, write_lines

FEWEST = 10
_SHORTEST_SENTENCE = 30
_SHORTEST_REST = 100

Parts = tuple[str, str, str]
"""Query, and the passage's title and text."""


def title_and_abstract(paper: Paper) -> Parts | None:
    """Return the title as query and the abstract as passage; None if the paper lacks one of them."""
    return (paper.title, "", paper.abstract) if paper.title and paper.abstract else None


def first_sentence_and_rest(paper: Paper) -> Parts | None:
    """Return the abstract's first sentence as query and title and rest as passage; None for a short abstract."""
    sentences = split_sentences(paper.abstract, cuts=1)
    if len(sentences) < 2 or len(sentences[0]) < _SHORTEST_SENTENCE or len(sentences[1]) < _SHORTEST_REST:
        return None
    return sentences[0], paper.title, sentences[1]


def last_sentence_and_rest(paper: Paper) -> Parts | None:
    """Return the abstract's last sentence as query and title and rest as passage; None for a single sentence."""
    *rest, last = split_sentences(paper.abstract) or [""]
    return (last, paper.title, " ".join(rest)) if rest and paper.title else None


KNOWN_ITEM_KINDS: dict[str, Callable[[Paper], Parts | None]] = {
    "title": title_and_abstract,
    "first_sentence": first_sentence_and_rest,
    "last_sentence": last_sentence_and_rest,
}
"""Kinds of known-item sets: each makes the parts of a paper, or None for a paper that does not fit."""


def write_known_items(
    papers: Iterable[Paper], folder: Path, *, kind: str, most: int, fewest: int = FEWEST, seed: int = 1
) -> int:
    """Write a known-item set in BEIR's layout, either completely or not at all, and return its number of queries.

    A paper with the same query as an earlier paper (an erratum, a "Comment on …") is left out, because either paper
    would be a right answer.

    Args:
        papers: papers; of those that fit the kind, an even sample is taken.
        folder: folder to write; a collection that is already there is replaced.
        kind: a key of `KNOWN_ITEM_KINDS`.
        most: greatest number of queries.
        fewest: least number of queries.
        seed: seed of the sample.

    Raises:
        RelevanceError: The kind does not exist, fewer than `fewest` papers fit it, or the folder cannot be written.
    """
    if kind not in KNOWN_ITEM_KINDS:
        raise RelevanceError(
            f"there is no known-item search by {kind!r}; choose one of: {', '.join(KNOWN_ITEM_KINDS)}."
        )
    sample: Reservoir[tuple[str, Parts]] = Reservoir(most, seed)
    queries: set[str] = set()
    for paper in papers:
        parts = KNOWN_ITEM_KINDS[kind](paper)
        if parts is not None and (query := parts[0].casefold()) not in queries:
            queries.add(query)
            sample.offer((paper.id, parts))
    items = sample.items
    if len(items) < fewest:
        raise RelevanceError(
            f"only {len(items)} papers fit known-item search by {kind}, and it needs {fewest}. Give more papers."
        )

    def write(aside: Path) -> None:
        parts = [(identity, *each) for identity, each in items]
        write_lines(aside / CORPUS, ({"_id": key, "title": title, "text": text} for key, _, title, text in parts))
        write_lines(aside / QUERIES, ({"_id": key, "text": query} for key, query, _, _ in parts))
        write_judgements(aside, {key: {key: 1} for key, *_ in parts})

    write_folder(folder, write)
    return len(items)
