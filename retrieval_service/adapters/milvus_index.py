"""The vector index in Milvus, with the index in main memory as its fallback."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.adapters.milvus_collection import (
    MOST,
    VECTOR,
    MilvusCollection,
    MilvusOptions,
    best_within,
    effort_of,
    open_collection,
)
from retrieval_service.adapters.milvus_filter import MOST_LISTED, expression_of
from retrieval_service.ports import Elsewhere, Hits, RowSet, Vectors


class MilvusIndex:
    """A collection of unit vectors under the inner product; thread-safe.

    Attributes:
        collection: The collection.
    """

    elsewhere: Elsewhere = "milvus"

    def __init__(self, main: FaissIndex, collection: MilvusCollection, *, effort: str | None) -> None:
        """Take a collection that `open_milvus` has checked.

        Args:
            main: The index of the same vectors in main memory.
            collection: The collection.
            effort: Name of the parameter that `nprobe` overrides; None if its index has none.
        """
        self.collection = collection
        self._main, self._effort = main, effort

    @property
    def status(self) -> str | None:
        """The error of the last search, while vectors are searched in main memory; None otherwise."""
        return self.collection.status

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self._main.dim

    @property
    def place(self) -> str:
        """Words for where and how vectors are searched."""
        return "Milvus" if self.status is None else self._main.place

    def __len__(self) -> int:
        """Return the number of vectors."""
        return len(self._main)

    def search(self, vector: Vectors, k: int, *, within: RowSet | None = None, nprobe: int | None = None) -> Hits:
        """Return the k admitted rows of greatest inner product with a vector [dim].

        `nprobe` takes the place of the collection's effort: `ef` of a graph, `nprobe` of lists.
        """
        k = min(k, len(self) if within is None else within.count)
        if k == 0:
            return Hits(np.empty(0, np.int64), np.empty(0, np.float32))
        found = self.collection.answer(lambda: self._find(vector, k, within, nprobe))
        if found is None:
            return self._main.search(vector, k, within=within)
        return found._replace(bounds=self._main.bounds(vector))

    def vectors(self, rows: Sequence[int]) -> Vectors:
        """Return the stored vectors of some rows, float32 [n, dim]: those of the snapshot's own index."""
        return self._main.vectors(rows)

    def close(self) -> None:
        """Close the connection."""
        self.collection.close()

    def _find(self, vector: Vectors, k: int, within: RowSet | None, nprobe: int | None) -> Hits | None:
        """Return the best rows; None if Milvus cannot give so many of a filter's, or is at another snapshot."""
        ask = partial(self._ask, np.ascontiguousarray(vector, np.float32), nprobe)
        if within is None or within.count == len(self):
            return ask(k, "") if k <= MOST else None
        if within.wanted is not None and within.count > MOST_LISTED and k <= MOST:
            told = expression_of(within.wanted)
            if told is not None and not told[1]:
                return ask(k, told[0])
        return best_within(ask, within, k)

    def _ask(self, vector: Vectors, nprobe: int | None, k: int, condition: str) -> Hits | None:
        effort = nprobe if nprobe is not None else self.collection.options.effort
        parameters: dict[str, int] = {}
        if self._effort == "ef":
            parameters["ef"] = max(effort or 0, k, 64)
        elif self._effort is not None and effort is not None:
            parameters[self._effort] = effort
        return self.collection.ask(VECTOR, vector, k, parameters, condition)


def open_milvus(
    main: FaissIndex, options: MilvusOptions, snapshot: str, digest: str, records: NDArray[np.int64] | None = None
) -> MilvusIndex:
    """Return the index of a snapshot's vectors in Milvus.

    Args:
        main: The same vectors in main memory.
        options: Where the collection is.
        snapshot: Id of the snapshot.
        digest: Digest of the encoder that made the vectors.
        records: What the field `record` of each row must be; None not to compare it.

    Raises:
        VectorStoreUnusable: Milvus cannot be reached, or has no whole collection of these vectors.
    """
    collection, kind = open_collection(options, snapshot, digest, (len(main), main.dim), records)
    return MilvusIndex(main, collection, effort=effort_of(kind))
