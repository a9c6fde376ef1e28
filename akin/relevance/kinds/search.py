"""The parts of one search of a test set, and the papers that sets are made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from akin.papers import Paper
from akin.relevance.duplicates import MinHash, group_duplicates
from akin.relevance.kinds.words import content_words, singular

SHORTEST_PASSAGE = 100
"""Characters that remain of an abstract at least after the query was taken out of it."""


@dataclass(frozen=True)
class Search:
    """A query made from a paper, and the passages that answer it.

    Attributes:
        paper: the paper that the query was made from.
        query: text of the query.
        passage: title and text under which this paper is found, without the query; None if the paper is not to be
            found, because the query is its whole abstract.
        related: further papers that answer the query, with their own titles and abstracts.
        unjudged: ids of papers that may answer it too, and that are therefore left out of the corpus.
    """

    paper: Paper
    query: str
    passage: tuple[str, str] | None
    related: tuple[Paper, ...] = ()
    unjudged: tuple[str, ...] = ()


class Pool:
    """Papers that sets are made from and searched in; what several rules need is computed once.

    Attributes:
        papers: the papers, without those that were withdrawn.
        citations: the ids that papers cite, by id; empty if that is not known.
    """

    def __init__(self, papers: Sequence[Paper], citations: Mapping[str, Collection[str]] | None = None) -> None:
        """Take the papers."""
        self.papers = [paper for paper in papers if not paper.withdrawn]
        self.citations = citations or {}

    @cached_property
    def title_words(self) -> list[list[str]]:
        """Content words of each paper's title, in order."""
        return [content_words(paper.title) for paper in self.papers]

    @cached_property
    def title_forms(self) -> list[frozenset[str]]:
        """Content words of each paper's title, without the ends of plurals."""
        return [frozenset(map(singular, words)) for words in self.title_words]

    @cached_property
    def abstract_forms(self) -> list[frozenset[str]]:
        """Content words of each paper's abstract, without the ends of plurals."""
        return [frozenset(map(singular, content_words(paper.abstract))) for paper in self.papers]

    @cached_property
    def title_counts(self) -> Counter[str]:
        """Number of titles that have a word."""
        return Counter(word for words in self.title_words for word in words)

    @cached_property
    def duplicates(self) -> dict[str, int]:
        """Number of the group of near-duplicates of each paper, by the paper's id."""
        minhash = MinHash()
        groups = group_duplicates(minhash.signature(paper) for paper in self.papers)
        return dict(zip((paper.id for paper in self.papers), groups.tolist(), strict=True))
