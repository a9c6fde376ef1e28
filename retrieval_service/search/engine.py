"""The search itself: both halves side by side, joined, and the papers fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from math import isnan
from time import perf_counter
from typing import Protocol, TypeVar

import numpy as np

from papers import passage_text
from retrieval_service.errors import Unavailable
from retrieval_service.ports import Catalogue, Embedded, EncoderIdentity, Hits, LexicalIndex, RowSet, VectorIndex
from retrieval_service.search.fusion import Fusion, alone, fuse
from retrieval_service.search.planner import Plan, plan, reads_catalogue
from retrieval_service.search.request import Mode, Ranked, SearchOutcome, SearchRequest, Timings

_Result = TypeVar("_Result")


class Searchable(Protocol):
    """A corpus and the encoder that belongs to it."""

    @property
    def vectors(self) -> VectorIndex:
        """The vector index."""

    @property
    def lexical(self) -> LexicalIndex:
        """The lexical index."""

    @property
    def catalogue(self) -> Catalogue:
        """The papers."""

    async def embed(self, text: str) -> tuple[Embedded, EncoderIdentity]:
        """The vector of a query, by the encoder that made the corpus's vectors.

        Raises:
            Unavailable: not now; the message says why.
        """


class SearchEngine:
    """Answers search requests over whatever corpus it is given; holds no state of its own."""

    def __init__(self, executor: Executor, fusion: Fusion, pool: int) -> None:
        """Takes where the indexes are searched, how rankings are joined, and how many of each half are."""
        self._executor = executor
        self._fusion = fusion
        self._pool = pool

    async def search(self, corpus: Searchable, request: SearchRequest) -> SearchOutcome:
        """The papers that answer a request.

        Raises:
            RequestError: the request names what there is not.
            Unavailable: it needs the encoder, which is away, and may not be answered without.
        """
        return await _Search(self._executor, self._fusion, self._pool, corpus, request).run()


class _Search:
    """One request on its way."""

    def __init__(
        self, executor: Executor, fusion: Fusion, pool: int, corpus: Searchable, request: SearchRequest
    ) -> None:
        self.executor = executor
        self.fusion = fusion
        self.pool = pool
        self.corpus = corpus
        self.request = request
        self.timings = Timings()
        self.tokens: int | None = None
        self.truncated = False
        self.degraded: str | None = None

    async def run(self) -> SearchOutcome:
        started = perf_counter()
        # Plain words are planned in microseconds, less than changing threads takes.
        planned, within = await self._off_loop(self._plan) if reads_catalogue(self.request) else self._plan()
        searched = len(self.corpus.catalogue) if within is None else within.count
        dense, lexical = await self._halves(planned, within) if searched else (None, None)
        results = await self._off_loop(self._rank, dense, lexical, planned)
        self.timings.total_ms = _since(started)
        return SearchOutcome(
            results=results,
            text=planned.text,
            like=planned.like,
            tokens=self.tokens,
            truncated=self.truncated,
            degraded=self.degraded,
            searched=searched,
            timings=self.timings,
        )

    def _plan(self) -> tuple[Plan, RowSet | None]:
        planned = plan(self.request, self.corpus.catalogue)
        return planned, self.corpus.catalogue.matching(planned.admitted) if planned.admitted else None

    async def _halves(self, planned: Plan, within: RowSet | None) -> tuple[Hits | None, Hits | None]:
        mode = self.request.mode
        # The pages of one search must come from the same pools, so that no paper is on two of them.
        depth = self.request.offset + self.request.k
        if mode is Mode.HYBRID:
            depth = max(depth, self.pool)
        depth += len(planned.like_rows)
        lexical = None if mode is Mode.DENSE else self._start(self._lexical, planned, depth)
        dense = None
        try:
            if mode is not Mode.LEXICAL:
                dense = await self._dense(planned, within, depth)
        except Unavailable as error:
            if mode is Mode.DENSE:
                raise
            self.degraded = f"{error.message} These results come from lexical search alone."
        finally:
            # Awaited whatever happens: a search must be over before its corpus may be closed.
            found = await lexical if lexical is not None else None
        return dense, found

    async def _dense(self, planned: Plan, within: RowSet | None, depth: int) -> Hits:
        vector = None
        if planned.text is not None:
            started = perf_counter()
            embedded, encoder = await self.corpus.embed(planned.text)
            self.timings.embed_ms = _since(started)
            vector, self.tokens = embedded.vectors[0], int(embedded.tokens[0])
            self.truncated = encoder.max_length is not None and self.tokens > encoder.max_length

        def search() -> Hits:
            started = perf_counter()
            wanted = self._centre(planned) if vector is None else vector
            hits = self.corpus.vectors.search(wanted, depth, within=within, nprobe=self.request.nprobe)
            self.timings.vectors_ms = _since(started)
            return _without(hits, planned)

        return await self._off_loop(search)

    def _centre(self, planned: Plan) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """Where the papers to search by lie: the mean of their stored vectors, of unit length."""
        mean = self.corpus.vectors.vectors(planned.like_rows.tolist()).mean(axis=0)
        centre: np.ndarray[tuple[int], np.dtype[np.float32]] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return centre

    def _lexical(self, planned: Plan, depth: int) -> Hits:
        started = perf_counter()
        text = planned.text if planned.text is not None else " ".join(map(passage_text, planned.like))
        hits = self.corpus.lexical.search(text, depth, admitted=planned.admitted)
        self.timings.lexical_ms = _since(started)
        return _without(hits, planned)

    def _rank(self, dense: Hits | None, lexical: Hits | None, planned: Plan) -> list[Ranked]:
        if dense is None and lexical is None:
            return []
        started = perf_counter()
        if dense is not None and lexical is not None:
            fused = fuse(dense, lexical, self.fusion, self.pool)
        else:
            fused = alone(dense, lexical)
        page = slice(self.request.offset, self.request.offset + self.request.k)
        rows, scores, halves = fused.rows[page], fused.scores[page], (fused.dense[page], fused.lexical[page])
        fetching = perf_counter()
        self.timings.fuse_ms = (fetching - started) * 1000
        papers = self.corpus.catalogue.papers(rows.tolist())
        columns = zip(papers, scores.tolist(), *(half.tolist() for half in halves), strict=True)
        ranked = [Ranked(paper, score, _known(near), _known(alike)) for paper, score, near, alike in columns]
        self.timings.fetch_ms = _since(fetching)
        return ranked

    def _start(self, work: Callable[..., _Result], *arguments: object) -> Awaitable[_Result]:
        return asyncio.get_running_loop().run_in_executor(self.executor, work, *arguments)

    async def _off_loop(self, work: Callable[..., _Result], *arguments: object) -> _Result:
        return await self._start(work, *arguments)


def _without(hits: Hits, planned: Plan) -> Hits:
    """The hits but for the papers that were searched by."""
    if not len(planned.like_rows):
        return hits
    others = ~np.isin(hits.rows, planned.like_rows)
    return Hits(hits.rows[others], hits.scores[others])


def _known(score: float) -> float | None:
    return None if isnan(score) else score


def _since(started: float) -> float:
    return (perf_counter() - started) * 1000
