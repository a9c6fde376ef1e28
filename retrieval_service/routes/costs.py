"""Weigh requests for the limit of a client's rate: what a request costs beside a search for ten papers, which is 1.

| part of a request | adds |
| --- | --- |
| results of a search | 1 for each 50 beyond the first |
| papers of an export, of a list, of citations | 1 for each 100 beyond the first |
| papers that a search has reranked | 1 for each 10 |
| nearest sentences | 1 |
| papers that are chased | 1 |
| texts to embed, and documents to rerank | 1 for each 8 beyond the first |
| several searches | what each costs |
| references to resolve | 1 for each 10 beyond the first |
| what a list lacks | 10, and 1 for each 20 of its papers |
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrieval_service.search.request import SearchRequest

PAPERS = 100
"""Papers whose reading counts as one request."""
_RESULTS = 50
_RERANKED = 10
_REFERENCES = 10
_SEARCH_OF_LIST, _LISTED = 10, 20


def search_cost(wanted: SearchRequest, part: int = _RESULTS) -> int:
    """Return what a search costs beyond one request; so many of its results count as one."""
    sentences = wanted.highlight and wanted.nearest_sentences
    return several(wanted.k, part) + ceil(wanted.rerank / _RERANKED) + bool(sentences) + bool(wanted.chase)


def references_cost(count: int) -> int:
    """Return what so many references to resolve cost beyond one request."""
    return several(count, _REFERENCES)


def missing_cost(count: int) -> int:
    """Return what it costs beyond one request to find what a list of so many papers lacks: one job of 0.1 to 0.9 s."""
    return _SEARCH_OF_LIST + count // _LISTED


def several(count: int, part: int) -> int:
    """Return the number of parts beyond the first."""
    return max(0, count - 1) // part
