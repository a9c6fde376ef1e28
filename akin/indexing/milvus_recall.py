"""Measure the recall of a collection of Milvus beside that of a snapshot's own index, and the effort that is enough."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np

from akin.indexing.recall import TUNING_QUERIES, QuerySample, embed_queries, measure
from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.adapters.milvus_collection import MilvusCollection, MilvusOptions, effort_of, open_collection
from retrieval_service.adapters.milvus_index import MilvusIndex
from retrieval_service.corpus.snapshot import open_snapshot
from retrieval_service.errors import SnapshotError
from retrieval_service.ports import Encoder

EFFORTS = {"ef": (100, 128, 192, 256, 384, 512, 1024), "nprobe": (1, 2, 4, 8, 16, 32, 64, 128, 256)}
"""Efforts that are tried, the smallest first; a search asks for 100 rows, below which no `ef` may be."""


class Measured(msgspec.Struct, frozen=True):
    """Recall of one index at one effort.

    Attributes:
        index: `memory`, or the kind of the collection's index.
        effort: `nprobe` or `ef`; None for an index without.
        recall: Share of the ten nearest papers that it finds.
        ms: Time of a search on one thread.
    """

    index: str
    effort: int | None
    recall: float
    ms: float


async def measure_collection(
    directory: Path,
    options: MilvusOptions,
    encoder: Encoder,
    target: float,
    report: Callable[[Measured], None],
    queries: int = TUNING_QUERIES,
) -> list[Measured]:
    """Return the recall of a snapshot's index, and of its collection up to the first effort that is enough.

    Args:
        directory: Folder of the snapshot.
        options: Where its collection is.
        encoder: Makes the vectors of the queries, which are titles of papers.
        target: Recall that is enough.
        report: Called with each measurement.
        queries: Number of queries.

    Raises:
        VectorStoreUnusable: There is no whole collection of the snapshot.
        SnapshotError: The snapshot's vectors cannot be read back.
    """
    with closing(open_snapshot(directory)) as snapshot:
        manifest, main = snapshot.manifest, snapshot.own_vectors
        if not main.readable or manifest.partial:
            raise SnapshotError(f"the vectors of snapshot {manifest.id} are not all there to compare with.")
        sample = QuerySample.draw(snapshot.catalogue.papers, manifest.papers, queries)
    shape = len(main), main.dim
    collection, kind = await asyncio.to_thread(
        open_collection, options._replace(words=False), manifest.id, manifest.encoder.digest, shape
    )
    with closing(collection):
        asked = await embed_queries(
            encoder, sample.texts, sample.rows, len(main), lambda rows: main.vectors(np.asarray(rows).tolist())
        )
        found: list[Measured] = []

        def add(name: str, effort: int | None, index: FaissIndex | MilvusIndex) -> None:
            found.append(Measured(name, effort, *measure(index, asked)))
            report(found[-1])

        await asyncio.to_thread(add, "memory", manifest.index.nprobe, main)
        parameter = effort_of(kind)
        for effort in EFFORTS[parameter] if parameter else (None,):
            at: MilvusCollection = collection.with_effort(effort)
            await asyncio.to_thread(add, kind, effort, MilvusIndex(main, at, effort=parameter))
            if at.status is not None:
                raise SnapshotError(f"{at.status}: nothing was measured.")
            if found[-1].recall >= target:
                break
        return found
