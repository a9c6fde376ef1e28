"""The HTTP application of the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from akin.collection.store import CollectionStore, require_parquet
from akin.edge import AllowedHosts, HostCheck, SecurityHeaders, api_headers, parse_hosts, parse_origins
from akin.edge.compression import Compression
from akin.edge.observed import Observed
from akin.edge.proxies import trust_in
from akin.feedback.store import FeedbackStore
from akin.keys import KeyFile, KeyRing
from retrieval_service.accounts import Accounts, LocalAccounts
from retrieval_service.adapters.faiss_index import use_one_thread
from retrieval_service.adapters.gpu_index import GpuOptions
from retrieval_service.adapters.milvus_collection import milvus_options
from retrieval_service.adapters.redis_accounts import SharedAccounts
from retrieval_service.adapters.triton import TritonConnection
from retrieval_service.adapters.triton_reranker import TritonReranker
from retrieval_service.admission import Admission
from retrieval_service.collection.keeping import Collector
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.live_corpus import LiveCorpus
from retrieval_service.corpus.snapshot import Snapshot, open_snapshot
from retrieval_service.feedback.keeping import Feedback
from retrieval_service.feedback.second_service import SecondService
from retrieval_service.metrics import Metrics
from retrieval_service.ports import EncoderSource, Reranker
from retrieval_service.recall.sampler import RecallSampler
from retrieval_service.routes import (
    citations,
    corpus_map,
    docs,
    embed,
    embeddings,
    export,
    feed,
    health,
    lists,
    mcp,
    models,
    neighbourhood,
    papers,
    references,
    rerank,
    resolve,
    search,
    searches,
)
from retrieval_service.routes import feedback as feedback_route
from retrieval_service.routes.access import Access
from retrieval_service.routes.entity_tags import common_seed
from retrieval_service.routes.error_handlers import ERROR_HANDLERS
from retrieval_service.routes.openapi import openapi
from retrieval_service.routes.rate_limit import HEADERS_OF_LIMIT, RateLimit
from retrieval_service.routes.request_metrics import RequestMetrics
from retrieval_service.routes.shedding import Shedding
from retrieval_service.routes.state import TIMEOUT_HEADER, ServiceState
from retrieval_service.routes.version_prefix import VersionPrefix
from retrieval_service.search.engine import make_engine
from retrieval_service.search.reranking import Reranking
from retrieval_service.search.warm_up import warm
from retrieval_service.settings import Settings

_SEARCHES_PER_THREAD = 16
_BULK_AT_ONCE, _BULK_WAITING = 2, 16  # requests with many texts, each of up to megabytes
_READERS = 4  # threads; reading a paper takes far less than a millisecond


def create_app(
    settings: Settings | None = None, encoders: EncoderSource | None = None, reranker: Reranker | None = None
) -> Starlette:
    """Return the application.

    Args:
        settings: Its settings; read from the environment if None.
        encoders: Source of its encoders; the Triton that the settings name if None.
        reranker: Its reranker; if None, that of the same Triton, and none with another source of encoders.

    Raises:
        CollectionError: Searches are to be collected, and the package for it is not installed.
        RedisNotInstalled: Requests are to be counted in Redis, and the package for it is not installed.
    """
    settings = settings or Settings()
    if settings.collection != "off":
        require_parquet()
    metrics = Metrics()
    metrics.watch_data(settings.data)
    seed = common_seed(settings)
    ring = None if settings.keys == "off" else KeyRing(KeyFile(settings.keys_file))
    origins = parse_origins(settings.cors_origins)
    mcp_endpoint = mcp.McpEndpoint(origins)
    accounts = _accounts_of(settings, metrics)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        # FAISS and Tantivy release Python's lock while they search: the threads use as many cores.
        with (
            ThreadPoolExecutor(settings.search_threads, "search", initializer=use_one_thread) as executor,
            ThreadPoolExecutor(_READERS, "read") as read_threads,
        ):
            source = encoders or triton_of(settings)
            ranker = reranker or (TritonReranker(source.wire) if isinstance(source, TritonConnection) else None)
            reranking = Reranking(ranker, settings.rerank_most, settings.rerank_seconds, settings.rerank_weight)
            engine = make_engine(settings, executor, reranking, seed)
            live = LiveCorpus(
                SnapshotDirectory(settings.data),
                source,
                metrics,
                open_as=partial(_open, settings),
                warm=partial(warm, engine),
                watch_seconds=settings.watch_seconds,
            )
            searches = Admission(searches_at_once(settings), settings.search_queue, metrics)
            bulk = Admission(_BULK_AT_ONCE, _BULK_WAITING, metrics)
            reads = Admission(_READERS, settings.search_queue, metrics)
            metrics.count_queued(lambda: searches.queued + bulk.queued + reads.queued)
            feedback = _feedback_of(settings, metrics)
            collector = _collector_of(settings, metrics)
            recall = RecallSampler(live, metrics, settings.recall_share) if settings.recall_share else None
            limits = settings.search_seconds, settings.bulk_seconds, settings.body_seconds
            turns = searches, bulk, reads
            app.state.service = ServiceState(
                live,
                engine,
                metrics,
                *turns,
                read_threads,
                *limits,
                seed,
                reranking,
                feedback,
                collector,
                recall,
                settings.log_queries,
            )
            await live.start()
            if feedback:
                feedback.start()
            if collector:
                collector.start()
            if recall:
                recall.start()
            try:
                yield
            finally:
                await mcp_endpoint.stop()
                if recall:
                    await recall.stop()
                if feedback:
                    await feedback.stop()
                await searches.finish()
                await bulk.finish()
                await reads.finish()
                await live.stop()
                await accounts.close()
                if collector:
                    await asyncio.to_thread(collector.stop)

    trusted = trust_in(settings.trusted_proxies)
    middleware = [
        Middleware(Compression, never=embeddings.UNCOMPRESSED),
        Middleware(Observed, trusted=trusted),
        Middleware(RequestMetrics, metrics=metrics, log=settings.log_requests),
    ]
    if ring is not None:
        middleware.append(Middleware(Access, ring=ring))
    if settings.rate_limit or ring is not None:
        limit = settings.rate_limit, settings.rate_burst, accounts
        middleware.append(Middleware(RateLimit, *limit, trusted=trusted))
    of_papers = (search, searches, feedback_route, feed, export, citations, lists, neighbourhood, references, papers)
    parts = (*of_papers, corpus_map, embed, embeddings, models, rerank, resolve, health, docs)
    routes = [route for part in parts for route in part.ROUTES]
    if settings.mcp:
        routes += mcp.routes(mcp_endpoint)
    app = Starlette(routes=routes, middleware=middleware, exception_handlers=ERROR_HANDLERS, lifespan=lifespan)
    app.state.openapi = openapi(routes, settings.service_root_path)
    app.state.root_path = settings.service_root_path
    app.state.metrics = metrics
    app.state.data = settings.data
    app.state.keys = ring
    app.state.accounts = accounts
    hosts = AllowedHosts.of(settings.service_host, parse_hosts(settings.allowed_hosts))
    headers = api_headers(docs.STYLE_SOURCE)
    shedding = Shedding(app.build_middleware_stack(), app, metrics, headers, settings.service_root_path)
    app.state.refuse_at_once = shedding.refuse_at_once
    # Outside of everything else, so that the answer to an unexpected error has the headers too.
    outside: ASGIApp = HostCheck(shedding, hosts)
    if origins:
        outside = CORSMiddleware(
            outside,
            allow_origins=origins,
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["authorization", "x-api-key", "content-type", "if-none-match", TIMEOUT_HEADER, *mcp.HEADERS],
            expose_headers=[
                "ETag",
                "Retry-After",
                "Akin-Papers",
                "Content-Disposition",
                "X-Request-ID",
                *HEADERS_OF_LIMIT,
            ],
        )
    app.middleware_stack = SecurityHeaders(VersionPrefix(outside), headers)
    return app


def searches_at_once(settings: Settings) -> int:
    """Return the number of searches that are worked on at once.

    It is several times the number of threads, because a search waits for the encoder first, which encodes texts in
    batches. With two threads and a hundred clients, 8 searches at once gave 140 abstracts a second, 32 gave 200 and
    64 gave 160.
    """
    return settings.search_concurrency or _SEARCHES_PER_THREAD * settings.search_threads


def triton_of(settings: Settings) -> TritonConnection:
    """Return a connection to the Triton that the settings name; it connects with the first request."""
    return TritonConnection(
        settings.triton_url,
        version=settings.encoder_version,
        repository=settings.model_repository,
        query_seconds=settings.embed_seconds,
    )


def _accounts_of(settings: Settings, metrics: Metrics) -> Accounts:
    local = LocalAccounts(settings.rate_burst)
    url = settings.rate_redis.get_secret_value()
    return SharedAccounts(url, settings.rate_burst, local, metrics) if url else local


def _feedback_of(settings: Settings, metrics: Metrics) -> Feedback | None:
    if settings.feedback == "off":
        return None
    values = search.SEARCH.values
    store = FeedbackStore(
        settings.feedback_folder, days=settings.feedback_days, most_bytes=settings.feedback_megabytes * 1_000_000
    )
    second = None
    if settings.interleave:
        second = SecondService(settings.interleave, settings.interleave_share, settings.interleave_seconds, values)
    return Feedback(store, values, metrics, opened=settings.feedback_opened, second=second)


def _collector_of(settings: Settings, metrics: Metrics) -> Collector | None:
    if settings.collection == "off":
        return None
    most = settings.collection_megabytes * 1_000_000
    store = CollectionStore(settings.collection_folder, days=settings.collection_days, most_bytes=most)
    return Collector(store, metrics, settings.collection_share)


def _open(settings: Settings, path: Path) -> Snapshot:
    gpu = GpuOptions(
        required=settings.vector_device != "auto",
        every=settings.vector_device == "gpus",
        float16=settings.gpu_float16,
        kind=settings.gpu_index,
    )
    return open_snapshot(
        path,
        terms=settings.lexical_terms,
        postings=settings.lexical_postings,
        gpu=None if settings.vector_device == "cpu" else gpu,
        milvus=milvus_options(settings) if settings.milvus_uri else None,
    )
