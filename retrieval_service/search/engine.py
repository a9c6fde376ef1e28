"""The search itself: search both indexes in parallel, join the rankings, and fetch the papers of the page."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from math import isnan
from time import perf_counter

import numpy as np
from msgspec import UNSET, UnsetType

from akin.edge.tracing import client_span, traced
from akin.papers import Paper
from retrieval_service.deadline import check_deadline
from retrieval_service.errors import Unavailable
from retrieval_service.ports import DEPTHS, Corpus, Hits, Rows, RowSet, Vectors
from retrieval_service.redaction import redact_message
from retrieval_service.search import duplicates, ordering
from retrieval_service.search.answer import (
    ChasedPaper,
    CitationCounts,
    EncoderAnswer,
    FacetsAnswer,
    SearchAnswer,
    SearchResult,
    SortAnswer,
    Suggestion,
    Timings,
    ms_since,
)
from retrieval_service.search.chasing import chase
from retrieval_service.search.cursor import at_cursor, write_cursor
from retrieval_service.search.dense_half import DenseHalf
from retrieval_service.search.explaining import Found, explain
from retrieval_service.search.facets import facets_of_all, facets_of_matches
from retrieval_service.search.feedback import feedback_text
from retrieval_service.search.filters import filter_rows
from retrieval_service.search.fusion import EVEN, FUSIONS, FusedRanking, Fusion, append_deeper, fuse, single_ranking
from retrieval_service.search.highlights import Marked, QueryWords, mark
from retrieval_service.search.planner import SearchPlan, plan_search, reads_corpus
from retrieval_service.search.query_answer import query_answer
from retrieval_service.search.ranking import Ranking
from retrieval_service.search.request import Mode, SearchRequest
from retrieval_service.search.reranking import NO_RERANKING, Reranking
from retrieval_service.search.sentences import Sentence, sentence
from retrieval_service.search.suggestions import suggestions
from retrieval_service.search.text_match import TEXT_WEIGHT, rank_by_texts
from retrieval_service.settings import Settings
from retrieval_service.threads import Job, Result


class SearchEngine:
    """Answers search requests over a corpus; keeps no state between requests."""

    def __init__(
        self,
        executor: Executor,
        fusion: Fusion,
        pool: int,
        dense_weight: float = EVEN,
        text_weight: float = TEXT_WEIGHT,
        reranking: Reranking = NO_RERANKING,
        seed: bytes = b"",
    ) -> None:
        """Take the way of ranking.

        Args:
            executor: Threads that search the indexes.
            fusion: The way of fusing.
            pool: Number of results that are fused.
            dense_weight: Weight of the dense half, 0 to 1.
            text_weight: Weight of the query's words in the texts of the best papers, beside 1 for the fused score.
            reranking: Puts the best results in order on request.
            seed: Identifies the code and the settings that rankings depend on, for cursors.
        """
        self._executor = executor
        self._join = partial(fuse, fusion=fusion, pool=pool, weight=dense_weight)
        self._pool = pool
        self._text_weight = text_weight
        self._reranking = reranking
        self._seed = seed

    async def search(
        self, corpus: Corpus, request: SearchRequest, on_vector: Callable[[Vectors | None], None] = lambda _: None
    ) -> SearchAnswer:
        """Return the papers that answer a request, and pass the vector that was searched by to a function.

        Raises:
            RequestError: The request names a paper or a category that does not exist, or its cursor does not hold.
            Unavailable: The request needs the encoder, which is not available.
        """
        ranked_by = self._seed + corpus.manifest.id.encode()
        request = at_cursor(request, ranked_by)
        parts = self._executor, self._join, self._pool, self._text_weight, self._reranking
        search = _Search(*parts, corpus, request, ranked_by)
        found = await search.run()
        on_vector(search.dense_half.vector)
        return found

    @property
    def executor(self) -> Executor:
        """The threads that search the indexes."""
        return self._executor


def make_engine(
    settings: Settings, executor: Executor, reranking: Reranking = NO_RERANKING, seed: bytes = b""
) -> SearchEngine:
    """Return the engine that settings describe; an evaluation measures the one that the service uses."""
    fusion = FUSIONS[settings.fusion]
    return SearchEngine(executor, fusion, settings.pool, settings.dense_weight, settings.text_weight, reranking, seed)


@dataclass
class _Search:
    """The state of one request while it is answered."""

    executor: Executor
    join: Callable[..., FusedRanking]
    pool: int
    text_weight: float
    reranking: Reranking
    corpus: Corpus
    request: SearchRequest
    ranked_by: bytes
    timings: Timings = field(default_factory=Timings)
    words: str | None = None
    dense: Ranking | None = None
    lexical: Ranking | None = None
    ranking: FusedRanking | None = None
    ranked_to: int = 0
    sort: SortAnswer | UnsetType = UNSET
    facets: FacetsAnswer | UnsetType = UNSET
    suggestions: list[Suggestion] | UnsetType = UNSET
    chased: list[ChasedPaper] | UnsetType = UNSET
    results: list[SearchResult] | None = None
    papers: list[Paper] = field(default_factory=list)
    best_matches: Rows = field(default_factory=lambda: np.empty(0, np.int64))
    complete: bool = True
    rows: dict[str, int] = field(default_factory=dict)
    details: Callable[[list[SearchResult]], None] = field(init=False)
    marked: list[Marked] | None = None
    rerank: int = 0
    reranked: int = 0
    not_reranked: Sentence | None = None
    more: bool = False

    def __post_init__(self) -> None:
        """Begin the dense half."""
        self.dense_half = DenseHalf(self.corpus, self.request, self.timings)

    async def run(self) -> SearchAnswer:
        """Plan the search, search, and return the page."""
        started = perf_counter()
        ordering.require_references(self.request, self.corpus.references)
        # A plan that needs no lookup takes microseconds, less than a change of threads.
        plan, within = await self._start(self._plan).result() if reads_corpus(self.request) else self._plan()
        searched = len(self.corpus.catalogue) if within is None else within.count
        notes = (*plan.notes, *ordering.order_notes(self.request), *self.dense_half.note_coverage(plan.mode))
        if self.request.rerank and searched:
            self.rerank, more = await self.reranking.depth(self.request, plan.words)
            notes = (*notes, *more)
        self.details = partial(self._add_details, plan, within)
        results = await self._results(plan, within) if searched else []
        if self.rerank and results:
            results = await self._rerank(plan.words or "", results)
        if self.marked is None and self.request.wants_details:
            await self._start(self.details, results).result()
        if self.marked:
            await self._explain(plan, results, self.marked)
        self.timings.total_ms = ms_since(started)
        encoder = self.corpus.manifest.encoder
        end = self.request.offset + len(results)
        lacking = list(filter(None, [self.dense_half.degraded, self.not_reranked]))
        return SearchAnswer(
            results=results,
            mode=plan.mode,
            query=query_answer(self.request.text, plan, self.dense_half.tokens, self.dense_half.truncated),
            k=self.request.k,
            offset=self.request.offset,
            degraded=" ".join(lacking) or None,
            timings=self.timings.rounded(),
            searched=searched,
            snapshot=self.corpus.manifest.id,
            encoder=EncoderAnswer(encoder.version, encoder.digest),
            folded=sum(len(result.duplicates) for result in results),
            notes=tuple(map(str, notes)),
            coded_notes=tuple(note.coded() for note in notes),
            coded_degraded=tuple(one.coded() for one in lacking),
            reranked=self.reranked,
            next_cursor=write_cursor(self.request, self.ranked_by, end) if self.more else None,
            coverage=self.dense_half.coverage,
            sort=self.sort,
            facets=self.facets,
            suggestions=self.suggestions,
            chased=self.chased,
        )

    @traced("plan")
    def _plan(self) -> tuple[SearchPlan, RowSet | None]:
        """Return the plan, and the admitted rows; None if every row is admitted."""
        corpus = self.corpus
        plan = plan_search(self.request, corpus.catalogue, corpus.references)
        if plan.admitted is None:
            return plan, None
        return plan, filter_rows(plan.admitted, corpus.catalogue, corpus.lexical)

    async def _results(self, plan: SearchPlan, within: RowSet | None) -> list[SearchResult]:
        """Return the page, cut from a ranking that is made as deep as the page needs."""
        mode, self.words = plan.mode, plan.words
        if self.request.sort in ordering.BY_FACT and within is not None and _has_no_words(plan):
            return await self._start(self._all_by_fact, within).result()
        if mode is not Mode.DENSE:
            self.lexical = Ranking(partial(self._lexical_hits, plan), plan.given_rows)
        for depth in DEPTHS:
            # Lexical search runs while the query is embedded and vectors are searched.
            beside = self._start(self.lexical.search_deeper, depth) if self.lexical and mode is Mode.HYBRID else None
            try:
                if depth == DEPTHS[0] and mode is not Mode.LEXICAL:
                    self.dense = await self.dense_half.ranking(plan, within)
                ranking = self.lexical if mode is Mode.LEXICAL else self.dense
                if ranking is not None:
                    await self._start(self._reach, ranking, depth, beside).result()
            except BaseException:
                # The corpus may be closed once this function has ended, so no thread may search it then.
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

    def _all_by_fact(self, within: RowSet) -> list[SearchResult]:
        """Return the page of all papers that meet conditions, where no words rank them."""
        corpus = self.corpus
        ranking = ordering.all_by_fact(within, corpus.catalogue.days, self.request.sort, DEPTHS[-1], corpus.references)
        self.ranking = ranking
        self.sort = SortAnswer(by=self.request.sort, papers=within.count, complete=True)
        return self._results_of(ranking, ended=True) or []

    def _reach(self, ranking: Ranking, depth: int, beside: Job[None] | None) -> None:
        """Search one index; rank at once where the other is done, as ranking takes less time than changing threads."""
        ranking.search_deeper(depth)
        if beside is None or beside.done:
            self._rank(depth)

    @traced("search words")
    def _lexical_hits(self, plan: SearchPlan, depth: int) -> Hits:
        started = perf_counter()
        if plan.words is not None:
            hits = self.corpus.lexical.search(plan.words, depth, admitted=plan.admitted)
        else:
            text, against = feedback_text(plan.like, plan.unlike)
            hits = self.corpus.lexical.search(text, depth, against=against, admitted=plan.admitted)
        self.timings.lexical_ms += ms_since(started)
        return hits

    def _rank(self, depth: int) -> None:
        """Join the rankings and make the page; make none if the page depends on a deeper search."""
        check_deadline()
        self.ranked_to = depth
        if self.dense is not None and self.lexical is not None and depth < min(self.pool, DEPTHS[-1]):
            return
        started = perf_counter()
        self.ranking = fused = self._fused()
        self.timings.fuse_ms += ms_since(started)
        ended = all(one.ended for one in (self.dense, self.lexical) if one) or self.request.sort in ordering.BY_FACT
        self.results = self._results_of(fused, ended=ended)

    @traced("fuse")
    def _fused(self) -> FusedRanking:
        """Return the ranking of both halves, or of the only one; a deeper one appends to that before."""
        if self.dense is not None and self.lexical is not None:
            covered = self.corpus.covered
            fused = self.join(self.dense.hits, self.lexical.hits, covered=None if covered is None else covered.mask)
            if self.ranking is None and self.words:
                fused = rank_by_texts(fused, self.words, self.corpus.catalogue.texts, self.text_weight)
        else:
            fused = single_ranking(self.dense.hits if self.dense else None, self.lexical.hits if self.lexical else None)
        if self.ranking is None:
            self.best_matches = fused.rows
            self.complete = all(one.complete for one in (self.dense, self.lexical) if one)
            if ordering.has_order(self.request):
                parts, cited = (self.corpus.catalogue, self.corpus.vectors), self.corpus.references
                fused, self.sort = ordering.in_order(
                    fused, self.request, *parts, complete=self.complete, references=cited
                )
        return fused if self.ranking is None else append_deeper(self.ranking, fused)

    def _results_of(self, ranking: FusedRanking, *, ended: bool) -> list[SearchResult] | None:
        """Return the page of a ranking; None if it depends on a deeper one."""
        page = self._page(ranking.rows, ended)
        if page is None:
            return None
        self.papers = page.papers
        shown = np.asarray(page.places, np.int64)
        scores = (score[shown].tolist() for score in (ranking.scores, ranking.dense, ranking.lexical))
        results = [
            SearchResult.of(paper, score=round(score, 6), sources=_sources(dense, lexical), duplicates=folded)
            for paper, folded, score, dense, lexical in zip(page.papers, page.folded, *scores, strict=True)
        ]
        if self.request.highlight or self.request.chase or self.corpus.references is not None:
            self.rows = dict(zip((paper.id for paper in page.papers), ranking.rows[page.places].tolist(), strict=True))
            for paper, result in zip(page.papers, results, strict=True):
                result.versions = (self.request.highlight and paper.versions) or UNSET
                result.citations = CitationCounts.of(self.corpus.references, self.rows[paper.id])
        if not self.rerank and self.request.wants_details:  # at once, as a change of threads takes longer
            self.details(results)
        return results

    async def _rerank(self, words: str, results: list[SearchResult]) -> list[SearchResult]:
        """Return the page of a list of results from the first on, of which the best are put in order."""
        started = perf_counter()
        count = min(self.rerank, len(results))
        try:
            with client_span("rerank", papers=count):
                scores = await self.reranking.scores(words, self.papers[:count])
        except Unavailable as error:
            self.not_reranked = sentence("not_reranked", error=error.code, reason=redact_message(error))
        else:
            for result, score in zip(results, scores.tolist(), strict=False):
                result.sources["reranker"] = round(score, 6)
            order = self.reranking.order(scores, [result.score for result in results[:count]])
            results = [*(results[at] for at in order), *results[count:]]
            self.reranked = count
        self.timings.rerank_ms = ms_since(started)
        end = self.request.offset + self.request.k
        self.more = self.more or len(results) > end
        return results[self.request.offset : end]

    async def _explain(self, plan: SearchPlan, results: list[SearchResult], marked: list[Marked]) -> None:
        started = perf_counter()
        found = Found([self.rows[result.id] for result in results], self.dense, self.lexical)
        vector = self.dense_half.vector if self.request.nearest_sentences else None
        await explain(results, marked, found, plan, self.corpus, vector)
        self.timings.fetch_ms += ms_since(started)

    @traced("details")
    def _add_details(self, plan: SearchPlan, within: RowSet | None, results: list[SearchResult]) -> None:
        """Make what the request wants beside the results: facets, suggestions, and the places of the query's words."""
        started = perf_counter()
        catalogue = self.corpus.catalogue
        if self.request.facets and within is not None and (not within.count or _has_no_words(plan)):
            self.facets = facets_of_all(within, catalogue)
        elif self.request.facets:
            self.facets = facets_of_matches(self.best_matches, catalogue, complete=self.complete)
        if self.request.chase and self.corpus.references is not None:
            best = self.best_matches[:0] if self.ranking is None else self.ranking.rows
            known = [*plan.given_rows.tolist(), *(self.rows[result.id] for result in results)]
            self.chased = chase(best, known, self.corpus.references, catalogue, within)
        if self.request.suggest:
            self.suggestions = suggestions(self.request, plan, self.corpus)
        self.marked = []
        if self.request.highlight and results:
            self.marked = mark(results, QueryWords.of(plan, self.corpus.lexical))
        self.timings.fetch_ms += ms_since(started)

    @traced("fetch")
    def _page(self, rows: Rows, ended: bool) -> duplicates.ResultPage | None:
        first, end = self.request.offset, self.request.offset + self.request.k
        if self.rerank:  # of a page that has reranked results, all results before it are needed too
            first, end = 0, max(end, self.rerank)
        if not ended and len(rows) < end + duplicates.AHEAD * self.request.collapse:
            return None
        started = perf_counter()
        fetch = self.corpus.catalogue.papers
        page: duplicates.ResultPage | None
        if self.request.collapse and first < len(rows):
            page = duplicates.make_page(
                rows, first, end, ended=ended, vectors=self.corpus.vectors.vectors, papers=fetch
            )
        else:
            found = fetch(rows[first:end].tolist())
            more = len(rows) > end or not ended
            page = duplicates.ResultPage(list(range(first, first + len(found))), found, [()] * len(found), more)
        self.timings.fetch_ms += ms_since(started)
        self.more = page is not None and page.more
        return page

    def _start(self, work: Callable[..., Result], *arguments: object) -> Job[Result]:
        return Job(self.executor, work, *arguments)


def _has_no_words(plan: SearchPlan) -> bool:
    """Return True if a query consists of conditions only."""
    return plan.words is not None and not plan.words.strip()


def _sources(dense: float, lexical: float) -> dict[str, float]:
    halves = (("dense", dense), ("lexical", lexical))
    return {half: round(score, 6) for half, score in halves if not isnan(score)}
