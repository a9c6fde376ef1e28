"""Recipes of vector indexes: which suits a corpus, when it must change, and which the service cannot search."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import isqrt
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from akin.indexing.options import EXACT_BELOW
from retrieval_service.adapters.faiss_index import FaissIndex, first_line
from retrieval_service.errors import SnapshotInvalid
from retrieval_service.ports import RowSet

HNSW_BELOW = 200_000
"""Papers. In a larger corpus, building the graph takes longer than building all the other candidates."""

FLAT_BELOW = 1_000_000
"""Papers. In a larger corpus, uncompressed vectors cost more memory than their accuracy is worth."""

VECTORS_PER_LIST = 100
"""Vectors that each inverted list is trained on, at least."""

_ONE_BIT = "one-bit codes pick candidates, 8-bit codes rank them"
_PRODUCT = "4-bit product codes pick candidates, 8-bit codes rank them"
_K_FACTOR, _K_FACTOR_PRODUCT = 8.0, 4.0
_LARGEST_GROWTH = 1.5
_ROWS_READ = 8


@dataclass(frozen=True)
class Recipe:
    """Recipe of an index.

    Attributes:
        factory: the string for FAISS's index factory.
        nlist: number of inverted lists; None for an index without lists.
        k_factor: candidates that are refined for each result; 1 if nothing is refined.
        why: reason for the choice, for the manifest.
    """

    factory: str
    nlist: int | None
    k_factor: float
    why: str

    @property
    def exact(self) -> bool:
        """True if a search compares every vector."""
        return self.nlist is None and not self.factory.startswith("HNSW")

    @property
    def refined(self) -> bool:
        """True if coarse codes pick candidates and finer codes rank them."""
        return "Refine" in self.factory


def exact_recipe(why: str) -> Recipe:
    """Return the recipe of an index that compares every vector."""
    # The store keeps embeddings in half precision: half precision here loses nothing and reads half the memory.
    return Recipe("SQfp16", None, 1.0, why)


def choose_recipe(papers: int, dim: int, *, exact_below: int = EXACT_BELOW, memory_mb: float | None = None) -> Recipe:
    """Return the recipe for a corpus of this size, or a smaller one if the usual one needs too much memory.

    Args:
        papers: number of papers.
        dim: length of the vectors.
        exact_below: corpora of fewer papers get an exact index.
        memory_mb: most megabytes for the index; None for no limit.
    """
    nlist = choose_nlist(papers)
    usual = _one_bit(nlist) if dim % 2 else _product(nlist, dim)
    if papers < exact_below:
        usual = exact_recipe(f"exact: fewer than {exact_below} papers")
    if memory_mb is None:
        return usual
    smaller = [usual, _one_bit(nlist), _eight_bit(nlist)]
    chosen = next((recipe for recipe in smaller if megabytes(recipe, papers, dim) <= memory_mb), smaller[-1])
    size = megabytes(chosen, papers, dim)
    fits = f"limit {memory_mb:g} MB" if size <= memory_mb else f"no index fits the limit of {memory_mb:g} MB"
    return replace(chosen, why=f"{chosen.why}; about {size:,.4g} MB ({fits})")


def megabytes(recipe: Recipe, papers: int, dim: int) -> float:
    """Return the approximate size of the index of a recipe of this module: its codes, their ids, the centroids."""
    row = 2.0 * dim if recipe.exact else dim + 16.0
    if "RaBitQ" in recipe.factory:
        row = dim + dim / 8 + 16
    elif "PQ" in recipe.factory:
        row = dim + dim / 4 + 8
    return (papers * row + 4 * dim * (recipe.nlist or 0)) / 1e6


def choose_nlist(papers: int) -> int:
    """Return the number of inverted lists for a corpus: a power of two that leaves enough vectors to train each."""
    # Four square roots of the corpus balances the cost of choosing lists against the cost of reading them.
    lists = min(4 * isqrt(papers), papers // VECTORS_PER_LIST)
    return max(1, 1 << (lists.bit_length() - 1)) if lists else 1


def candidates(papers: int, dim: int) -> list[Recipe]:
    """Return the recipes worth measuring for a corpus of this size, the fastest to build first."""
    n = choose_nlist(papers)
    found = [
        exact_recipe("every vector is compared"),
        _eight_bit(n),
        _one_bit(n),
    ]
    if papers < FLAT_BELOW:
        found.append(Recipe(f"IVF{n},Flat", n, 1.0, "whole vectors, few of them compared"))
    if dim % 2 == 0:
        found.append(_product(n, dim))
    if papers < HNSW_BELOW:
        found.append(Recipe("HNSW32,SQ8", None, 1.0, "a graph of neighbours over 8-bit codes"))
    return found


def parse_recipe(text: str) -> Recipe:
    """Return the recipe of a string for FAISS's index factory, such as `IVF4096,SQ8`.

    Raises:
        ValueError: the factory does not accept it, or the service cannot search such an index.
    """
    # Product codes must divide the length of the vectors, which is not known here.
    parts = re.search(r"PQ(\d+)", text)
    try:
        faiss.index_factory(2 * int(parts[1]) if parts else 64, text, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        raise ValueError(f"{text!r} is not a recipe that FAISS's index factory accepts") from error
    lists = re.match(r"IVF(\d+),", text)
    if not lists and not text.startswith("HNSW") and text not in ("SQfp16", "Flat"):
        raise ValueError(f"{text!r} is not a kind of index that the service searches: take SQfp16, IVF… or HNSW…")
    k_factor = (_K_FACTOR_PRODUCT if "x4fs" in text else _K_FACTOR) if "Refine" in text else 1.0
    return Recipe(text, int(lists[1]) if lists else None, k_factor, "as asked")


def _eight_bit(nlist: int) -> Recipe:
    return Recipe(f"IVF{nlist},SQ8", nlist, 1.0, "8-bit codes, few of them compared")


def _one_bit(nlist: int) -> Recipe:
    return Recipe(f"IVF{nlist},RaBitQ,Refine(SQ8)", nlist, _K_FACTOR, _ONE_BIT)


def _product(nlist: int, dim: int) -> Recipe:
    return Recipe(f"IVF{nlist},PQ{dim // 2}x4fs,Refine(SQ8)", nlist, _K_FACTOR_PRODUCT, _PRODUCT)


def retrain_reason(
    papers: int, trained_on: int | None, recipe: str, *, exact_below: int = EXACT_BELOW, measured: bool = False
) -> str | None:
    """Return why the index of a changed corpus must be built again; None if its rows can be changed instead.

    Args:
        papers: number of papers now.
        trained_on: number of papers when the index was chosen; None for graphs, and if only the size decided.
        recipe: the factory string of the index.
        exact_below: corpora of fewer papers get an exact index.
        measured: `akin index tune` chose the recipe, not the size of the corpus.
    """
    if recipe == exact_recipe("").factory:
        outgrown = papers >= exact_below and papers > (trained_on or 0) * _LARGEST_GROWTH
        return f"the corpus has outgrown an exact index ({exact_below:,} papers)" if outgrown else None
    if papers < exact_below and not measured:
        return f"an exact index serves fewer than {exact_below:,} papers"
    if trained_on and not trained_on / _LARGEST_GROWTH <= papers <= trained_on * _LARGEST_GROWTH:
        return f"its lists were chosen for {trained_on:,} papers"
    return None


def choose_next_recipe(
    recipe: str, k_factor: float, papers: int, dim: int, *, exact_below: int = EXACT_BELOW
) -> Recipe:
    """Return the recipe for a corpus that has outgrown its index: of the same kind if that kind suits the new size."""
    if papers < exact_below or recipe == exact_recipe("").factory:
        return choose_recipe(papers, dim, exact_below=exact_below)
    why = "as the snapshot before it, for more or fewer papers"
    if not recipe.startswith("IVF"):
        return Recipe(recipe, None, k_factor, why)
    nlist = choose_nlist(papers)
    return Recipe(re.sub(r"^IVF\d+", f"IVF{nlist}", recipe), nlist, k_factor, why)


def refusal_reason(recipe: Recipe, papers: int, dim: int) -> str | None:
    """Return why an index of a recipe cannot be built from this corpus or cannot be searched; None if it can.

    Args:
        recipe: the recipe, of which nothing is built.
        papers: number of vectors.
        dim: length of the vectors.
    """
    try:
        index = faiss.index_factory(dim, recipe.factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        return f"it does not suit vectors of length {dim} ({first_line(error)})"
    refined = isinstance(index, faiss.IndexRefine)
    base = faiss.downcast_index(index.base_index) if refined else index
    if isinstance(base, faiss.IndexIVFFastScan) and not refined:
        return "the vectors of rows cannot be read back from packed codes alone: add Refine(SQ8)"
    if isinstance(base, faiss.IndexHNSW) and not isinstance(
        faiss.downcast_index(base.storage), (faiss.IndexFlat, faiss.IndexScalarQuantizer)
    ):
        return "a graph over such codes cannot be searched within a filter: take HNSW…,SQ8 or HNSW…,Flat"
    least = _least_vectors(base)
    return f"it takes at least {least:,} papers, and there are {papers:,}" if papers < least else None


def check_served(path: Path, *, nprobe: int | None, k_factor: float) -> None:
    """Use an index file as the service does: search all rows, search some rows, read vectors back.

    Raises:
        SnapshotInvalid: one of these fails; the message names it.
    """
    index = FaissIndex.open(path, nprobe=nprobe, k_factor=k_factor)
    count = len(index)
    try:
        rows = np.unique(np.linspace(0, count - 1, _ROWS_READ).astype(np.int64)).tolist()
        query = np.ascontiguousarray(index.vectors(rows)[0])
        index.search(query, min(10, count))
        for step in (2, max(2, count // 3)):
            mask = np.zeros(count, np.bool_)
            mask[::step] = True
            index.search(query, min(10, count), within=RowSet(mask, int(np.count_nonzero(mask))))
    except RuntimeError as error:
        raise SnapshotInvalid(path, f"cannot be served ({first_line(error)})") from error


def _least_vectors(base: Any) -> int:
    """Return the smallest number of vectors that an index can be trained on."""
    lists = int(base.nlist) if isinstance(base, faiss.IndexIVF) else 1
    storage = faiss.downcast_index(base.storage) if isinstance(base, faiss.IndexHNSW) else base
    codes = getattr(storage, "pq", None)
    return max(lists, int(codes.ksub) if codes is not None else 1)
