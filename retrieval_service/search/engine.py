"""The search itself: both halves side by side, joined, and the papers fetched."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from math import isnan
from time import perf_counter
from typing import Protocol

import numpy as np

from retrieval_service.deadline import check_deadline
from retrieval_service.errors import DeadlineExceeded, Unavailable
from retrieval_service.ports import (
    DEPTHS,
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
from retrieval_service.search.filters import admitted_rows
from retrieval_service.search.fusion import EVEN, Fused, Fusion, alone, appended, fuse
from retrieval_service.search.planner import Plan, plan, reads_corpus
from retrieval_service.search.ranking import Half
from retrieval_service.search.request import Mode, Ranked, SearchOutcome, SearchRequest, Timings
from retrieval_service.threads import Job, Result


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
        self.dense: Half | None = None
        self.lexical: Half | None = None
        self.ranking: Fused | None = None
        self.ranked_to = 0
        self.results: list[Ranked] | None = None

    async def run(self) -> SearchOutcome:
        started = perf_counter()
        # Plain words are planned in microseconds, less than changing threads takes.
        planned, within = await self._start(self._plan).result() if reads_corpus(self.request) else self._plan()
        searched = len(self.corpus.catalogue) if within is None else within.count
        results = await self._results(planned, within) if searched else []
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

    async def _results(self, planned: Plan, within: RowSet | None) -> list[Ranked]:
        """Return the page, cut from a ranking that is made as deep as the page needs."""
        mode = planned.mode
        if mode is not Mode.DENSE:
            self.lexical = Half(partial(self._lexical_hits, planned), planned.given_rows)
        for depth in DEPTHS:
            beside = self._start(self.lexical.reach, depth) if self.lexical and mode is Mode.HYBRID else None
            try:
                if depth == DEPTHS[0] and mode is not Mode.LEXICAL:
                    self.dense = await self._dense_half(planned, within)
                half = self.lexical if mode is Mode.LEXICAL else self.dense
                if half is not None:
                    await self._start(self._reach, half, depth, beside).result()
            except BaseException:
                # A search must be over before its corpus may be closed.
                if beside is not None:
                    await beside.drop()
                raise
            if beside is not None:
                await beside.result()
            if self.ranked_to < depth:
                await self._start(self._rank, depth).result()
            if self.results is not None:
                return self.results
        raise AssertionError("a ranking ends at the last depth")

    def _reach(self, half: Half, depth: int, beside: Job[None] | None) -> None:
        """Search one half; rank as well where the other is ready, as changing threads takes longer than ranking."""
        half.reach(depth)
        if beside is None or beside.done:
            self._rank(depth)

    async def _dense_half(self, planned: Plan, within: RowSet | None) -> Half | None:
        """Return the half that goes by vectors; None where lexical search answers alone."""
        vector = None
        if planned.words is not None:
            started = perf_counter()
            try:
                embedded, encoder = await self.corpus.embed(planned.words)
            except Unavailable as error:
                if planned.mode is Mode.DENSE or isinstance(error, DeadlineExceeded):
                    raise
                self.degraded = f"{error.message} These results come from lexical search alone."
                return None
            self.timings.embed_ms = _since(started)
            vector, self.tokens = embedded.vectors[0], int(embedded.tokens[0])
            self.truncated = encoder.max_length is not None and self.tokens > encoder.max_length

        def search(depth: int) -> Hits:
            started = perf_counter()
            wanted = self._centre(planned) if vector is None else vector
            hits = self.corpus.vectors.search(wanted, depth, within=within, nprobe=self.request.search_effort)
            self.timings.vectors_ms += _since(started)
            return hits

        return Half(search, planned.given_rows)

    def _centre(self, planned: Plan) -> Vectors:
        stored = self.corpus.vectors.vectors
        return direction(stored(planned.like_rows.tolist()), stored(planned.unlike_rows.tolist()))

    def _lexical_hits(self, planned: Plan, depth: int) -> Hits:
        started = perf_counter()
        if planned.words is not None:
            hits = self.corpus.lexical.search(planned.words, depth, admitted=planned.admitted)
        else:
            text, against = wording(planned.like, planned.unlike)
            hits = self.corpus.lexical.search(text, depth, against=against, admitted=planned.admitted)
        self.timings.lexical_ms += _since(started)
        return hits

    def _rank(self, depth: int) -> None:
        """Make the page, unless only a deeper search can tell what is on it."""
        check_deadline()
        self.ranked_to = depth
        if self.dense is not None and self.lexical is not None and depth < min(self.pool, DEPTHS[-1]):
            return
        started = perf_counter()
        if self.dense is not None and self.lexical is not None:
            fused = self.join(self.dense.hits, self.lexical.hits)
        else:
            fused = alone(self.dense.hits if self.dense else None, self.lexical.hits if self.lexical else None)
        self.ranking = fused = fused if self.ranking is None else appended(self.ranking, fused)
        self.timings.fuse_ms += _since(started)
        page = self._page(fused.rows, all(half.ended for half in (self.dense, self.lexical) if half is not None))
        if page is None:
            return
        shown = np.asarray(page.places, np.int64)
        scores = (score[shown].tolist() for score in (fused.scores, fused.dense, fused.lexical))
        columns = zip(page.papers, *scores, page.folded, strict=True)
        self.results = [
            Ranked(paper, score, _known(near), _known(alike), folded) for paper, score, near, alike, folded in columns
        ]

    def _page(self, ranking: Rows, ended: bool) -> duplicates.Page | None:
        first, end = self.request.offset, self.request.offset + self.request.k
        if not ended and len(ranking) < end + duplicates.AHEAD * self.request.collapse:
            return None
        started = perf_counter()
        fetch = self.corpus.catalogue.papers
        page: duplicates.Page | None
        if self.request.collapse and first < len(ranking):
            page = duplicates.page(ranking, first, end, ended=ended, vectors=self.corpus.vectors.vectors, papers=fetch)
        else:
            found = fetch(ranking[first:end].tolist())
            page = duplicates.Page(list(range(first, first + len(found))), found, [()] * len(found))
        self.timings.fetch_ms += _since(started)
        return page

    def _start(self, work: Callable[..., Result], *arguments: object) -> Job[Result]:
        return Job(self.executor, work, *arguments)


def _known(score: float) -> float | None:
    return None if isnan(score) else score


def _since(started: float) -> float:
    return (perf_counter() - started) * 1000
