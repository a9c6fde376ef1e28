"""Fill Milvus with the vectors of snapshots, list what it has, and remove what no snapshot needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.adapters.milvus_index import (
    ROW,
    VECTOR,
    MilvusOptions,
    collection_name,
    connect,
    count,
    first_line,
    index_kind,
)
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import VECTORS, Manifest
from retrieval_service.corpus.snapshot import open_snapshot
from retrieval_service.errors import VectorStoreUnusable

if TYPE_CHECKING:
    from pymilvus import MilvusClient

KINDS: dict[str, dict[str, int]] = {
    "FLAT": {},
    "HNSW": {"M": 16, "efConstruction": 200},
    "IVF_FLAT": {"nlist": 1024},
    "IVF_SQ8": {"nlist": 1024},
    "IVF_RABITQ": {"nlist": 1024},
    "GPU_CAGRA": {"intermediate_graph_degree": 64, "graph_degree": 32},
    "AUTOINDEX": {},
}
"""Kinds of index, with the parameters of their construction."""

Show = Callable[[int, int], None]
"""Moves a progress bar: the number of vectors that are stored, and of all."""

_BLOCK = 1_000  # vectors of one insert; a request of gRPC is bounded


class Loaded(msgspec.Struct, frozen=True):
    """Result of `load_snapshot`.

    Attributes:
        collection: Name of the collection.
        vectors: Number of vectors.
        kind: Kind of the index.
        seconds: Time that it took; 0 if it was there already.
    """

    collection: str
    vectors: int
    kind: str
    seconds: float


class Stored(msgspec.Struct, frozen=True):
    """Collection of Milvus.

    Attributes:
        collection: Its name.
        vectors: Number of vectors.
        kind: Kind of the index; None without one.
        snapshot: Id of the snapshot that it is of; None if there is no such snapshot here.
    """

    collection: str
    vectors: int
    kind: str | None
    snapshot: str | None


def load_snapshot(
    directory: Path,
    options: MilvusOptions,
    kind: str = "HNSW",
    progress: Show = lambda _done, _total: None,
) -> Loaded:
    """Make a collection of a snapshot's vectors, unless it is there whole with this kind of index.

    The vectors are those that the snapshot stores. A half-filled collection is made again. The alias that is the prefix
    of the names then points to the collection.

    Args:
        directory: Folder of the snapshot.
        options: Where Milvus is.
        kind: Kind of the index, one of `KINDS`.
        progress: Told the numbers of vectors that are stored, and of all.

    Raises:
        VectorStoreUnusable: Milvus refused something, or the vectors of the snapshot cannot be read back.
    """
    if kind not in KINDS:
        raise VectorStoreUnusable(f"there is no kind of index {kind!r}; there are: {', '.join(KINDS)}.")
    started = time.monotonic()
    with closing(open_snapshot(directory)) as snapshot, closing(connect(options)) as client:
        manifest = snapshot.manifest
        index = FaissIndex.open(directory / VECTORS)
        if not index.readable:
            raise VectorStoreUnusable(
                f"the vectors of snapshot {manifest.id} are packed codes that cannot be read back: make another index "
                "with akin index tune, or build it again."
            )
        name = name_of(manifest, options)
        try:
            if not _is_whole(client, name, len(index), kind):
                _drop(client, name, options)
                _fill(client, name, index, progress)
                _make_index(client, name, kind)
            if (stored := count(client, name)) != len(index):
                raise VectorStoreUnusable(f"{name} has {stored:,} vectors after {len(index):,} were stored: repeat it.")
            _point_alias(client, options.prefix, name)
        except VectorStoreUnusable:
            raise
        except Exception as error:  # the client's own errors and gRPC's
            raise VectorStoreUnusable(
                f"the vectors of snapshot {manifest.id} could not be stored in Milvus at {options.uri}: "
                f"{first_line(error)}. Repeat the command; what is half there is made again."
            ) from error
        return Loaded(name, len(index), kind, time.monotonic() - started)


def list_collections(options: MilvusOptions, snapshots: SnapshotDirectory) -> list[Stored]:
    """Return the collections of Akin, by name.

    Args:
        options: Where Milvus is.
        snapshots: The snapshots, whose collections are recognised.

    Raises:
        VectorStoreUnusable: Milvus cannot be reached.
    """
    known = {name_of(each, options): each.id for each in snapshots.manifests()}
    with closing(connect(options)) as client:
        names = sorted(each for each in client.list_collections() if each.startswith(f"{options.prefix}_"))
        return [Stored(each, count(client, each), _kind_or_none(client, each), known.get(each)) for each in names]


def drop_collections(options: MilvusOptions, names: list[str]) -> None:
    """Remove collections.

    Raises:
        VectorStoreUnusable: One does not exist, or Milvus cannot be reached.
    """
    with closing(connect(options)) as client:
        for name in names:
            if not client.has_collection(name):
                raise VectorStoreUnusable(f"Milvus at {options.uri} has no collection {name}: see akin milvus list.")
            _drop(client, name, options)


def name_of(manifest: Manifest, options: MilvusOptions) -> str:
    """Return the name of the collection of a snapshot."""
    return collection_name(options, manifest.id, manifest.encoder.digest)


def _is_whole(client: MilvusClient, name: str, vectors: int, kind: str) -> bool:
    return client.has_collection(name) and count(client, name) == vectors and _kind_or_none(client, name) == kind


def _kind_or_none(client: MilvusClient, name: str) -> str | None:
    try:
        return index_kind(client, name)
    except Exception:
        return None


def _fill(client: MilvusClient, name: str, index: FaissIndex, progress: Show) -> None:
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field(ROW, DataType.INT64, is_primary=True)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=index.dim)
    # Rows of a collection never change once it is searched, so that no search needs a stronger level.
    client.create_collection(name, schema=schema, consistency_level="Bounded")
    for at in range(0, len(index), _BLOCK):
        rows = range(at, min(len(index), at + _BLOCK))
        block: list[dict[str, Any]] = [
            {ROW: row, VECTOR: vector} for row, vector in zip(rows, index.vectors(rows), strict=True)
        ]
        client.insert(name, block)
        progress(rows.stop, len(index))
    client.flush(name)


def _make_index(client: MilvusClient, name: str, kind: str) -> None:
    parameters = client.prepare_index_params()
    parameters.add_index(VECTOR, index_type=kind, metric_type="IP", params=KINDS[kind])
    client.create_index(name, parameters)
    client.load_collection(name)


def _point_alias(client: MilvusClient, alias: str, name: str) -> None:
    if _aliased(client, alias) is None:
        client.create_alias(name, alias)
    else:
        client.alter_alias(name, alias)


def _drop(client: MilvusClient, name: str, options: MilvusOptions) -> None:
    """Remove a collection, after the alias that would keep it from being removed."""
    if _aliased(client, options.prefix) == name:
        client.drop_alias(options.prefix)
    client.drop_collection(name)


def _aliased(client: MilvusClient, alias: str) -> str | None:
    """Return the collection that an alias points to; None if there is no such alias."""
    try:
        described: Any = client.describe_alias(alias)
    except Exception:  # the client's own error for an alias that does not exist
        return None
    return str(described["collection_name"])
