"""Kinds of search that people do, and the rule by which each makes searches of papers.

To add a kind, add its rule to `KINDS`; docs/evaluation.md describes each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from akin.papers import Paper
from akin.relevance.kinds.citations import citation_searches, read_citations
from akin.relevance.kinds.keywords import keyword_searches
from akin.relevance.kinds.known_item import claim_search, draft_search, question_search, title_search
from akin.relevance.kinds.neighbours import neighbour_searches, related_pairs
from akin.relevance.kinds.search import Pool, Search

__all__ = ["KINDS", "Pool", "Rule", "Search", "read_citations", "related_pairs"]

Rule = Callable[[Pool, int], Iterator[Search]]
"""Makes all searches of a pool of papers; the number is the seed of what it draws."""


def _each(rule: Callable[[Paper], Search | None]) -> Rule:
    def searches(pool: Pool, seed: int) -> Iterator[Search]:
        del seed  # nothing is drawn
        return filter(None, map(rule, pool.papers))

    return searches


KINDS: dict[str, Rule] = {
    "question": _each(question_search),
    "keywords": keyword_searches,
    "title": _each(title_search),
    "claim": _each(claim_search),
    "neighbours": neighbour_searches,
    "draft": _each(draft_search),
    "citations": citation_searches,
}
"""Rule of each kind of search, by the name that settings, reports and folders use."""
