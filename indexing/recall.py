"""Measuring a published snapshot: what its index finds of what exact search over the stored embeddings finds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexing.embedding_store import StoredEmbeddings
from indexing.faiss_recall import exact_nearest, measure
from indexing.row_parts import take_digests
from indexing.vector_part import vectors_of
from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.corpus.manifest import VECTORS, Manifest, read_manifest
from retrieval_service.errors import EmbeddingsMissing
from retrieval_service.ports import Rows


@dataclass(frozen=True)
class Measured:
    """What a snapshot's index finds.

    Attributes:
        recall_at_10: share of the ten nearest papers.
        ms: for a query, on one thread.
        queries: how many papers were asked with.
        published: the recall@10 in the manifest, with queries of another kind; None for an exact index.
    """

    recall_at_10: float
    ms: float
    queries: int
    published: float | None


def measured_recall(directory: Path, data: Path, *, queries: int = 256, seed: int = 0) -> Measured:
    """Asks a snapshot's index, as it serves, with a random sample of its own papers' vectors, each without its paper.

    Exact search compares the stored embeddings, not what the index made of them; no text is embedded.

    Args:
        directory: the snapshot.
        data: the data directory, where the embeddings are.
        queries: how many papers are asked with.
        seed: of the sample.

    Raises:
        SnapshotInvalid: the index or the digests are damaged.
        EmbeddingsMissing: embeddings of its papers are not in the data directory.
    """
    manifest = read_manifest(directory)
    digests = take_digests(directory, manifest)
    folder = data / "embeddings" / manifest.encoder.digest
    if not folder.is_dir():
        raise EmbeddingsMissing(f"{folder}: is missing; recall is measured against the stored embeddings.")
    with StoredEmbeddings(folder, manifest.encoder.dim) as store:
        positions = store.positions(digests["text"].tolist())
        if missing := int(np.count_nonzero(positions < 0)):
            raise EmbeddingsMissing(f"{folder}: lacks the embeddings of {missing:,} papers of {manifest.id}.")
        count = min(queries, manifest.papers)
        own: Rows = np.sort(np.random.default_rng(seed).choice(manifest.papers, count, replace=False))
        corpus = vectors_of(store, positions)
        asked = exact_nearest(corpus(own), own, manifest.papers, corpus)
    index = FaissIndex.open(directory / VECTORS, nprobe=manifest.index.nprobe, k_factor=manifest.index.k_factor)
    recall, ms = measure(index, asked)
    return Measured(recall, ms, count, published_recall(manifest))


def published_recall(manifest: Manifest) -> float | None:
    """The recall@10 that a manifest claims for the way its index serves."""
    index = manifest.index
    points = [p for p in index.curve if (p.recipe or index.recipe) == index.recipe and p.nprobe == index.nprobe]
    return next((p.recall_at_10 for p in points if p.k_factor in (index.k_factor, 1.0)), None)
