"""Search texts in this process, and return what the service's collection would keep of these searches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from akin.collection.store import CollectedSearch
from akin.indexing.in_process import EmbeddedQueries, NoObserver, default_settings, request_of, words_of
from retrieval_service.adapters.faiss_index import use_one_thread
from retrieval_service.collection.keeping import collected
from retrieval_service.corpus.open_corpus import OpenCorpus
from retrieval_service.corpus.snapshot import open_snapshot
from retrieval_service.errors import RequestError, Unavailable
from retrieval_service.ports import Encoder, Vectors
from retrieval_service.search.engine import make_engine
from retrieval_service.settings import Settings


async def search_texts(
    snapshot: Path, encoder: Encoder, texts: Sequence[str], *, k: int = 10, settings: Settings | None = None
) -> list[CollectedSearch | None]:
    """Return the record of each text's search in the default mode; None for one that the service refuses.

    Raises:
        RetrievalError: The snapshot cannot be opened, or the encoder gave no vectors.
    """
    settings = settings or default_settings()
    opened = open_snapshot(snapshot, terms=settings.lexical_terms, postings=settings.lexical_postings)
    try:
        with ThreadPoolExecutor(settings.search_threads, "search", initializer=use_one_thread) as executor:
            engine = make_engine(settings, executor)
            ready = EmbeddedQueries(encoder)
            requests = [request_of(text, k, 0) for text in texts]
            words = sorted({words_of(request) for request in requests if request} - {""})
            for start in range(0, len(words), 256):
                await ready.embed(words[start : start + 256])
            corpus = OpenCorpus(opened, ready, None, NoObserver())
            found: list[CollectedSearch | None] = []
            for request in requests:
                vectors: list[Vectors | None] = []
                try:
                    answer = await engine.search(corpus, request, vectors.append) if request else None
                except RequestError:
                    answer = None
                if answer and answer.degraded:
                    raise Unavailable(answer.degraded)
                moment = datetime.now(UTC).replace(second=0, microsecond=0)
                found.append(collected(corpus, answer, vectors[0], moment) if answer and answer.query.words else None)
            return found
    finally:
        await asyncio.to_thread(opened.close)
