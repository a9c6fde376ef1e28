"""How the vector index of a corpus is made: the recipe for its size, the building, the tuning of what a search does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from time import perf_counter
from typing import Any

import faiss
import numpy as np

from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.ports import Rows, Vectors

EXACT_BELOW = 50_000
"""Papers. Below, comparing with every vector takes a few milliseconds and nothing is gained by approximating."""

_PER_LIST = 100
_CHUNK = 16_384
_K_FACTOR = 8.0
_DEPTH = 100


@dataclass(frozen=True)
class Recipe:
    """How an index is made.

    Attributes:
        factory: the recipe in the words of FAISS's index factory.
        nlist: its inverted lists; None for an exact index.
        k_factor: candidates refined for each result asked.
        why: the reason, for the manifest.
    """

    factory: str
    nlist: int | None
    k_factor: float
    why: str


@dataclass(frozen=True)
class Point:
    """What looking into `nprobe` lists finds of the ten nearest papers, and the milliseconds it takes one thread."""

    nprobe: int
    recall_at_10: float
    ms: float


def recipe_for(papers: int, *, exact_below: int = EXACT_BELOW) -> Recipe:
    """The recipe for a corpus of this size."""
    if papers < exact_below:
        # The embeddings are kept in half precision, so half precision here is exact, and reads half the memory.
        return Recipe("SQfp16", None, 1.0, f"exact: fewer than {exact_below} papers")
    # Four square roots of the corpus balances choosing lists against reading them; each list is trained on enough.
    lists = min(4 * isqrt(papers), papers // _PER_LIST)
    nlist = max(1, 1 << (lists.bit_length() - 1))
    return Recipe(
        f"IVF{nlist},RaBitQ,Refine(SQ8)", nlist, _K_FACTOR, "one-bit codes pick candidates, 8-bit codes rank them"
    )


def build_index(recipe: Recipe, papers: int, dim: int, vectors: Callable[[Rows], Vectors], *, seed: int = 1) -> Any:
    """An index of all the vectors, trained on a random sample of the whole corpus.

    Args:
        recipe: how.
        papers: how many vectors there are.
        dim: their length.
        vectors: gives the vectors of some rows.
        seed: of the sample.
    """
    index = faiss.index_factory(dim, recipe.factory, faiss.METRIC_INNER_PRODUCT)
    if not index.is_trained:
        wanted = min(papers, max(_PER_LIST * (recipe.nlist or 1), _CHUNK))
        sample = np.sort(np.random.default_rng(seed).choice(papers, wanted, replace=False))
        index.train(vectors(sample))
    for rows in _chunks(papers):
        index.add(vectors(rows))
    return index


def write_index(index: Any, path: Path) -> None:
    """Writes an index to a file.

    Raises:
        OSError: it cannot be written.
    """
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:
        raise OSError(f"{path}: {error}") from error


def tune(
    index: Any, recipe: Recipe, queries: Vectors, vectors: Callable[[Rows], Vectors], target: float
) -> tuple[int | None, list[Point]]:
    """The fewest lists whose recall@10 against exact search meets the target, and the curve measured on the way.

    Args:
        index: the index.
        recipe: what it was made by.
        queries: vectors [n, dim] of texts that are not in the index.
        vectors: gives the vectors of some rows.
        target: the recall@10 to meet; where no number of lists meets it, all lists are looked into.
    """
    if recipe.nlist is None:
        return None, []
    truth = _nearest(queries, len(queries), index.ntotal, vectors)
    curve: list[Point] = []
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        nprobe = 1
        while True:
            curve.append(_measure(FaissIndex(index, nprobe=nprobe, k_factor=recipe.k_factor), nprobe, queries, truth))
            if curve[-1].recall_at_10 >= target or nprobe >= recipe.nlist:
                return nprobe, curve
            nprobe = min(recipe.nlist, nprobe + max(1, nprobe // 2))
    finally:
        faiss.omp_set_num_threads(before)


def _measure(index: FaissIndex, nprobe: int, queries: Vectors, truth: list[set[int]]) -> Point:
    # Searched as deep as the service does, since the depth decides how many candidates are refined.
    depth = min(_DEPTH, len(index))
    started = perf_counter()
    found = [index.search(query, depth).rows[:10] for query in queries]
    ms = (perf_counter() - started) / len(queries) * 1000
    shares = [len(near & set(rows.tolist())) / len(near) for near, rows in zip(truth, found, strict=True)]
    return Point(nprobe, round(float(np.mean(shares)), 4), round(ms, 3))


def _nearest(queries: Vectors, count: int, papers: int, vectors: Callable[[Rows], Vectors]) -> list[set[int]]:
    k = min(10, papers)
    best_scores = np.full((count, k), -np.inf, np.float32)
    best_rows = np.full((count, k), -1, np.int64)
    for rows in _chunks(papers):
        scores = np.concatenate([best_scores, queries @ vectors(rows).T], axis=1)
        candidates = np.concatenate([best_rows, np.broadcast_to(rows, (count, len(rows)))], axis=1)
        keep = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        best_scores = np.take_along_axis(scores, keep, 1)
        best_rows = np.take_along_axis(candidates, keep, 1)
    return [set(rows.tolist()) for rows in best_rows]


def _chunks(papers: int) -> Iterator[Rows]:
    for at in range(0, papers, _CHUNK):
        yield np.arange(at, min(papers, at + _CHUNK))
