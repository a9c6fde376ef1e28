"""Put the best results of a search in the order of a reranker, which reads each with the query.

A reranker costs milliseconds a passage, so a request asks for it, the number of results is bounded, and a search never
fails because of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from akin.papers import Paper, passage_text
from retrieval_service.deadline import seconds_left
from retrieval_service.errors import NoReranker
from retrieval_service.ports import Reranker
from retrieval_service.search.ordering import has_order
from retrieval_service.search.parameters import replace_unprintable
from retrieval_service.search.request import SearchRequest
from retrieval_service.search.sentences import Sentence, sentence

_SHARE = 0.5
"""Share of the remaining time that the reranker may take: the answer must still be sent."""

_TOGETHER = 32
"""Texts of a request without a search that are scored in one call."""

_MOST_CHARACTERS = 5_000
"""Characters of a query or a passage that are sent; rerankers read a few hundred tokens."""


class Reranking:
    """The step of a search that reranks."""

    def __init__(self, reranker: Reranker | None, most: int = 50, seconds: float = 2.0, weight: float = 1.0) -> None:
        """Take the reranker if there is one, the most results that it reads, its longest time, and its weight."""
        self._reranker = reranker
        self._weight = weight
        self._most = most
        self._seconds = seconds

    async def is_ready(self) -> bool:
        """Return True if searches can be reranked."""
        return self._reranker is not None and await self._reranker.is_ready()

    async def depth(self, request: SearchRequest, words: str | None) -> tuple[int, tuple[Sentence, ...]]:
        """Return the number of results to rerank for a page, and notes on what was requested and is not done."""
        if has_order(request):
            return 0, (sentence("rerank_other_order"),)
        if words is None or not words.strip():
            return 0, (sentence("rerank_without_words"),)
        if not await self.is_ready():
            return 0, (sentence("rerank_missing"),)
        notes = (sentence("rerank_most", most=self._most),) if request.rerank > self._most else ()
        depth = min(request.rerank, self._most)
        # Pages behind the reranked results are as without a reranker.
        return (depth if request.offset < depth else 0), notes

    async def scores(self, words: str, papers: Sequence[Paper]) -> NDArray[np.float32]:
        """Return the score of each paper, float32 [papers].

        Raises:
            Unavailable: There are no scores in time.
        """
        if self._reranker is None or not papers:
            return np.empty(0, np.float32)
        passages = [_text(passage_text(paper)) or paper.id for paper in papers]
        return await self._reranker.score(_text(words), passages, min(self._seconds, _SHARE * seconds_left()))

    async def score_texts(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the score of each of any number of texts, float32 [texts].

        Raises:
            NoReranker: No reranker is served.
            Unavailable: There are no scores in time.
        """
        if self._reranker is None or not await self._reranker.is_ready():
            raise NoReranker(
                "This service has no reranker. docs/reranker.md says how to train one or to export one; "
                "`akin reranker promote` serves it.",
                {"command": "akin reranker promote"},
            )
        # Short calls, so that a search which is reranked meanwhile waits for one of them only.
        parts = [
            await self._reranker.score(_text(query), list(map(_text, texts[at : at + _TOGETHER])), seconds_left())
            for at in range(0, len(texts), _TOGETHER)
        ]
        return np.concatenate(parts)

    def order(self, scores: NDArray[np.float32], searched: Sequence[float]) -> list[int]:
        """Return the places of results in their new order, from their scores by the reranker and by the search.

        Both are scaled to 0 for the worst of these results and 1 for the best. Equal results keep their order.
        """
        joined = self._weight * _scaled(scores) + (1 - self._weight) * _scaled(searched)
        found: list[int] = np.argsort(-joined, kind="stable").tolist()
        return found


NO_RERANKING = Reranking(None)


def _scaled(scores: Sequence[float] | NDArray[np.float32]) -> NDArray[np.float64]:
    exact = np.asarray(scores, np.float64)
    spread = float(np.ptp(exact)) if len(exact) else 0.0
    return (exact - exact.min()) / spread if spread else np.zeros(len(exact))


def _text(text: str) -> str:
    return replace_unprintable(text[:_MOST_CHARACTERS]).strip()
