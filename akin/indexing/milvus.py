"""Fill Milvus with the vectors and words of snapshots, change what it has, list it, and remove what is not needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from akin.indexing.bulk.files import EmbeddingFolder
from akin.indexing.milvus_rows import BLOCK, FileVectors, IndexVectors, MilvusRows, VectorSource
from akin.indexing.snapshot_parts import load_digests
from retrieval_service.adapters.milvus_collection import (
    RECORD,
    VECTOR,
    WORDS,
    MilvusOptions,
    collection_name,
    connect,
    count,
    fields_of,
    index_kind,
    real_name,
    refusals,
)
from retrieval_service.adapters.milvus_filter import CATEGORIES, DAY, MOST_LISTED, ROW, WITHDRAWN
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import Manifest
from retrieval_service.corpus.snapshot import open_snapshot, read_covered
from retrieval_service.errors import VectorStoreUnusable
from retrieval_service.ports import Rows

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

_CATEGORIES, _CODE = 1_024, 512  # most categories of a paper, and bytes of the code of one


class Loaded(msgspec.Struct, frozen=True):
    """Result of `load_snapshot` and of `update_collection`.

    Attributes:
        collection: Name of the collection.
        vectors: Number of vectors.
        kind: Kind of the index; None without one.
        seconds: Time that it took.
        written: Rows that were written; the others were there.
    """

    collection: str
    vectors: int
    kind: str | None
    seconds: float
    written: int


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


@contextmanager
def _opened(
    directory: Path, options: MilvusOptions, embeddings: str | None
) -> Iterator[tuple[Manifest, MilvusRows, VectorSource, int]]:
    """Yield the manifest of a snapshot, its rows, where their vectors come from, and the length of these.

    Raises:
        VectorStoreUnusable: The vectors cannot be read back, or the snapshot has no words to store.
        SnapshotError: The files of embeddings are not whole, or another encoder made them.
    """
    with closing(open_snapshot(directory)) as snapshot:
        manifest = snapshot.manifest
        digests = load_digests(directory, manifest)
        papers = read_covered(directory, manifest) if manifest.partial else None
        if options.words and papers is not None:
            raise VectorStoreUnusable(f"snapshot {manifest.id} is partial: complete it first (akin index update).")
        words = snapshot.own_words if options.words else None
        if words is not None and words.learned:
            raise VectorStoreUnusable(
                f"snapshot {manifest.id} ranks words by learned weights, which are searched in main memory: leave out "
                "--words, and AKIN_MILVUS_WORDS."
            )
        rows = MilvusRows(digests, snapshot.catalogue, papers, words)
        index = snapshot.own_vectors
        vectors: VectorSource = IndexVectors(index)
        if embeddings is not None:
            texts = digests["text"] if papers is None else digests["text"][papers]
            vectors = FileVectors(EmbeddingFolder(embeddings, manifest.encoder.digest), texts)
        elif not index.readable:
            raise VectorStoreUnusable(
                f"the vectors of snapshot {manifest.id} are packed codes that cannot be read back: give the files that "
                "akin embed made by --from, make another index with akin index tune, or build it again."
            )
        yield manifest, rows, vectors, index.dim


def load_snapshot(
    directory: Path,
    options: MilvusOptions,
    kind: str = "HNSW",
    progress: Show = lambda _done, _total: None,
    *,
    embeddings: str | None = None,
) -> Loaded:
    """Make a collection of a snapshot's vectors, unless it is there whole with this kind of index.

    A half-filled collection is made again. The alias that is the prefix of the names then points to the collection: for
    whoever searches by the alias, all rows change in one step.

    Args:
        directory: Folder of the snapshot.
        options: Where Milvus is, and whether words are stored too.
        kind: Kind of the index, one of `KINDS`.
        progress: Told the numbers of vectors that are stored, and of all.
        embeddings: Folder of the vectors (`akin embed`); None for those that the snapshot stores.

    Raises:
        VectorStoreUnusable: Milvus refused something, or vectors are missing or cannot be read back.
        SnapshotError: The files of embeddings are not whole, or another encoder made them.
    """
    if kind not in KINDS:
        raise VectorStoreUnusable(f"there is no kind of index {kind!r}; there are: {', '.join(KINDS)}.")
    started = time.monotonic()
    with _opened(directory, options, embeddings) as (manifest, rows, vectors, dim), closing(connect(options)) as client:
        name = name_of(manifest, options)
        written = 0
        with _refusals(manifest, options):
            if not _is_whole(client, name, rows, kind, options):
                written = len(rows)
                _drop(client, name)
                _create(client, name, dim, words=options.words)
                _write(client.insert, name, rows, vectors, np.arange(len(rows)), progress)
                client.flush(name)
                _make_index(client, name, kind, words=options.words)
            _check_count(client, name, len(rows))
            _point_alias(client, options.prefix, name)
        return Loaded(name, len(rows), kind, time.monotonic() - started, written)


def update_collection(
    directory: Path,
    options: MilvusOptions,
    progress: Show = lambda _done, _total: None,
    *,
    embeddings: str | None = None,
) -> Loaded:
    """Change the collection that was loaded last into that of another snapshot, in place.

    Only rows whose paper differs are written, and rows that are no more are deleted. The collection then gets its new
    name; the old one stays as an alias, for services that are at the old snapshot. These see by the records of rows
    which were changed. A command that was interrupted is repeated.

    Args:
        directory: Folder of the snapshot.
        options: Where Milvus is, and whether words are stored too.
        progress: Told the numbers of vectors that are stored, and of all.
        embeddings: Folder of the vectors (`akin embed`); None for those that the snapshot stores.

    Raises:
        VectorStoreUnusable: There is no collection that can be changed, or Milvus refused something.
        SnapshotError: The files of embeddings are not whole, or another encoder made them.
    """
    started = time.monotonic()
    with _opened(directory, options, embeddings) as (manifest, rows, vectors, dim), closing(connect(options)) as client:
        name, before = name_of(manifest, options), _aliased(client, options.prefix)
        advice = f"Make one: akin milvus load {manifest.id}{' --words' if options.words else ''}"
        if before is None:
            raise VectorStoreUnusable(f"Milvus at {options.address} has no collection that was loaded before. {advice}")
        if before.rpartition("_")[2] != name.rpartition("_")[2]:
            raise VectorStoreUnusable(f"the collection {before} has vectors of another encoder. {advice}")
        with _refusals(manifest, options):
            fields = fields_of(client, before)
            if fields[VECTOR] != dim or (WORDS in fields) != options.words or RECORD not in fields:
                raise VectorStoreUnusable(f"the collection {before} has other fields or vectors. {advice}")
            client.load_collection(before)
            known = _records(client, before)
            gone = [row for row in known if row >= len(rows)]
            stored = np.zeros(len(rows), np.bool_)
            there = np.array([row for row in known if row < len(rows)], np.int64)
            stored[there] = rows.records[there] == np.array([known[row] for row in there.tolist()], np.int64)
            changed = np.flatnonzero(~stored)
            _write(client.upsert, before, rows, vectors, changed, progress)
            for at in range(0, len(gone), MOST_LISTED):
                client.delete(before, ids=gone[at : at + MOST_LISTED])
            client.flush(before)
            _check_count(client, before, len(rows))
            if name != before:
                _drop_alias(client, name)
                client.rename_collection(before, name)
                client.load_collection(name)
                for alias in _aliases(client, name):
                    if alias != options.prefix:
                        client.drop_alias(alias)
                client.create_alias(name, before)
            _point_alias(client, options.prefix, name)
            kind = index_kind(client, name)
        return Loaded(name, len(rows), kind, time.monotonic() - started, len(changed))


def list_collections(options: MilvusOptions, snapshots: SnapshotDirectory) -> list[Stored]:
    """Return the collections of Akin, by name.

    Args:
        options: Where Milvus is.
        snapshots: The snapshots, whose collections are recognised.

    Raises:
        VectorStoreUnusable: Milvus cannot be reached.
    """
    known = {name_of(each, options): each.id for each in snapshots.manifests()}
    with closing(connect(options)) as client, _refusals_after_connecting(options):
        names = sorted(each for each in client.list_collections() if each.startswith(f"{options.prefix}_"))
        return [Stored(each, count(client, each), index_kind(client, each), known.get(each)) for each in names]


def drop_collections(options: MilvusOptions, names: list[str]) -> None:
    """Remove collections.

    Raises:
        VectorStoreUnusable: One does not exist, or Milvus cannot be reached.
    """
    with closing(connect(options)) as client, _refusals_after_connecting(options):
        for name in names:
            if not client.has_collection(name):
                raise VectorStoreUnusable(f"Milvus at {options.address} has no collection {name}: akin milvus list.")
            _drop(client, name)


def _refusals_after_connecting(options: MilvusOptions) -> AbstractContextManager[None]:
    return refusals(f"Milvus at {options.address} failed", "Repeat the command.")


def name_of(manifest: Manifest, options: MilvusOptions) -> str:
    """Return the name of the collection of a snapshot."""
    return collection_name(options, manifest.id, manifest.encoder.digest)


def _refusals(manifest: Manifest, options: MilvusOptions) -> AbstractContextManager[None]:
    return refusals(
        f"the vectors of snapshot {manifest.id} could not be stored in Milvus at {options.address}",
        "Repeat the command; what is half there is made again.",
    )


def _is_whole(client: MilvusClient, name: str, rows: MilvusRows, kind: str, options: MilvusOptions) -> bool:
    if not client.has_collection(name) or real_name(client, name) != name:
        return False
    fields = fields_of(client, name)
    if RECORD not in fields or (options.words and WORDS not in fields):
        return False
    if count(client, name) != len(rows) or index_kind(client, name) != kind:
        return False
    client.load_collection(name)
    return _records(client, name) == dict(enumerate(rows.records.tolist()))


def _create(client: MilvusClient, name: str, dim: int, *, words: bool) -> None:
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field(ROW, DataType.INT64, is_primary=True)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dim)
    schema.add_field(RECORD, DataType.INT64)
    schema.add_field(DAY, DataType.INT64)
    schema.add_field(WITHDRAWN, DataType.BOOL)
    schema.add_field(
        CATEGORIES, DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=_CATEGORIES, max_length=_CODE
    )
    if words:
        schema.add_field(WORDS, DataType.SPARSE_FLOAT_VECTOR)
    # A row that is not the snapshot's is known by its record, so that no search needs a stronger level.
    client.create_collection(name, schema=schema, consistency_level="Bounded")


def _write(
    write: Callable[..., Any], name: str, rows: MilvusRows, vectors: VectorSource, wanted: Rows, progress: Show
) -> None:
    """Write some rows by a function of the client; `flush` makes them durable."""
    done = 0
    for some, found in vectors.parts(wanted):
        write(name, rows.block(some, found))
        done += len(some)
        progress(done, len(wanted))


def _records(client: MilvusClient, name: str) -> dict[int, int]:
    """Return the record of each row that a collection has."""
    found: dict[int, int] = {}
    # With the strongest level, as what was written last must be seen.
    rows: Any = client.query_iterator(
        name, batch_size=BLOCK, filter=f"{ROW} >= 0", output_fields=[ROW, RECORD], consistency_level="Strong"
    )
    try:
        while batch := rows.next():
            found.update((each[ROW], each[RECORD]) for each in batch)
    finally:
        rows.close()
    return found


def _check_count(client: MilvusClient, name: str, wanted: int) -> None:
    if (stored := count(client, name)) != wanted:
        raise VectorStoreUnusable(f"{name} has {stored:,} vectors after {wanted:,} were stored: repeat it.")


def _make_index(client: MilvusClient, name: str, kind: str, *, words: bool) -> None:
    parameters = client.prepare_index_params()
    parameters.add_index(VECTOR, index_type=kind, metric_type="IP", params=KINDS[kind])
    if words:
        parameters.add_index(WORDS, index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    client.create_index(name, parameters)
    client.load_collection(name)


def _point_alias(client: MilvusClient, alias: str, name: str) -> None:
    if _aliased(client, alias) is None:
        client.create_alias(name, alias)
    else:
        client.alter_alias(name, alias)


def _drop(client: MilvusClient, name: str) -> None:
    """Remove a collection, after the aliases that would keep it from being removed; or an alias of this name."""
    if _aliased(client, name) is not None:
        client.drop_alias(name)
    elif client.has_collection(name):
        for alias in _aliases(client, name):
            client.drop_alias(alias)
        client.drop_collection(name)


def _drop_alias(client: MilvusClient, alias: str) -> None:
    if _aliased(client, alias) is not None:
        client.drop_alias(alias)


def _aliases(client: MilvusClient, name: str) -> list[str]:
    """Return the aliases of a collection."""
    listed: Any = client.list_aliases(name)
    return list(listed["aliases"])


def _aliased(client: MilvusClient, alias: str) -> str | None:
    """Return the collection that an alias points to; None if there is no such alias."""
    from pymilvus import MilvusException

    try:
        described: Any = client.describe_alias(alias)
    except MilvusException:
        return None
    return str(described["collection_name"])
