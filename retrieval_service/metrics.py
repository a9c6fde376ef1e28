"""The counters and histograms of the service, for Prometheus."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from akin.edge import tracing
from retrieval_service.corpus.last_build import last_build_failed
from retrieval_service.corpus.manifest import Manifest
from retrieval_service.errors import BodyTooSlow, DeadlineExceeded, Overloaded, RetrievalError, Unavailable
from retrieval_service.recall.estimate import Estimate
from retrieval_service.search.answer import Timings

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5)

_TOKENS = (2, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256, 512)
_SHARES = (0.0, *(round(0.1 * step, 1) for step in range(1, 11)))


class Metrics:
    """The counters of one application, in a registry of their own so that several can live in one process."""

    def __init__(self) -> None:
        """Register all metrics, at zero."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        counter, gauge = partial(Counter, registry=self.registry), partial(Gauge, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry, buckets=_SECONDS)
        self.requests = counter("akin_requests_total", "Requests answered.", ["route", "method", "status"])
        self.latency = histogram("akin_request_seconds", "Time to answer.", ["route"])
        self.in_flight = gauge("akin_requests_in_flight", "Requests that are being answered.")
        self._queued = gauge("akin_requests_queued", "Requests that wait for their turn.")
        self._refused = counter("akin_requests_refused_total", "Requests that were refused or given up.", ["reason"])
        for error in (Overloaded, DeadlineExceeded, BodyTooSlow):
            # Start every label at 0: `rate` needs an earlier value to show the first refusal.
            self._refused.labels(error.code)
        self._shared_limits = gauge(
            "akin_rate_limits_shared", "1 while Redis counts requests for all machines, 0 while each counts its own."
        )
        self._limit_failures = counter("akin_rate_limit_failures_total", "Times that Redis did not count a request.")
        self._stages = histogram("akin_search_stage_seconds", "Time in a stage of a search.", ["stage"])
        self._degraded = counter("akin_degraded_searches_total", "Hybrid searches answered by lexical search alone.")
        self._rerank_failures = counter(
            "akin_rerank_failures_total", "Searches that the reranker did not put in order in time."
        )
        self._encoder_failures = counter(
            "akin_encoder_failures_total", "Queries for which the encoder returned no vector.", ["reason"]
        )
        self._encoder_losses = counter(
            "akin_encoder_losses_total", "Times that the encoder of the live snapshot stopped answering."
        )
        self._feedback = counter("akin_feedback_total", "Marks of readers that were stored or withdrawn.", ["mark"])
        self._interleaved = counter(
            "akin_interleaved_searches_total", "Searches to be interleaved with a second service.", ["outcome"]
        )
        self._tokens = histogram("akin_query_tokens", "Tokens of a query, as the encoder counts them.", buckets=_TOKENS)
        self._top_score = histogram("akin_search_top_score", "Score of the first result.", buckets=_SHARES)
        self._no_results = counter("akin_searches_without_results_total", "Searches that found no paper.")
        self._unknown = histogram(
            "akin_query_unknown_share", "Share of a collected query's terms that no paper has.", buckets=_SHARES
        )
        self._collected = counter("akin_collected_searches_total", "Searches of the collection.", ["outcome"])
        for outcome in ("stored", "dropped", "failed"):
            self._collected.labels(outcome)
        self._recall = gauge(
            "akin_recall_at_10", "Share of the ten nearest papers that the index finds, of sampled queries.", ["bound"]
        )
        self._recall_queries = gauge("akin_recall_queries", "Queries that the estimate of recall is of.")
        self._compared = counter("akin_recall_compared_total", "Queries that were compared with exact search.")
        self._recall_work = counter("akin_recall_cpu_seconds_total", "CPU time of comparisons with exact search.")
        self._recall_exact = gauge("akin_recall_index_exact", "1 if the index is exact: there is nothing to compare.")
        self._recall_target = gauge("akin_recall_target", "Recall that the index was made to reach; 0 if it is exact.")
        self._papers = gauge("akin_snapshot_papers", "Papers in the live snapshot.")
        self._snapshot = gauge(
            "akin_snapshot_info", "The live snapshot.", ["snapshot", "encoder_version", "encoder_digest"]
        )
        self._damaged = gauge("akin_snapshot_damaged", "1 while files of the live snapshot are not as published.")
        self._created = gauge("akin_snapshot_created_timestamp_seconds", "When the live snapshot was made (Unix time).")
        self._swaps = counter("akin_snapshot_swaps_total", "Snapshots that became live.")
        self._build_failed = gauge("akin_build_failed", "1 if the last build of an index failed or was killed.")
        self._disk_free = gauge("akin_disk_free_bytes", "Free space where the data folder is.")
        self._disk_size = gauge("akin_disk_size_bytes", "Size of the file system where the data folder is.")

    def watch_data(self, data: Path) -> None:
        """Take the data folder; its disk and the record of the last build are read when metrics are asked for."""
        self._build_failed.set_function(lambda: last_build_failed(data))
        self._disk_free.set_function(lambda: _disk(data)[0])
        self._disk_size.set_function(lambda: _disk(data)[1])

    def count_queued(self, count: Callable[[], int]) -> None:
        """Take the function that returns how many requests wait."""
        self._queued.set_function(count)

    def record_refusal(self, error: RetrievalError) -> None:
        """Record a request that was refused, or given up before it was answered."""
        self._refused.labels(error.code).inc()

    def record_shared_limits(self, shared: bool) -> None:
        """Record that Redis has counted a request for all machines, or has failed to."""
        self._shared_limits.set(shared)
        if not shared:
            self._limit_failures.inc()

    def record_search(self, timings: Timings, degraded: bool, reranked: int = 0) -> None:
        """Record a search that was answered, and how many of its results were reranked."""
        exemplar = tracing.exemplar()
        for stage, ms in asdict(timings).items():
            if stage == "rerank_ms" and not ms:
                continue  # few searches are reranked; zeros of the others would hide their time
            self._stages.labels(stage.removesuffix("_ms")).observe(ms / 1000, exemplar)
        if timings.rerank_ms and not reranked:
            self._rerank_failures.inc()
        elif degraded:
            self._degraded.inc()

    def record_query(self, tokens: int | None, top_score: float | None) -> None:
        """Record the length of a query, if it was embedded, and the score of its first result, if there is one."""
        if tokens is not None:
            self._tokens.observe(tokens)
        if top_score is None:
            self._no_results.inc()
        else:
            self._top_score.observe(top_score)

    def record_unknown_terms(self, share: float) -> None:
        """Record the share of a collected query's terms that no paper has."""
        self._unknown.observe(share)

    def record_collected(self, outcome: str, searches: int = 1) -> None:
        """Record searches of the collection: `stored`, `dropped` as too many waited, or `failed` with their file."""
        self._collected.labels(outcome).inc(searches)

    def record_recall(self, estimate: Estimate | None) -> None:
        """Record the newest estimate of recall; None after a change of the index."""
        self._recall_queries.set(estimate.queries if estimate else 0)
        if estimate is None:
            self._recall.clear()
            return
        for bound, value in (("estimate", estimate.value), ("lower", estimate.lower), ("upper", estimate.upper)):
            self._recall.labels(bound).set(value)

    def record_recall_index(self, exact: bool, target: float | None) -> None:
        """Record the index whose recall is estimated."""
        self._recall_exact.set(exact)
        self._recall_target.set(target or 0)

    def record_compared(self) -> None:
        """Record a query that was compared with exact search."""
        self._compared.inc()

    def record_recall_work(self, seconds: float) -> None:
        """Record the CPU time of a comparison."""
        self._recall_work.inc(seconds)

    def record_feedback(self, mark: str) -> None:
        """Record a mark that was stored: `useful`, `not_useful` or `opened`; or one that was `withdrawn`."""
        self._feedback.labels(mark).inc()

    def record_interleaving(self, interleaved: bool) -> None:
        """Record a search that was to be interleaved, and whether it was."""
        self._interleaved.labels("interleaved" if interleaved else "plain").inc()

    def record_snapshot(self, manifest: Manifest) -> None:
        """Record that another snapshot is live."""
        self._snapshot.clear()
        self._snapshot.labels(manifest.id, str(manifest.encoder.version), manifest.encoder.digest).set(1)
        self._papers.set(manifest.papers)
        self._created.set(manifest.created.timestamp())
        self._swaps.inc()

    def record_damage(self, damaged: bool) -> None:
        """Record whether files of the live snapshot differ from their published state."""
        self._damaged.set(damaged)

    def record_encoder_failure(self, error: Unavailable) -> None:
        """Record a query for which the encoder returned no vector."""
        self._encoder_failures.labels(error.code).inc()

    def record_encoder_loss(self) -> None:
        """Record that the encoder stopped answering and is looked for again."""
        self._encoder_losses.inc()

    def export(self, more: Collector) -> None:
        """Export further metrics."""
        self.registry.register(more)

    def text(self, accept: str = "") -> bytes:
        """Return all metrics in Prometheus's text format, or in that of OpenMetrics, which has exemplars."""
        encode, _ = choose_encoder(accept)
        encoded: bytes = encode(self.registry)
        return encoded


def _disk(folder: Path) -> tuple[float, float]:
    """Return the free and all bytes of a folder's file system; without the folder NaN, for which no alert fires."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return math.nan, math.nan
    return usage.free, usage.total
