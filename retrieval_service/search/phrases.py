"""Rank papers higher that have adjacent words of the query adjacent as well.

This is the ordered part of the sequential dependence model (Metzler and Croft 2005, "A Markov Random Field Model for
Term Dependencies"). It reads the texts of the best papers only, so that the indexes need no further search.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from retrieval_service.search.fusion import FusedRanking, Shares

PHRASE_WEIGHT = 0.3
"""Weight of the pairs beside 1 for the fused score."""

READ = 30
"""Best papers whose texts are read. No other paper changes its place."""

_MOST_PAIRS = 60  # of a long query
_WORD = re.compile(r"[^\W_]+")


def prefer_phrases(
    ranking: FusedRanking, query: str, texts: Callable[[Sequence[int]], Sequence[tuple[str, str]]], weight: float
) -> FusedRanking:
    """Return a ranking whose best papers are sorted anew, by the fused score and the pairs of the query's words.

    Args:
        ranking: The fused ranking.
        query: The words of the query.
        texts: Returns title and abstract of some rows.
        weight: Weight of the pairs beside 1 for the fused score.
    """
    pairs = list(dict.fromkeys(pairwise(_WORD.findall(query.lower()))))[:_MOST_PAIRS]
    best = min(READ, len(ranking.rows))
    if not (pairs and best and weight):
        return ranking
    scores = ranking.scores.copy()
    scores[:best] += weight * pair_shares(pairs, texts(ranking.rows[:best].tolist()))
    order = np.arange(len(scores))
    order[:best] = np.argsort(-scores[:best], kind="stable")
    scores /= 1 + weight
    return FusedRanking(ranking.rows[order], scores[order], ranking.dense[order], ranking.lexical[order])


def pair_shares(pairs: Sequence[tuple[str, str]], papers: Sequence[tuple[str, str]]) -> Shares:
    """Return the share of the pairs that each paper has in its title or abstract, 0 to 1.

    A pair counts by its inverse frequency in these papers, so that "of the" counts little. The second word may be the
    beginning of a longer one, such as a plural.
    """
    texts = [f" {title}\n {abstract}".lower().replace("-", " ") for title, abstract in papers]
    wanted = [f" {first} {second}" for first, second in pairs]
    having = np.asarray([[pair in text for text in texts] for pair in wanted], np.float64)
    information = np.log((len(papers) + 1) / (having.sum(axis=1) + 0.5))
    shares: Shares = information @ having / information.sum()
    return shares
