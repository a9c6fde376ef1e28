"""Make papers of the collection's texts, one for each vector, and a snapshot of them.

A paper's vector is that of its text. Its abstract is that text and others after it, up to the usual length of an
abstract: lexical search then has as many words to process as in a real corpus of that size. Such abstracts have no
meaning, so the relevance of the answers is not measured.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from akin.indexing.build import build_snapshot
from akin.indexing.embedding_store import EmbeddingStore, text_digest
from akin.papers import Paper, passage_text
from akin.stack.lifecycle import encoder_server
from akin.stack_settings import Settings
from benchmarks.retrieval.collection import TextCollection
from benchmarks.retrieval.shards import SHARD, vectors_path
from retrieval_service.adapters.triton import TritonConnection
from retrieval_service.corpus.manifest import Manifest
from retrieval_service.ports import EncoderIdentity

ABSTRACT_WORDS = 140
"""The mean length of the 100,000 abstracts that the texts are cut from."""

_TITLE_WORDS = 12


def papers(collection: TextCollection, count: int, seed: int = 1) -> Iterator[Paper]:
    """Yield the papers of the first `count` texts; each is made of texts of one shard, and the seed decides which."""
    texts = collection.texts(count)
    for shard in range(-(-count // SHARD)):
        rng = random.Random(f"{seed} {shard}")
        own = list(islice(texts, SHARD))
        for place, text in enumerate(own):
            parts = [text.text]
            words = len(text.text.split())
            while words < ABSTRACT_WORDS:
                other = rng.choice(own).text
                parts.append(other)
                words += len(other.split())
            title = " ".join(text.text.split()[:_TITLE_WORDS])
            yield Paper(id=f"{text.paper}-{shard * SHARD + place}", title=title, abstract=" ".join(parts))


def build_made_snapshot(
    collection: TextCollection, count: int, settings: Settings, source_name: str, say: Callable[[str], None]
) -> Manifest:
    """Store the vectors of the papers as embeddings, then build and publish a snapshot of the papers.

    Raises:
        ServiceError: The snapshot cannot be built.
    """

    async def run(url: str, version: int) -> Manifest:
        triton = TritonConnection(url, version=version, repository=settings.repository)
        try:
            encoder = await triton.find()
            import_vectors(collection, count, settings, encoder.identity)
            made = papers(collection, count)
            return await build_snapshot(made, encoder, settings.data, source_name=source_name)
        finally:
            await triton.close()

    with encoder_server(settings, say) as (url, version):
        return asyncio.run(run(url, version.number))


def import_vectors(collection: TextCollection, count: int, settings: Settings, encoder: EncoderIdentity) -> None:
    """Add the vectors to the embedding store, under the texts of the papers that are made of them."""
    made = papers(collection, count)
    with EmbeddingStore(settings.data / "embeddings" / encoder.digest, encoder.dim) as store:
        for shard in range(-(-count // SHARD)):
            digests = [text_digest(passage_text(paper)) for paper in islice(made, SHARD)]
            vectors = np.load(vectors_path(collection.folder, shard))[: len(digests)]
            new = np.flatnonzero(store.positions(digests) < 0)
            if len(new):
                store.append([digests[place] for place in new], vectors[new].astype(np.float32))
        store.sync()
