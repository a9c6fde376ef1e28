"""Known items: a part of a paper is the query, the rest of the paper is the passage to find.

Training pairs and known-item searches are made by the same functions, so that training optimises what is measured.
"""

from __future__ import annotations

from collections.abc import Callable

from papers import Paper
from papers.sentences import split_sentences

_SHORTEST_SENTENCE = 30
_SHORTEST_REST = 100

KnownItem = tuple[str, str, str]
"""Query, and title and text of the passage."""


def title_and_abstract(paper: Paper) -> KnownItem | None:
    """Return the title as query and the abstract as passage; None if one of them is empty."""
    return (paper.title, "", paper.abstract) if paper.title and paper.abstract else None


def first_sentence_and_rest(paper: Paper) -> KnownItem | None:
    """Return the first sentence of the abstract as query, the title and the other sentences as passage.

    Returns:
        None if the abstract has one sentence only, or one of the two parts is too short.
    """
    sentences = split_sentences(paper.abstract, cuts=1)
    if len(sentences) < 2 or len(sentences[0]) < _SHORTEST_SENTENCE or len(sentences[1]) < _SHORTEST_REST:
        return None
    return sentences[0], paper.title, sentences[1]


KNOWN_ITEMS: dict[str, Callable[[Paper], KnownItem | None]] = {
    "title": title_and_abstract,
    "first_sentence": first_sentence_and_rest,
}
"""Function that makes a known item of a paper, for each kind of known-item search."""
