"""Measure recall and time of an index against exact search; find the smallest nprobe that reaches the target."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from akin.indexing.faiss_recipe import Recipe
from akin.indexing.faiss_writer import VectorsOf, chunks
from akin.papers import Paper
from akin.papers.reservoir import Reservoir
from retrieval_service.adapters.faiss_index import FaissIndex, one_thread
from retrieval_service.corpus.manifest import CurvePoint
from retrieval_service.errors import SnapshotError
from retrieval_service.ports import DEPTHS, Encoder, Rows, VectorIndex, Vectors

NEAREST = 10
TUNING_QUERIES = 256
TITLES = "titles of papers, each without its own paper"
BEGINNINGS = "beginnings of abstracts, each without its own paper"
_ENOUGH_TITLES = 64
# Limits for a query made from an abstract: characters read, most words, fewest words of a sentence.
_READ, _WORDS, _FEWEST_WORDS = 2000, 16, 4
_ROUNDS = 2
# The curve ends when four more steps have added less than this.
_NO_GAIN, _STEPS_WITHOUT_GAIN = 0.001, 4


@dataclass(frozen=True)
class Queries:
    """Queries to measure recall with.

    Attributes:
        vectors: float32 [n, dim].
        own: int64 [n], the row that each query was taken from, or -1. This row is left out of the truth and of the
            results, as if the paper were not in the corpus.
        truth: int64 [n, ≤ 10], the rows that exact search finds.
    """

    vectors: Vectors
    own: Rows
    truth: Rows

    def first(self, count: int) -> Queries:
        """Return the first queries."""
        return Queries(self.vectors[:count], self.own[:count], self.truth[:count])


class QuerySample:
    """Random sample of papers from a stream, used as queries: every paper has the same chance.

    A paper's query is its title. If too few papers have a title, the first words of other papers' abstracts are added.
    """

    def __init__(self, size: int = TUNING_QUERIES) -> None:
        """Take the number of queries."""
        self._size = size
        self._titles: Reservoir[tuple[str, int]] = Reservoir(size, seed=1)
        self._beginnings: Reservoir[tuple[str, int]] = Reservoir(size, seed=2)

    def offer(self, first_row: int, papers: Iterable[Paper]) -> None:
        """Offer the papers of consecutive rows to the sample."""
        for row, paper in enumerate(papers, first_row):
            if title := paper.title.strip():
                self._titles.offer((title, row))
            elif beginning := first_sentence(paper.abstract):
                self._beginnings.offer((beginning, row))

    @classmethod
    def draw(
        cls, fetch: Callable[[Sequence[int]], list[Paper]], papers: int, size: int = TUNING_QUERIES
    ) -> QuerySample:
        """Return a sample of a corpus whose papers can be fetched by row."""
        sample = cls(size)
        for row in np.sort(np.random.default_rng(1).choice(papers, min(papers, size), replace=False)).tolist():
            sample.offer(row, fetch([row]))
        return sample

    @property
    def texts(self) -> list[str]:
        """The queries."""
        return [text for text, _ in self._items]

    @property
    def rows(self) -> Rows:
        """The row of each query's paper."""
        return np.asarray([row for _, row in self._items], np.int64)

    @property
    def description(self) -> str:
        """Description of the queries, for the manifest."""
        beginnings = len(self._items) - len(self._titles.items)
        if not beginnings:
            return TITLES
        if not self._titles.items:
            return BEGINNINGS
        return f"{len(self._titles.items):,} {TITLES}, and {beginnings:,} {BEGINNINGS}"

    @property
    def _items(self) -> list[tuple[str, int]]:
        titles = self._titles.items
        if len(titles) >= min(_ENOUGH_TITLES, self._size):
            return titles
        return titles + self._beginnings.items[: self._size - len(titles)]


def first_sentence(abstract: str) -> str:
    """Return the first sentence of an abstract, but no more words than a long title has."""
    words = abstract[:_READ].split()[:_WORDS]
    ends = (place for place, word in enumerate(words, 1) if place >= _FEWEST_WORDS and word.endswith((".", "!", "?")))
    return " ".join(words[: next(ends, len(words))])


async def embed_queries(encoder: Encoder, texts: Sequence[str], own: Rows, papers: int, corpus: VectorsOf) -> Queries:
    """Return queries of these texts, with the rows that exact search finds for them.

    Raises:
        SnapshotError: there are no texts.
    """
    if not texts:
        raise SnapshotError(
            "No paper has a title or an abstract to tune the index with: give queries (--queries FILE)."
        )
    # In bulk: the encoder gives single queries a short deadline, and this is the last step of a build that may have
    # taken hours. It must not fail because the encoder is busy.
    vectors = (await encoder.embed_passages(texts, "query")).vectors
    return await asyncio.to_thread(exact_nearest, vectors, own, papers, corpus)


def exact_nearest(vectors: Vectors, own: Rows, papers: int, corpus: VectorsOf) -> Queries:
    """Return queries with the rows that exact search over the whole corpus finds for them.

    Args:
        vectors: vectors of the queries, float32 [n, dim].
        own: the row that each query was taken from, or -1.
        papers: size of the corpus.
        corpus: returns the vectors of some rows.
    """
    count = len(vectors)
    k = min(NEAREST, papers)
    best_scores = np.full((count, k), -np.inf, np.float32)
    best_rows = np.full((count, k), -1, np.int64)
    for rows in chunks(np.arange(papers)):
        scores = vectors @ corpus(rows).T
        mine = np.flatnonzero((own >= rows[0]) & (own <= rows[-1]))
        scores[mine, own[mine] - rows[0]] = -np.inf
        scores = np.concatenate([best_scores, scores], axis=1)
        found = np.concatenate([best_rows, np.broadcast_to(rows, (count, len(rows)))], axis=1)
        keep = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        best_scores, best_rows = np.take_along_axis(scores, keep, 1), np.take_along_axis(found, keep, 1)
    return Queries(vectors, own, np.where(np.isneginf(best_scores), -1, best_rows))


def measure(index: VectorIndex, queries: Queries) -> tuple[float, float]:
    """Return the recall@10 and the milliseconds per query on one thread, the better of two rounds."""
    # As deep as the service searches: the depth decides how many candidates are refined.
    depth = min(DEPTHS[0], len(index))
    with one_thread():
        ms = []
        for _ in range(_ROUNDS):
            started = perf_counter()
            found = [index.search(query, depth).rows[: NEAREST + 1] for query in queries.vectors]
            ms.append((perf_counter() - started) / len(found) * 1000)
    shares = []
    for own, truth, rows in zip(queries.own, queries.truth, found, strict=True):
        sought = set(truth[truth >= 0].tolist())
        if sought:
            got = set(rows[rows != own][:NEAREST].tolist())
            missing, others = sorted(sought - got), sorted(got - sought)
            shares.append((len(sought) - len(missing) + _equals(index, missing, others)) / len(sought))
    return round(float(np.mean(shares)), 4) if shares else 1.0, round(min(ms), 3)


def _equals(index: VectorIndex, missing: list[int], others: list[int]) -> int:
    """Return the number of missing rows in whose place a row with an equal vector was found: ties have no order."""
    if not (missing and others):
        return 0
    wanted, have = (Counter(vector.tobytes() for vector in index.vectors(some)) for some in (missing, others))
    return (wanted & have).total()


def measure_curve(index: Any, recipe: Recipe, queries: Queries, target: float) -> list[CurvePoint]:
    """Return the points from the narrowest search to the first that meets the target.

    If none meets it, the last point is the widest search, or the one after which wider ones found no more.

    Args:
        index: built by the recipe; not exact.
        recipe: the recipe.
        queries: the queries.
        target: the recall@10 to meet.
    """
    curve: list[CurvePoint] = []
    widest = recipe.nlist or min(2048, int(index.ntotal))
    nprobe = 1 if recipe.nlist else min(16, widest)
    while True:
        recall, ms = measure(FaissIndex(index, nprobe=nprobe, k_factor=recipe.k_factor), queries)
        curve.append(CurvePoint(nprobe, recall, ms, k_factor=recipe.k_factor))
        if recall >= target or nprobe >= widest or _is_level(curve, nprobe, widest):
            return curve
        nprobe = min(widest, nprobe + max(1, nprobe // 2))


def _is_level(curve: list[CurvePoint], nprobe: int, widest: int) -> bool:
    if len(curve) <= _STEPS_WITHOUT_GAIN or nprobe * 4 < widest**0.5:
        return False
    return curve[-1].recall_at_10 - curve[-1 - _STEPS_WITHOUT_GAIN].recall_at_10 < _NO_GAIN
