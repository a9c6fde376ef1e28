"""The application: settings in, a FastAPI application out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.cors import CORSMiddleware

from edge import AllowedHosts, HostCheck, SecurityHeaders, api_headers, parse_hosts, parse_origins
from retrieval_service.adapters.faiss_gpu import GpuOptions
from retrieval_service.adapters.faiss_index import use_one_thread
from retrieval_service.adapters.triton import TritonConnection
from retrieval_service.admission import Admission
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.live import LiveCorpus
from retrieval_service.corpus.snapshot import Snapshot, open_snapshot
from retrieval_service.metrics import Metrics
from retrieval_service.ports import EncoderSource
from retrieval_service.routes import docs, embed, health, papers, search
from retrieval_service.routes.context import Context
from retrieval_service.routes.failures import answer_errors
from retrieval_service.routes.rate_limit import RateLimit
from retrieval_service.routes.request_metrics import Measured
from retrieval_service.routes.schema import answer_schemas
from retrieval_service.routes.turns import TIMEOUT_HEADER
from retrieval_service.search.engine import SearchEngine
from retrieval_service.search.fusion import FUSIONS
from retrieval_service.search.warm_up import warm
from retrieval_service.settings import Settings

# Searches worked on at once for each thread that searches.
_FOR_EACH_THREAD = 16
# Papers read at once by their ids, each of which takes far less than a millisecond.
_READERS = 4

_DESCRIPTION = "Finds the papers akin to a question, an abstract or a paper."


def create_app(settings: Settings | None = None, encoders: EncoderSource | None = None) -> FastAPI:
    """The application.

    Args:
        settings: what can be set; read from the environment where none are given.
        encoders: where encoders are found; Triton, as the settings say, where none is given.
    """
    settings = settings or Settings()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # As many searches at once as there are cores; FAISS and Tantivy hold no lock of Python's while they search.
        with (
            ThreadPoolExecutor(settings.search_threads, "search", initializer=use_one_thread) as executor,
            ThreadPoolExecutor(_READERS, "read") as reading,
        ):
            engine = SearchEngine(executor, FUSIONS[settings.fusion], settings.pool, settings.dense_weight)
            serving = LiveCorpus(
                SnapshotDirectory(settings.data),
                encoders or triton_of(settings),
                metrics,
                open_as=partial(_open, settings),
                warm=partial(warm, engine),
                watch_seconds=settings.watch_seconds,
            )
            searches = Admission(searches_at_once(settings), settings.search_queue, metrics)
            reads = Admission(_READERS, settings.search_queue, metrics)
            metrics.count_queued(lambda: searches.queued + reads.queued)
            limits = settings.search_seconds, settings.body_seconds
            app.state.context = Context(serving, engine, metrics, searches, reads, reading, *limits)
            await serving.start()
            try:
                yield
            finally:
                await searches.finish()
                await reads.finish()
                await serving.stop()

    app = FastAPI(title="Akin", description=_DESCRIPTION, lifespan=lifespan, docs_url=None, redoc_url=None)
    for routes in (search, papers, embed, health, docs):
        app.include_router(routes.router)
    answer_errors(app)
    if settings.rate_limit:
        app.add_middleware(RateLimit, rate=settings.rate_limit, burst=settings.rate_burst)
    app.add_middleware(Measured, metrics=metrics, log=settings.log_requests)
    if origins := parse_origins(settings.cors_origins):
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["content-type", TIMEOUT_HEADER],
            expose_headers=["Retry-After"],
        )
    _describe(app)
    app.state.metrics = metrics
    hosts = AllowedHosts.of(settings.service_host, parse_hosts(settings.allowed_hosts))
    # Outside of all else, so that the answers to mistakes of this service have the headers too.
    app.middleware_stack = SecurityHeaders(
        HostCheck(app.build_middleware_stack(), hosts), api_headers(docs.STYLE_SOURCE)
    )
    return app


def searches_at_once(settings: Settings) -> int:
    """Return how many searches are worked on at once: many for each thread, as they wait for the encoder first.

    The encoder gathers texts. With two threads and a hundred clients it did 140 abstracts a second for 8 at once, 200
    for 32, and 160 for 64.
    """
    return settings.search_concurrency or _FOR_EACH_THREAD * settings.search_threads


def triton_of(settings: Settings) -> TritonConnection:
    """The Triton that settings name; it connects when it is first asked."""
    return TritonConnection(
        settings.triton_url,
        version=settings.encoder_version,
        repository=settings.model_repository,
        query_seconds=settings.embed_seconds,
    )


def _open(settings: Settings, path: Path) -> Snapshot:
    gpu = GpuOptions(every=settings.vector_device == "gpus", float16=settings.gpu_float16)
    return open_snapshot(
        path,
        lexical_terms=settings.lexical_terms,
        lexical_postings=settings.lexical_postings,
        gpu=None if settings.vector_device == "cpu" else gpu,
    )


def _describe(app: FastAPI) -> None:
    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version="1", description=_DESCRIPTION, routes=app.routes)
            schema.setdefault("components", {}).setdefault("schemas", {}).update(answer_schemas())
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the documented way to extend the schema
