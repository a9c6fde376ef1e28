"""Add to results where they have the words of the query, their best sentence, and why they were found."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from retrieval_service.deadline import seconds_left
from retrieval_service.errors import Unavailable
from retrieval_service.ports import Corpus, Vectors
from retrieval_service.search.answer import SearchResult
from retrieval_service.search.highlights import (
    MOST_SENTENCES,
    Marked,
    Span,
    nearest_sentences,
    sentences_to_embed,
)
from retrieval_service.search.planner import SearchPlan
from retrieval_service.search.ranking import Ranking
from retrieval_service.search.reasons import Half, reason

_ENOUGH_OF_DENSE = 1 / 3
"""Share of the query's information above which words choose the sentence in a search by vectors alone."""

_SECONDS, _SHARE = 0.25, 0.5  # longest wait for the vectors of sentences, and its share of the time that is left


class Found(NamedTuple):
    """Rows of some results, and the rankings that they are from; a ranking is None if there was none."""

    rows: Sequence[int]
    dense: Ranking | None
    lexical: Ranking | None


async def explain(
    results: Sequence[SearchResult],
    marked: Sequence[Marked],
    found: Found,
    plan: SearchPlan,
    corpus: Corpus,
    vector: Vectors | None,
) -> None:
    """Add highlights to results.

    Args:
        results: The results of a page.
        marked: The places of the query's words in them.
        found: Where they were found.
        plan: The plan of the search.
        corpus: The corpus that was searched.
        vector: The query's unit vector; without it, sentences are chosen by words alone.
    """
    sentences: list[Span | None] = [one.best for one in marked]
    if vector is not None:
        # Vectors of sentences cost more than the search itself, so that a hybrid search uses words where there are any.
        enough = _ENOUGH_OF_DENSE if found.lexical is None else 0.0
        for at, nearest in (await _nearest(results, marked, enough, vector, corpus)).items():
            sentences[at] = nearest
    dense = _half(found.dense, found.rows)
    by_words = _half(found.lexical if plan.words is None or plan.words.strip() else None, found.rows)
    for result, one, sentence, near, worded in zip(results, marked, sentences, dense, by_words, strict=True):
        why = reason(
            (result.title, one.title),
            (result.abstract, one.abstract),
            near,
            worded,
            like=bool(plan.like),
            reranked="reranker" in result.sources,
        )
        result.highlights = one.highlights(sentence, why)


async def _nearest(
    results: Sequence[SearchResult], marked: Sequence[Marked], enough: float, vector: Vectors, corpus: Corpus
) -> dict[int, Span]:
    """Return the nearest sentences of abstracts with too few of the query's words, by the number of the result.

    No sentence is returned if the encoder is too slow or away.
    """
    texts: dict[int, list[str]] = {}
    for at, (result, one) in enumerate(zip(results, marked, strict=True)):
        if one.share <= enough and (sentences := sentences_to_embed(result, one)):
            if sum(map(len, texts.values())) + len(sentences) > MOST_SENTENCES:
                break
            texts[at] = sentences
    if not texts:
        return {}
    try:
        async with asyncio.timeout(min(_SECONDS, _SHARE * seconds_left())):
            vectors = await corpus.embed_sentences([text for some in texts.values() for text in some])
    except (Unavailable, TimeoutError):
        return {}
    nearest = nearest_sentences(vector, vectors, list(map(len, texts.values())))
    return {at: marked[at].sentences[number] for at, number in zip(texts, nearest, strict=True)}


def _half(ranking: Ranking | None, rows: Sequence[int]) -> list[Half | None]:
    """Return the place of each row in a ranking."""
    if ranking is None or not len(ranking.hits.rows):
        return [None] * len(rows)
    found = ranking.hits.rows == np.asarray(rows, np.int64)[:, None]
    places = zip(found.any(axis=1).tolist(), found.argmax(axis=1).tolist(), strict=True)
    return [Half(ranking.hits, place) if is_there else None for is_there, place in places]
