"""Search a corpus in this process by the service's own code: the rankings of `POST /search` without HTTP and Triton.

An evaluation measures these rankings, so that its figures are those of the search that users have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import inf
from pathlib import Path

from pydantic import TypeAdapter

from akin.indexing.build import build_snapshot
from akin.indexing.options import BuildOptions, OnProgress
from akin.indexing.update import has_present_rules
from akin.papers import Paper
from retrieval_service.adapters.faiss_index import use_one_thread
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import Manifest
from retrieval_service.corpus.open_corpus import OpenCorpus
from retrieval_service.corpus.snapshot import Snapshot, open_snapshot
from retrieval_service.errors import RequestError, Unavailable
from retrieval_service.ports import EmbeddingBatch, Encoder, EncoderIdentity, InputType, Reranker
from retrieval_service.search.engine import SearchEngine, make_engine
from retrieval_service.search.operators import parse_query
from retrieval_service.search.request import Mode, SearchRequest
from retrieval_service.search.reranking import Reranking
from retrieval_service.settings import Settings

DEEPEST = 1000
"""Ranks that can be asked for: the offset of the last page that the service answers."""

_EXACT = BuildOptions(exact_below=1 << 62, use=False)
_REQUEST = TypeAdapter(SearchRequest)


def default_settings() -> Settings:
    """Return the service's default settings, whatever the environment says: figures must not depend on a machine."""
    return Settings.read({})


def index_corpus(
    papers: Iterable[Paper],
    encoder: Encoder,
    data: Path,
    *,
    name: str,
    progress: OnProgress | None = None,
    word_weights: Path | None = None,
) -> Path:
    """Return an exact snapshot of a corpus by an encoder, which is built only if the data folder has none.

    Args:
        papers: the papers; not read if there is a snapshot.
        encoder: makes the vectors.
        data: folder of such snapshots and of their embeddings; no service serves from it.
        name: name of the corpus, which must change with its papers and their weights.
        progress: called from time to time during a build.
        word_weights: file of learned weights to rank words by; None for BM25.

    Raises:
        PapersError: The papers cannot be read.
        RetrievalError: The snapshot cannot be built.
    """
    snapshots = SnapshotDirectory(data)
    wanted = name, encoder.identity.digest
    for made in snapshots.manifests():
        if (made.source, made.encoder.digest) == wanted and has_present_rules(made):
            return snapshots.path(made.id)
    options = replace(_EXACT, word_weights=word_weights)
    built = asyncio.run(build_snapshot(papers, encoder, data, source_name=name, options=options, progress=progress))
    return snapshots.path(built.id)


def rank_queries(
    snapshot: Path,
    encoder: Encoder,
    queries: Mapping[str, str],
    modes: Sequence[Mode],
    *,
    depth: int = 100,
    settings: Settings | None = None,
    reranker: Reranker | None = None,
    rerank: int = 0,
) -> dict[Mode, dict[str, list[str]]]:
    """Return the ids that the service would answer to each query in each mode, the best first.

    Every query is read as the text of a request, with operators and ids of papers. One that the service refuses, such
    as a query without a letter, has no results.

    Args:
        snapshot: directory of a snapshot that was made with the encoder.
        encoder: makes the vectors of the queries, all of them before the first search.
        queries: texts by id.
        modes: halves of the search to use.
        depth: ranks of each query, at most `DEEPEST`.
        settings: settings of the service; by default `default_settings()`.
        reranker: puts the best results in order; it may take any time.
        rerank: number of these results in each request, at most the settings' `rerank_most`.

    Raises:
        RetrievalError: The snapshot cannot be opened, or the reranker failed.
    """
    settings = settings or default_settings()
    opened = open_snapshot(snapshot, terms=settings.lexical_terms, postings=settings.lexical_postings)
    try:
        threads = settings.search_threads
        with ThreadPoolExecutor(threads, "search", initializer=use_one_thread) as executor:
            requests = {name: request_of(text, depth, rerank) for name, text in queries.items()}
            engine = make_engine(
                settings, executor, Reranking(reranker, settings.rerank_most, inf, settings.rerank_weight)
            )
            return asyncio.run(_rank(opened, encoder, requests, modes, engine, threads))
    finally:
        opened.close()


def request_of(text: str, depth: int, rerank: int) -> SearchRequest | None:
    """Return the request that HTTP makes of a query's text, as deep as is wanted; None if HTTP refuses the text."""
    try:
        request: SearchRequest = _REQUEST.validate_python({"query": text})
    except RequestError:
        return None
    # HTTP gives a hundred ranks at once and the same ranking in pages.
    return replace(request, k=depth, rerank=rerank)


def words_of(request: SearchRequest) -> str:
    """Return the words of a query that are embedded; none if the search will refuse its operators."""
    try:
        return parse_query(request.text or "").words
    except RequestError:
        return ""


async def _rank(
    snapshot: Snapshot,
    encoder: Encoder,
    requests: Mapping[str, SearchRequest | None],
    modes: Sequence[Mode],
    engine: SearchEngine,
    threads: int,
) -> dict[Mode, dict[str, list[str]]]:
    words = set(map(words_of, filter(None, requests.values()))) - {""}
    ready = EmbeddedQueries(encoder)
    if words and set(modes) - {Mode.LEXICAL}:
        await ready.embed(sorted(words))
    corpus = OpenCorpus(snapshot, ready, None, NoObserver())
    slots = asyncio.Semaphore(2 * threads)

    async def rank(request: SearchRequest | None, mode: Mode) -> list[str]:
        if request is None:
            return []
        async with slots:
            try:
                answer = await engine.search(corpus, replace(request, mode=mode))
            except RequestError:
                return []
        if answer.degraded:
            # Its ranking is not that of the mode that is measured.
            raise Unavailable(answer.degraded)
        return [result.id for result in answer.results]

    found = {}
    for mode in modes:
        rankings = await asyncio.gather(*(rank(request, mode) for request in requests.values()))
        found[mode] = dict(zip(requests, rankings, strict=True))
    return found


class EmbeddedQueries:
    """Encoder of queries that were embedded in large batches beforehand; it encodes any other text when asked."""

    def __init__(self, encoder: Encoder) -> None:
        """Take the encoder."""
        self.identity: EncoderIdentity = encoder.identity
        self._encoder = encoder
        self._found: dict[str, EmbeddingBatch] = {}

    async def embed(self, texts: Sequence[str]) -> None:
        """Embed texts and keep their vectors."""
        made = await self._encoder.embed_queries(texts)
        for place, text in enumerate(texts):
            here = slice(place, place + 1)
            self._found[text] = EmbeddingBatch(made.vectors[here], made.tokens[here])

    async def embed_queries(self, texts: Sequence[str], input_type: InputType = "query") -> EmbeddingBatch:
        """Return kept vectors, or make others."""
        if input_type == "query" and len(texts) == 1 and texts[0] in self._found:
            return self._found[texts[0]]
        return await self._encoder.embed_queries(texts, input_type)

    async def embed_passages(self, texts: Sequence[str], input_type: InputType = "passage") -> EmbeddingBatch:
        """Return the vectors of papers."""
        return await self._encoder.embed_passages(texts, input_type)


class NoObserver:
    """Observer of a corpus that nobody monitors."""

    def record_snapshot(self, manifest: Manifest) -> None:
        """Ignore a change."""

    def record_damage(self, damaged: bool) -> None:
        """Ignore damage."""

    def record_encoder_failure(self, error: Unavailable) -> None:
        """Ignore a failure."""

    def record_encoder_loss(self) -> None:
        """Ignore a loss."""
