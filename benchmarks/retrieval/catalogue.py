"""Papers made of the collection's texts, as many as there are vectors, and a snapshot of them.

A paper's vector is that of its text; its abstract is that text followed by others until it is as long as abstracts
are, so that lexical search has as many real words to go through as a corpus of that size has. Such abstracts make no
sense, and nothing is said here of how relevant the answers are.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from akin.settings import Settings
from akin.stack.lifecycle import encoder_server
from benchmarks.retrieval.collection import TextCollection
from benchmarks.retrieval.shards import SHARD, vectors_path
from indexing.build import build_snapshot
from indexing.embedding_store import EmbeddingStore, text_digest
from papers import Paper, passage_text
from retrieval_service.adapters.triton import TritonConnection
from retrieval_service.corpus.manifest import Manifest
from retrieval_service.ports import EncoderIdentity

ABSTRACT_WORDS = 140
"""The mean of the 100,000 abstracts that the texts are cut from."""

_TITLE_WORDS = 12


def papers(collection: TextCollection, count: int, seed: int = 1) -> Iterator[Paper]:
    """The papers of the first `count` texts, the same for the same seed; a shard's texts are mixed with its own."""
    texts = collection.texts(count)
    for shard in range(-(-count // SHARD)):
        chance = random.Random(f"{seed} {shard}")
        own = list(islice(texts, SHARD))
        for place, text in enumerate(own):
            parts = [text.text]
            words = len(text.text.split())
            while words < ABSTRACT_WORDS:
                other = chance.choice(own).text
                parts.append(other)
                words += len(other.split())
            title = " ".join(text.text.split()[:_TITLE_WORDS])
            yield Paper(id=f"{text.paper}-{shard * SHARD + place}", title=title, abstract=" ".join(parts))


def build(
    collection: TextCollection, count: int, settings: Settings, source_name: str, say: Callable[[str], None]
) -> Manifest:
    """Builds and publishes a snapshot of the papers; their vectors are put into the embedding store first.

    Raises:
        ServiceError: It cannot be built.
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
    """Puts the vectors where a build looks for them, under the texts of the papers that are made of them."""
    made = papers(collection, count)
    with EmbeddingStore(settings.data / "embeddings" / encoder.digest, encoder.dim) as store:
        for shard in range(-(-count // SHARD)):
            digests = [text_digest(passage_text(paper)) for paper in islice(made, SHARD)]
            vectors = np.load(vectors_path(collection.folder, shard))[: len(digests)]
            new = np.flatnonzero(store.positions(digests) < 0)
            if len(new):
                store.append([digests[place] for place in new], vectors[new].astype(np.float32))
        store.sync()
