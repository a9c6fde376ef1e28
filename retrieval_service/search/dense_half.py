"""The dense half of a search: the vector to search by, and the ranking by vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

from akin.edge import tracing
from retrieval_service.errors import DeadlineExceeded, Unavailable
from retrieval_service.ports import Corpus, Hits, RowSet, Vectors
from retrieval_service.redaction import redact_message
from retrieval_service.search.answer import Coverage, Timings, ms_since
from retrieval_service.search.coverage import dense_note, hybrid_reason
from retrieval_service.search.feedback import feedback_vector
from retrieval_service.search.paper_vectors import embed_uncovered, vectors_with
from retrieval_service.search.planner import SearchPlan
from retrieval_service.search.ranking import NOTHING, Ranking
from retrieval_service.search.request import Mode, SearchRequest
from retrieval_service.search.sentences import Sentence, sentence


@dataclass
class DenseHalf:
    """The dense half of one search, and what its answer says about it.

    Attributes:
        corpus: The corpus.
        request: The request.
        timings: The time of its stages is recorded here.
        vector: The unit vector that was searched by; None before the first search.
        tokens: Length of the query; None if it was not embedded.
        truncated: True if the encoder read only the beginning of the query.
        coverage: The papers that have a vector, if some have none.
        degraded: Why papers are missing, or are found by their words alone; None if there is no reason.
    """

    corpus: Corpus
    request: SearchRequest
    timings: Timings
    vector: Vectors | None = None
    tokens: int | None = None
    truncated: bool = False
    coverage: Coverage | None = None
    degraded: Sentence | None = None

    def note_coverage(self, mode: Mode) -> tuple[Sentence, ...]:
        """Record that papers have no vector, if some have none; return the note of a dense search."""
        covered = self.corpus.covered
        if covered is None or mode is Mode.LEXICAL:
            return ()
        self.coverage = Coverage(covered.count, len(covered.mask))
        if mode is Mode.DENSE:
            return (dense_note(self.coverage),)
        self.degraded = hybrid_reason(self.coverage)
        return ()

    async def ranking(self, plan: SearchPlan, within: RowSet | None) -> Ranking | None:
        """Return the ranking by vectors.

        It is None if lexical search answers alone, because the encoder is unavailable or no paper has a vector.
        """
        vector, made = None, {}
        if self.coverage is not None and not self.coverage.with_vectors:
            return Ranking(lambda _: NOTHING, plan.given_rows) if plan.mode is Mode.DENSE else None
        started = perf_counter()
        try:
            if plan.words is not None:
                with tracing.client_span("embed"):
                    embedded, encoder = await self.corpus.embed(plan.words, self.request.role)
                vector, self.tokens = embedded.vectors[0], int(embedded.tokens[0])
                self.truncated = encoder.max_length is not None and self.tokens > encoder.max_length
            else:
                made = await embed_uncovered(self.corpus, plan.given_rows.tolist(), [*plan.like, *plan.unlike])
        except Unavailable as error:
            if plan.mode is Mode.DENSE or isinstance(error, DeadlineExceeded):
                raise
            self.degraded = sentence("lexical_alone", error=error.code, reason=redact_message(error))
            self.coverage = None
            return None
        if vector is not None or made:
            self.timings.embed_ms = ms_since(started)

        def search(depth: int) -> Hits:
            with tracing.span("search vectors"):
                started = perf_counter()
                self.vector = self._feedback_vector(plan, made) if vector is None else vector
                hits = self.corpus.vectors.search(self.vector, depth, within=within, nprobe=self.request.search_effort)
                self.timings.vectors_ms += ms_since(started)
                return hits

        return Ranking(search, plan.given_rows)

    def _feedback_vector(self, plan: SearchPlan, made: Mapping[int, Vectors]) -> Vectors:
        """Return the vector to search by; `made` has the vectors of papers that have none stored."""
        vectors = vectors_with(self.corpus, plan.given_rows.tolist(), made)
        return feedback_vector(vectors[: len(plan.like_rows)], vectors[len(plan.like_rows) :])
