"""The vector index in Milvus, with the index in main memory as its fallback.

A snapshot's vectors are one collection, which `akin.indexing.milvus` fills. Its name has the id of the snapshot and the
encoder's digest, so that a service never searches the vectors of another one. Milvus stores rows and vectors only:
words are searched in the snapshot. milvus-lite (a path in place of an address) is the same interface in one process.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.errors import VectorStoreUnusable
from retrieval_service.ports import Hits, RowSet, Vectors

if TYPE_CHECKING:
    from pymilvus import MilvusClient

    from akin.settings.places import MilvusPlace

ROW, VECTOR = "row", "vector"

MOST = 16_384
"""Greatest number of results that Milvus gives to one search."""

_LISTED = 4_096  # rows that a filter may name one by one
_RETRY_SECONDS = 10.0
_log = logging.getLogger(__name__)


class MilvusOptions(NamedTuple):
    """Options of a search in Milvus.

    Attributes:
        uri: Address such as `http://milvus:19530`, or the path of a file of milvus-lite.
        token: `user:password` or a key; empty for none.
        prefix: Beginning of the names of collections.
        seconds: Longest wait for an answer.
        effort: `ef` of a graph or `nprobe` of lists; None for Milvus's own default.
    """

    uri: str
    token: str = ""
    prefix: str = "akin"
    seconds: float = 2.0
    effort: int | None = None


def milvus_options(settings: MilvusPlace) -> MilvusOptions:
    """Return where the settings say that Milvus is."""
    token = settings.milvus_token.get_secret_value()
    return MilvusOptions(
        settings.milvus_uri, token, settings.milvus_prefix, settings.milvus_seconds, settings.milvus_effort
    )


def collection_name(options: MilvusOptions, snapshot: str, digest: str) -> str:
    """Return the name of the collection with a snapshot's vectors of an encoder."""
    return re.sub(r"\W", "_", f"{options.prefix}_{snapshot}_{digest[:12]}")


def connect(options: MilvusOptions) -> MilvusClient:
    """Return a client.

    Raises:
        VectorStoreUnusable: The package is not installed, or nothing answers at the address.
    """
    try:
        from pymilvus import MilvusClient
    except ImportError as error:
        raise VectorStoreUnusable(
            "AKIN_MILVUS_URI is set and Milvus's client is not installed: install the extra `scale`, or unset it."
        ) from error
    try:
        return MilvusClient(uri=options.uri, token=options.token, timeout=max(options.seconds, 10.0))
    except Exception as error:  # the client's own errors, gRPC's, and those of a file
        raise VectorStoreUnusable(
            f"Milvus at {options.uri} cannot be reached: {first_line(error)}. Start it, or correct AKIN_MILVUS_URI and "
            "AKIN_MILVUS_TOKEN; without AKIN_MILVUS_URI vectors are searched in main memory."
        ) from error


class MilvusIndex:
    """A collection of unit vectors under the inner product; thread-safe.

    A search that fails is answered by the index in main memory, as are all searches in the next ten seconds.

    Attributes:
        status: The error of the last search, while vectors are searched in main memory; None otherwise.
        lacks: The place that `status` is about.
    """

    lacks: Literal["gpu", "milvus"] = "milvus"

    def __init__(
        self,
        main: FaissIndex,
        client: MilvusClient,
        collection: str,
        options: MilvusOptions,
        *,
        effort: str | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take a collection that `open_milvus` has checked.

        Args:
            main: The index of the same vectors in main memory.
            client: The client.
            collection: Name of the collection.
            options: How to search.
            effort: Name of the parameter that `nprobe` overrides; None if its index has none.
            clock: Seconds that never go back.
        """
        self.status: str | None = None
        self._main, self._client, self._collection, self._options = main, client, collection, options
        self._effort, self._clock = effort, clock
        self._retry_at = 0.0

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self._main.dim

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
        if self.status is None or self._clock() >= self._retry_at:
            try:
                found = self._find(vector, k, within, nprobe)
                self.status = None
                if found is not None:
                    return found._replace(bounds=self._main.bounds(vector))
            except Exception as error:  # the client's own errors and gRPC's
                self.status = f"Milvus failed: {first_line(error)}"
                self._retry_at = self._clock() + _RETRY_SECONDS
                _log.error("%s; vectors are searched in main memory for %.0f s.", self.status, _RETRY_SECONDS)
        return self._main.search(vector, k, within=within)

    def vectors(self, rows: Sequence[int]) -> Vectors:
        """Return the stored vectors of some rows, float32 [n, dim]: those of the snapshot's own index."""
        return self._main.vectors(rows)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _find(self, vector: Vectors, k: int, within: RowSet | None, nprobe: int | None) -> Hits | None:
        """Return the best rows; None if Milvus cannot give so many of a filter's."""
        if within is None or within.count == len(self):
            return self._ask(vector, k, nprobe) if k <= MOST else None
        if within.count <= _LISTED:
            listed = ",".join(map(str, np.flatnonzero(within.mask).tolist()))
            return self._ask(vector, k, nprobe, f"{ROW} in [{listed}]")
        # The best of all rows include the best admitted ones as soon as k of them are admitted.
        wanted = min(MOST, 2 * k * len(self) // within.count)
        while True:
            found = self._ask(vector, wanted, nprobe)
            admitted = within.mask[found.rows]
            if np.count_nonzero(admitted) >= k:
                return Hits(found.rows[admitted][:k], found.scores[admitted][:k])
            if wanted == MOST:
                return None
            wanted = min(MOST, 4 * wanted)

    def _ask(self, vector: Vectors, k: int, nprobe: int | None, condition: str = "") -> Hits:
        effort = nprobe if nprobe is not None else self._options.effort
        parameters: dict[str, int] = {}
        if self._effort == "ef":
            parameters["ef"] = max(effort or 0, k, 64)
        elif self._effort is not None and effort is not None:
            parameters[self._effort] = effort
        (found,) = self._client.search(
            self._collection,
            [np.ascontiguousarray(vector, np.float32)],
            filter=condition,
            limit=k,
            search_params={"params": parameters},
            timeout=self._options.seconds,
        )
        rows = np.array([each[ROW] for each in found], np.int64)
        scores = np.array([each["distance"] for each in found], np.float32)
        order = np.lexsort((rows, -scores))
        return Hits(rows[order], scores[order])


def open_milvus(main: FaissIndex, options: MilvusOptions, snapshot: str, digest: str) -> MilvusIndex:
    """Return the index of a snapshot's vectors in Milvus.

    Args:
        main: The same vectors in main memory.
        options: Where the collection is.
        snapshot: Id of the snapshot.
        digest: Digest of the encoder that made the vectors.

    Raises:
        VectorStoreUnusable: Milvus cannot be reached, or has no whole collection of these vectors.
    """
    client = connect(options)
    name = collection_name(options, snapshot, digest)
    advice = f"Fill it: akin milvus load {snapshot}"
    try:
        if not client.has_collection(name):
            others = [each for each in client.list_collections() if each.startswith(f"{options.prefix}_")]
            raise VectorStoreUnusable(
                f"Milvus at {options.uri} has no vectors of snapshot {snapshot} (it has "
                f"{', '.join(sorted(others)) or 'no collection of Akin'}). {advice}"
            )
        stored = count(client, name)
        if stored != len(main):
            raise VectorStoreUnusable(
                f"the collection {name} has {stored:,} vectors of {len(main):,}: it was filled by half. {advice}"
            )
        if (dim := dimensions(client, name)) != main.dim:
            raise VectorStoreUnusable(f"the collection {name} has vectors of length {dim}, not {main.dim}. {advice}")
        kind = index_kind(client, name)
        client.load_collection(name)
    except VectorStoreUnusable:
        client.close()
        raise
    except Exception as error:  # the client's own errors and gRPC's
        client.close()
        raise VectorStoreUnusable(f"the collection {name} cannot be used: {first_line(error)}. {advice}") from error
    return MilvusIndex(main, client, name, options, effort=EFFORT.get(kind.split("_")[0]))


EFFORT: Mapping[str, str] = {"HNSW": "ef", "IVF": "nprobe"}
"""Parameter of a search that decides how much of an index it reads, by the beginning of the index's kind."""


def count(client: MilvusClient, name: str) -> int:
    """Return the number of vectors of a collection, as its rows are."""
    found: Any = client.get_collection_stats(name)
    return int(found["row_count"])


def dimensions(client: MilvusClient, name: str) -> int:
    """Return the length of a collection's vectors."""
    described: Any = client.describe_collection(name)
    (field,) = (each for each in described["fields"] if each["name"] == VECTOR)
    return int(field["params"]["dim"])


def index_kind(client: MilvusClient, name: str) -> str:
    """Return the kind of a collection's index, such as `HNSW`."""
    described: Any = client.describe_index(name, VECTOR)
    return str(described["index_type"])


def first_line(error: Exception) -> str:
    """Return the first line of an error, without the client's frame around it."""
    text = str(getattr(error, "message", "") or error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
