"""Systems under measurement, behind one interface: FAISS as Akin uses it, FAISS as the reference, and the peers.

A system runs in a process of its own (`worker.py`) and in its own environment, so its library is imported inside.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.retrieval.shards import SHARD, rows, vector_blocks

if TYPE_CHECKING:
    from akin.indexing.faiss_recipe import Recipe

K = 10
TOGETHER = 128
"""Queries in one call of a thread of `Akin`: more bring no speed and take more memory."""

OperatingPoint = dict[str, int]
Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]


class VectorSystem(Protocol):
    """System that searches vectors.

    Attributes:
        library: The module of the system; it is imported before the first measurement of memory.
        points: The operating points.
    """

    library: str
    points: Sequence[OperatingPoint]

    def build(self, folder: Path, count: int, path: Path, threads: int) -> None:
        """Make the index of the first `count` vectors of a collection and write it."""

    def open(self, path: Path, count: int, dim: int, threads: int) -> None:
        """Open the index for searching."""

    def search(self, queries: Vectors, point: OperatingPoint) -> Rows:
        """Return the rows of the ten nearest of each query, int64 [n, 10], at an operating point."""


class Akin:
    """Index by the recipe for a corpus of this size, built and opened as the service does it.

    Attributes:
        library: The module of the system.
        points: The operating points.
        codes: Codes and refinement to try instead of the recipe's, in the notation of FAISS's index factory.
    """

    library = "faiss"
    points: Sequence[OperatingPoint] = tuple(
        {"nprobe": nprobe, "k_factor": k_factor}
        for nprobe in (16, 24, 32, 48, 64, 96, 128)
        for k_factor in (2, 3, 4, 8, 16)
    )

    def __init__(self, codes: str | None = None) -> None:
        """Use these codes; None for the recipe unchanged."""
        self.codes = codes

    def build(self, folder: Path, count: int, path: Path, threads: int) -> None:
        """Train on a random sample and add all vectors, as a snapshot's build does."""
        import faiss

        from akin.indexing.faiss_writer import build_index, write_index

        faiss.omp_set_num_threads(threads)
        dim = next(iter(vector_blocks(folder, 1))).shape[1]
        index = build_index(self.recipe(count, dim), count, dim, lambda wanted: rows(folder, wanted))
        write_index(index, path)

    def recipe(self, count: int, dim: int) -> Recipe:
        """Return the recipe for `count` vectors of this length."""
        from akin.indexing.faiss_recipe import choose_recipe

        if not self.codes:
            return choose_recipe(count, dim)
        recipe = choose_recipe(count, dim, exact_below=0)
        return replace(recipe, factory=f"IVF{recipe.nlist},{self.codes}")

    def open(self, path: Path, count: int, dim: int, threads: int) -> None:
        """Open the file as the service does, and start threads that search independently."""
        import faiss

        from retrieval_service.adapters.faiss_index import FaissIndex, use_one_thread

        self._faiss = faiss
        self._threads = ThreadPoolExecutor(threads, initializer=use_one_thread)
        self._index = FaissIndex.open(path).index
        if not isinstance(self._index, faiss.IndexRefine):
            listed = isinstance(self._index, faiss.IndexIVF)
            every = dict.fromkeys(point["nprobe"] for point in self.points)
            self.points = [{"nprobe": nprobe} for nprobe in every] if listed else [{}]

    def search(self, queries: Vectors, point: OperatingPoint) -> Rows:
        """Search for `TOGETHER` queries in each call, on all threads, with the point as parameters of the call."""
        parameters = self._faiss.SearchParametersIVF(nprobe=point["nprobe"]) if point else None
        if "k_factor" in point:
            parameters = self._faiss.IndexRefineSearchParameters(
                k_factor=point["k_factor"], base_index_params=parameters
            )

        def some(at: int) -> Rows:
            return np.asarray(self._index.search(queries[at : at + TOGETHER], K, params=parameters)[1], np.int64)

        return np.concatenate(list(self._threads.map(some, range(0, len(queries), TOGETHER))))


class Reference:
    """`IVF4096,Flat`, whole vectors in memory, trained on 40 vectors for each list: FAISS needs at least 39."""

    library = "faiss"
    points: Sequence[OperatingPoint] = ({"nprobe": 64},)
    lists = 4096
    sample = 40 * lists

    def build(self, folder: Path, count: int, path: Path, threads: int) -> None:
        """Train and add."""
        import faiss

        faiss.omp_set_num_threads(threads)
        dim = next(iter(vector_blocks(folder, 1))).shape[1]
        index = faiss.index_factory(dim, f"IVF{self.lists},Flat", faiss.METRIC_INNER_PRODUCT)
        index.train(np.concatenate(list(vector_blocks(folder, min(self.sample, count)))))
        for block in vector_blocks(folder, count):
            index.add(block)
        faiss.write_index(index, str(path))

    def open(self, path: Path, count: int, dim: int, threads: int) -> None:
        """Read the file into memory."""
        import faiss

        faiss.omp_set_num_threads(threads)
        self._index: Any = faiss.read_index(str(path))

    def search(self, queries: Vectors, point: OperatingPoint) -> Rows:
        """Search in one call."""
        self._index.nprobe = point["nprobe"]
        return np.asarray(self._index.search(queries, K)[1], np.int64)


class Hnswlib:
    """hnswlib with the initial parameters of its documentation: M 16, ef_construction 200."""

    library = "hnswlib"
    points: Sequence[OperatingPoint] = tuple({"ef": ef} for ef in (10, 20, 40, 60, 80, 120, 160, 240, 320, 480))

    def build(self, folder: Path, count: int, path: Path, threads: int) -> None:
        """Add block by block on all threads."""
        import hnswlib

        index: Any = None
        for place, block in enumerate(vector_blocks(folder, count)):
            if index is None:
                index = hnswlib.Index(space="ip", dim=block.shape[1])
                index.init_index(max_elements=count, M=16, ef_construction=200, random_seed=1)
            index.add_items(block, np.arange(place * SHARD, place * SHARD + len(block)), num_threads=threads)
        index.save_index(str(path))

    def open(self, path: Path, count: int, dim: int, threads: int) -> None:
        """Read the file into memory."""
        import hnswlib

        self._threads = threads
        self._index: Any = hnswlib.Index(space="ip", dim=dim)
        self._index.load_index(str(path), max_elements=count)

    def search(self, queries: Vectors, point: OperatingPoint) -> Rows:
        """Search in one call, on all threads."""
        self._index.set_ef(point["ef"])
        return np.asarray(self._index.knn_query(queries, k=K, num_threads=self._threads)[0], np.int64)


class Usearch:
    """usearch with FP16 vectors, as in the collection, and its default graph."""

    library = "usearch.index"
    points: Sequence[OperatingPoint] = tuple({"ef": ef} for ef in (16, 32, 64, 96, 128, 192, 256, 384, 512))

    def build(self, folder: Path, count: int, path: Path, threads: int) -> None:
        """Add block by block on all threads."""
        from usearch.index import Index

        index: Any = None
        for place, block in enumerate(vector_blocks(folder, count)):
            if index is None:
                index = Index(ndim=block.shape[1], metric="ip", dtype="f16")
            index.add(np.arange(place * SHARD, place * SHARD + len(block)), block, threads=threads)
        index.save(str(path))

    def open(self, path: Path, count: int, dim: int, threads: int) -> None:
        """Read the file into memory."""
        from usearch.index import Index

        self._threads = threads
        self._index: Any = Index.restore(str(path))

    def search(self, queries: Vectors, point: OperatingPoint) -> Rows:
        """Search in one call, on all threads."""
        self._index.expansion_search = point["ef"]
        found = self._index.search(queries, K, threads=self._threads)
        return np.asarray(found.keys, np.int64).reshape(len(queries), K)


class MilvusLite:
    """milvus-lite with an `HNSW` index, M 16, efConstruction 200, through its client."""

    library = "pymilvus"
    points: Sequence[OperatingPoint] = tuple({"ef": ef} for ef in (16, 32, 64, 128, 256))

    def build(self, folder: Path, count: int, path: Path, threads: int) -> None:
        """Insert the vectors, then create the index."""
        from pymilvus import DataType, MilvusClient

        if path.exists():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        client = MilvusClient(str(path))
        schema = client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        made = False
        for place, block in enumerate(vector_blocks(folder, count)):
            if not made:
                schema.add_field("vector", DataType.FLOAT_VECTOR, dim=block.shape[1])
                client.create_collection("texts", schema=schema)
                made = True
            for at in range(0, len(block), 1000):
                first = place * SHARD + at
                data = [{"id": first + i, "vector": vector} for i, vector in enumerate(block[at : at + 1000])]
                client.insert("texts", data)
        parameters = client.prepare_index_params()
        parameters.add_index("vector", index_type="HNSW", metric_type="IP", params={"M": 16, "efConstruction": 200})
        client.create_index("texts", parameters)
        client.load_collection("texts")
        client.close()

    def open(self, path: Path, count: int, dim: int, threads: int) -> None:
        """Start the server with the file."""
        from pymilvus import MilvusClient

        self._client = MilvusClient(str(path))
        self._client.load_collection("texts")

    def search(self, queries: Vectors, point: OperatingPoint) -> Rows:
        """Search in one request."""
        found = self._client.search("texts", list(queries), limit=K, search_params={"params": dict(point)})
        return np.array([[hit["id"] for hit in hits] for hits in found], np.int64)


SYSTEMS: dict[str, Callable[[], VectorSystem]] = {
    "akin": Akin,
    "IVF4096,Flat nprobe=64": Reference,
    "hnswlib": Hnswlib,
    "usearch": Usearch,
    "milvus-lite": MilvusLite,
}
CANDIDATE_PREFIX = "akin "
"""Before codes, it makes the name of a recipe to try: `akin RaBitQ,Refine(SQ8)`."""

OURS = ("akin", "IVF4096,Flat nprobe=64")


def system_of(name: str) -> VectorSystem:
    """Return the system of a name, or the one with the recipe that the name contains."""
    return Akin(name.removeprefix(CANDIDATE_PREFIX)) if name.startswith(CANDIDATE_PREFIX) else SYSTEMS[name]()
