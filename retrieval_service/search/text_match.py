"""Sort the best papers anew by the words of the query that their texts have, alone and next to each other.

Pairs of adjacent words are the ordered part of the sequential dependence model (Metzler and Croft 2005, "A Markov
Random Field Model for Term Dependencies"). Words and pairs count by their inverse frequency in the best papers, not in
the corpus, so that they tell these papers apart. The texts are read from the catalogue: no index is searched again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np

from retrieval_service.search.fusion import FusedRanking, Shares

TEXT_WEIGHT = 0.4
"""Weight of the texts beside 1 for the fused score."""

READ = 30
"""Best papers whose texts are read. No other paper changes its place."""

_PAIRS = 0.75  # weight of pairs; single words have the rest
_MOST = 40  # words, and pairs, of a long query
_WORD = re.compile(r"[^\W_]+")


def rank_by_texts(
    ranking: FusedRanking, query: str, texts: Callable[[Sequence[int]], Sequence[tuple[str, str]]], weight: float
) -> FusedRanking:
    """Return a ranking whose best papers are sorted anew, by the fused score and the query's words in their texts.

    Args:
        ranking: The fused ranking.
        query: The words of the query.
        texts: Returns title and abstract of some rows.
        weight: Weight of the texts beside 1 for the fused score.
    """
    words = _WORD.findall(query.lower())
    best = min(READ, len(ranking.rows))
    if not (words and best and weight):
        return ranking
    found = [plain_text(*text) for text in texts(ranking.rows[:best].tolist())]
    pairs = shares_of(map(" ".join, pairwise(words)), found)
    scores = ranking.scores.copy()
    scores[:best] += weight * (_PAIRS * pairs + (1 - _PAIRS) * shares_of(words, found))
    order = np.arange(len(scores))
    order[:best] = np.argsort(-scores[:best], kind="stable")
    scores /= 1 + weight
    return FusedRanking(ranking.rows[order], scores[order], ranking.dense[order], ranking.lexical[order])


def plain_text(title: str, abstract: str) -> str:
    """Return a paper's text in which each word begins behind a space; no pair reaches from the title into the rest."""
    return f" {title}\n{abstract}".lower().replace("\n", "\n ").replace("-", " ")


def shares_of(parts: Iterable[str], texts: Sequence[str]) -> Shares:
    """Return the share of some words, or pairs of words, that each plain text has, 0 to 1.

    A part counts by its inverse frequency in these texts, so that "of the" counts little. It may be the beginning of a
    longer word, such as a plural.
    """
    wanted = [f" {part}" for part in dict.fromkeys(parts)][:_MOST]
    if not wanted:
        return np.zeros(len(texts))
    having = np.asarray([[part in text for text in texts] for part in wanted], np.float64)
    information = np.log((len(texts) + 1) / (having.sum(axis=1) + 0.5))
    shares: Shares = information @ having / information.sum()
    return shares
