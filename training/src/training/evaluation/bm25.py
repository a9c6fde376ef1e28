"""BM25, what an encoder has to be better than: Lucene's variant and parameters, English stop words and stems."""

from __future__ import annotations

from collections.abc import Sequence

import bm25s
import numpy as np
import Stemmer

from training.evaluation.metrics import Ranking


class Bm25:
    """A lexical system: it ranks texts and has no vectors.

    Attributes:
        k1: how fast repeated terms stop counting; Lucene's default, tuned to no collection.
        b: how much long passages are held back; likewise.
    """

    def __init__(self, k1: float = 1.2, b: float = 0.75) -> None:
        self.k1, self.b = k1, b

    def rank(self, queries: Sequence[str], passages: Sequence[str], depth: int) -> Ranking:
        """The best passages of each query.

        Returns:
            int64 [queries, min(depth, passages)]; -1 where no further passage shares a term with the query.
        """
        depth = min(depth, len(passages))
        index = bm25s.BM25(k1=self.k1, b=self.b, method="lucene")
        index.index(self._terms(passages), show_progress=False)
        positions, scores = index.retrieve(self._terms(queries), k=depth, show_progress=False)
        return np.where(scores > 0, positions, -1).astype(np.int64)

    @staticmethod
    def _terms(texts: Sequence[str]) -> bm25s.tokenization.Tokenized:
        return bm25s.tokenize(list(texts), stopwords="en", stemmer=Stemmer.Stemmer("english"), show_progress=False)
