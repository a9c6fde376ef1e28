"""The search itself: both halves side by side, joined, and the papers fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import partial
from math import isnan
from time import perf_counter
from typing import Protocol, TypeVar

import numpy as np

from retrieval_service.errors import Unavailable
from retrieval_service.ports import (
    Catalogue,
    Embedded,
    EncoderIdentity,
    Hits,
    LexicalIndex,
    Rows,
    RowSet,
    VectorIndex,
    Vectors,
)
from retrieval_service.search import duplicates
from retrieval_service.search.feedback import direction, wording
from retrieval_service.search.fusion import EVEN, Fused, Fusion, alone, fuse
from retrieval_service.search.narrowing import admitted_rows
from retrieval_service.search.planner import Plan, plan, reads_corpus
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

    def __init__(self, executor: Executor, fusion: Fusion, pool: int, dense_weight: float = EVEN) -> None:
        """Takes where the indexes are searched, and how many of each ranking are joined in which way."""
        self._executor = executor
        self._join = partial(fuse, fusion=fusion, pool=pool, weight=dense_weight)
        self._pool = pool

    async def search(self, corpus: Searchable, request: SearchRequest) -> SearchOutcome:
        """The papers that answer a request.

        Raises:
            RequestError: the request names what there is not.
            Unavailable: it needs the encoder, which is away, and may not be answered without.
        """
        return await _Search(self._executor, self._join, self._pool, corpus, request).run()


class _Search:
    """One request on its way."""

    def __init__(
        self,
        executor: Executor,
        join: Callable[[Hits, Hits], Fused],
        pool: int,
        corpus: Searchable,
        request: SearchRequest,
    ) -> None:
        self.executor = executor
        self.join = join
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
        planned, within = await self._off_loop(self._plan) if reads_corpus(self.request) else self._plan()
        searched = len(self.corpus.catalogue) if within is None else within.count
        dense, lexical = await self._halves(planned, within) if searched else (None, None)
        results = await self._off_loop(self._rank, dense, lexical)
        self.timings.total_ms = _since(started)
        return SearchOutcome(
            results=results,
            mode=planned.mode,
            text=None if planned.like else self.request.text,
            words=planned.words,
            operators=planned.operators,
            like=planned.like,
            unlike=planned.unlike,
            tokens=self.tokens,
            truncated=self.truncated,
            degraded=self.degraded,
            searched=searched,
            timings=self.timings,
        )

    def _plan(self) -> tuple[Plan, RowSet | None]:
        corpus = self.corpus
        planned = plan(self.request, corpus.catalogue)
        if planned.admitted is None:
            return planned, None
        return planned, admitted_rows(planned.admitted, corpus.catalogue, corpus.lexical)

    async def _halves(self, planned: Plan, within: RowSet | None) -> tuple[Hits | None, Hits | None]:
        mode = planned.mode
        # The pages of one search must come from the same pools, so that no paper is on two of them.
        depth = self.request.offset + self.request.k
        if self.request.collapse:
            depth += self.request.k
        if mode is Mode.HYBRID:
            depth = max(depth, self.pool)
        depth += len(planned.given_rows)
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
        if planned.words is not None:
            started = perf_counter()
            embedded, encoder = await self.corpus.embed(planned.words)
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

    def _centre(self, planned: Plan) -> Vectors:
        stored = self.corpus.vectors.vectors
        return direction(stored(planned.like_rows.tolist()), stored(planned.unlike_rows.tolist()))

    def _lexical(self, planned: Plan, depth: int) -> Hits:
        started = perf_counter()
        if planned.words is not None:
            hits = self.corpus.lexical.search(planned.words, depth, admitted=planned.admitted)
        else:
            text, against = wording(planned.like, planned.unlike)
            hits = self.corpus.lexical.search(text, depth, against=against, admitted=planned.admitted)
        self.timings.lexical_ms = _since(started)
        return _without(hits, planned)

    def _rank(self, dense: Hits | None, lexical: Hits | None) -> list[Ranked]:
        if dense is None and lexical is None:
            return []
        started = perf_counter()
        fused = self.join(dense, lexical) if dense is not None and lexical is not None else alone(dense, lexical)
        self.timings.fuse_ms = _since(started)
        page = self._page(fused.rows)
        shown = np.asarray(page.places, np.int64)
        halves = (half[shown].tolist() for half in (fused.scores, fused.dense, fused.lexical))
        columns = zip(page.papers, *halves, page.folded, strict=True)
        return [
            Ranked(paper, score, _known(near), _known(alike), folded) for paper, score, near, alike, folded in columns
        ]

    def _page(self, ranking: Rows) -> duplicates.Page:
        started = perf_counter()
        first, end = self.request.offset, min(self.request.offset + self.request.k, len(ranking))
        fetch = self.corpus.catalogue.papers
        if self.request.collapse and first < end:
            page = duplicates.page(ranking, first, end, vectors=self.corpus.vectors.vectors, papers=fetch)
        else:
            found = fetch(ranking[first:end].tolist())
            page = duplicates.Page(list(range(first, first + len(found))), found, [()] * len(found))
        self.timings.fetch_ms = _since(started)
        return page

    def _start(self, work: Callable[..., _Result], *arguments: object) -> Awaitable[_Result]:
        return asyncio.get_running_loop().run_in_executor(self.executor, work, *arguments)

    async def _off_loop(self, work: Callable[..., _Result], *arguments: object) -> _Result:
        return await self._start(work, *arguments)


def _without(hits: Hits, planned: Plan) -> Hits:
    """The hits but for the papers that were searched by."""
    if not len(planned.given_rows):
        return hits
    others = ~np.isin(hits.rows, planned.given_rows)
    return Hits(hits.rows[others], hits.scores[others])


def _known(score: float) -> float | None:
    return None if isnan(score) else score


def _since(started: float) -> float:
    return (perf_counter() - started) * 1000
