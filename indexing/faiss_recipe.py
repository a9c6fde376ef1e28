"""How the vector index of a corpus is made: the recipe for its size, as data, and the building by it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import isqrt
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from retrieval_service.adapters.faiss_index import one_thread
from retrieval_service.ports import Rows, Vectors

EXACT_BELOW = 50_000
"""Papers. Below, comparing with every vector takes a few milliseconds and nothing is gained by approximating."""

HNSW_BELOW = 200_000
"""Papers. Above, building the graph takes longer than all the other candidates together."""

FLAT_BELOW = 1_000_000
"""Papers. Above, whole vectors take more memory than all that is gained by not coding them."""

_PER_LIST = 100
_CHUNK = 16_384
_CODES_FROM = 65_536
"""Vectors that codes are trained on: sixteen values of each pair of numbers need no more."""

_ONE_BIT = "one-bit codes pick candidates, 8-bit codes rank them"
_PRODUCT = "4-bit product codes pick candidates, 8-bit codes rank them"
_K_FACTOR, _K_FACTOR_PRODUCT = 8.0, 4.0
_NO_MORE_THAN_GROWN = 1.5

VectorsOf = Callable[[Rows], Vectors]


@dataclass(frozen=True)
class Recipe:
    """How an index is made.

    Attributes:
        factory: the recipe in the words of FAISS's index factory.
        nlist: its inverted lists; None for an index without.
        k_factor: candidates refined for each result asked; 1 where nothing is refined.
        why: the reason, for the manifest.
    """

    factory: str
    nlist: int | None
    k_factor: float
    why: str

    @property
    def exact(self) -> bool:
        """Whether every vector is compared."""
        return self.nlist is None and not self.factory.startswith("HNSW")

    @property
    def refined(self) -> bool:
        """Whether coarse codes pick candidates that finer ones rank."""
        return "Refine" in self.factory


def exact_recipe(why: str) -> Recipe:
    """The index that compares every vector."""
    # The embeddings are kept in half precision, so half precision here is exact, and reads half the memory.
    return Recipe("SQfp16", None, 1.0, why)


def recipe_for(papers: int, dim: int, *, exact_below: int = EXACT_BELOW, memory_mb: float | None = None) -> Recipe:
    """The recipe for a corpus of this size, with vectors of this length; where that takes too much, a smaller one.

    Args:
        papers: how many.
        dim: length of the vectors.
        exact_below: corpora of fewer papers get an exact index.
        memory_mb: the megabytes it may take; None for any number.
    """
    nlist = lists_for(papers)
    usual = _one_bit(nlist) if dim % 2 else _product(nlist, dim)
    if papers < exact_below:
        usual = exact_recipe(f"exact: fewer than {exact_below} papers")
    if memory_mb is None:
        return usual
    smaller = [usual, _one_bit(nlist), _eight_bit(nlist)]
    chosen = next((recipe for recipe in smaller if megabytes(recipe, papers, dim) <= memory_mb), smaller[-1])
    takes = megabytes(chosen, papers, dim)
    fits = f"of the {memory_mb:g} it may take" if takes <= memory_mb else f"as none fits in {memory_mb:g}"
    return replace(chosen, why=f"{chosen.why}; about {takes:,.4g} MB, {fits}")


def megabytes(recipe: Recipe, papers: int, dim: int) -> float:
    """About what the index of a recipe that is chosen here takes: its codes, their ids, and the lists' centres."""
    row = 2.0 * dim if recipe.exact else dim + 16.0
    if "RaBitQ" in recipe.factory:
        row = dim + dim / 8 + 16
    elif "PQ" in recipe.factory:
        row = dim + dim / 4 + 8
    return (papers * row + 4 * dim * (recipe.nlist or 0)) / 1e6


def lists_for(papers: int) -> int:
    """How many inverted lists suit a corpus: a power of two, each list trained on enough vectors."""
    # Four square roots of the corpus balances choosing lists against reading them.
    lists = min(4 * isqrt(papers), papers // _PER_LIST)
    return max(1, 1 << (lists.bit_length() - 1)) if lists else 1


def candidates(papers: int, dim: int) -> list[Recipe]:
    """The recipes worth measuring for a corpus of this size, those that are quick to make first."""
    n = lists_for(papers)
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


def parsed_recipe(text: str) -> Recipe:
    """A recipe from the words of FAISS's index factory, such as `IVF4096,SQ8`.

    Raises:
        ValueError: they are none that the factory knows, or of an index that cannot be served.
    """
    # Product codes must divide the length of the vectors, which is not known here.
    parts = re.search(r"PQ(\d+)", text)
    try:
        faiss.index_factory(2 * int(parts[1]) if parts else 64, text, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        raise ValueError(f"{text!r} is no recipe of FAISS's index factory") from error
    lists = re.match(r"IVF(\d+),", text)
    if not lists and not text.startswith("HNSW") and text not in ("SQfp16", "Flat"):
        raise ValueError(f"{text!r} is none of the kinds served here: SQfp16, IVF…, HNSW…")
    k_factor = (_K_FACTOR_PRODUCT if "x4fs" in text else _K_FACTOR) if "Refine" in text else 1.0
    return Recipe(text, int(lists[1]) if lists else None, k_factor, "as asked")


def _eight_bit(nlist: int) -> Recipe:
    return Recipe(f"IVF{nlist},SQ8", nlist, 1.0, "8-bit codes, few of them compared")


def _one_bit(nlist: int) -> Recipe:
    return Recipe(f"IVF{nlist},RaBitQ,Refine(SQ8)", nlist, _K_FACTOR, _ONE_BIT)


def _product(nlist: int, dim: int) -> Recipe:
    return Recipe(f"IVF{nlist},PQ{dim // 2}x4fs,Refine(SQ8)", nlist, _K_FACTOR_PRODUCT, _PRODUCT)


def retraining_due(
    papers: int, trained_on: int | None, recipe: str, *, exact_below: int = EXACT_BELOW, chosen: bool = False
) -> str | None:
    """Why a changed corpus wants its index made anew rather than changed in place; None when it does not.

    Args:
        papers: how many it has now.
        trained_on: how many it had when its index was chosen; None where the size alone chose, and for graphs.
        recipe: what the index was made by.
        exact_below: corpora of fewer papers get an exact index.
        chosen: whether measurements chose the recipe, and not the size.
    """
    if recipe == exact_recipe("").factory:
        outgrown = papers >= exact_below and papers > (trained_on or 0) * _NO_MORE_THAN_GROWN
        return f"it has outgrown an exact index ({exact_below:,} papers)" if outgrown else None
    if papers < exact_below and not chosen:
        return f"an exact index serves fewer than {exact_below:,} papers"
    if trained_on and not trained_on / _NO_MORE_THAN_GROWN <= papers <= trained_on * _NO_MORE_THAN_GROWN:
        return f"its lists were chosen for {trained_on:,} papers"
    return None


def successor(recipe: str, k_factor: float, papers: int, dim: int, *, exact_below: int = EXACT_BELOW) -> Recipe:
    """The recipe for a corpus that has changed too much for the index it had: of the same kind where that suits."""
    if papers < exact_below or recipe == exact_recipe("").factory:
        return recipe_for(papers, dim, exact_below=exact_below)
    why = "as the snapshot before it, for more or fewer papers"
    if not recipe.startswith("IVF"):
        return Recipe(recipe, None, k_factor, why)
    nlist = lists_for(papers)
    return Recipe(re.sub(r"^IVF\d+", f"IVF{nlist}", recipe), nlist, k_factor, why)


def build_index(
    recipe: Recipe, papers: int, dim: int, vectors: VectorsOf, *, seed: int = 1, centroids: Vectors | None = None
) -> Any:
    """An index of all the vectors, trained on a random sample of the whole corpus.

    Args:
        recipe: how.
        papers: how many vectors there are.
        dim: their length.
        vectors: gives the vectors of some rows.
        seed: of the sample.
        centroids: the lists' centres [nlist, dim], where they are known already; their training is most of the work.
    """
    index = faiss.index_factory(dim, recipe.factory, faiss.METRIC_INNER_PRODUCT)
    if not index.is_trained:
        chance = np.random.default_rng(seed)
        if recipe.nlist:
            ivf = faiss.extract_index_ivf(index)
            if centroids is None:
                wanted = min(papers, max(_PER_LIST * recipe.nlist, _CHUNK))
                sample = vectors(np.sort(chance.choice(papers, wanted, replace=False)))
                ivf.train_q1(len(sample), faiss.swig_ptr(sample), False, ivf.metric_type)
            else:
                ivf.quantizer.add(centroids)
        codes = vectors(np.sort(chance.choice(papers, min(papers, _CODES_FROM), replace=False)))
        # Thousands of tiny clusterings: threads that wait for each other made this ten times slower.
        with one_thread():
            index.train(codes)
    add_all(index, papers, vectors)
    return index


def add_all(index: Any, papers: int, vectors: VectorsOf) -> None:
    """Fills a trained index."""
    for rows in chunks(papers):
        index.add(vectors(rows))
    if isinstance(index, faiss.IndexIVF):
        # Without a refining index beside them, lists alone cannot tell where a row's vector is.
        index.make_direct_map()


def centroids_of(index: Any) -> Vectors | None:
    """The lists' centres [nlist, dim]; None for an index without lists."""
    try:
        ivf = faiss.extract_index_ivf(index)
    except RuntimeError:
        return None
    return np.asarray(ivf.quantizer.reconstruct_n(0, ivf.nlist), np.float32)


def write_index(index: Any, path: Path) -> None:
    """Writes an index to a file.

    Raises:
        OSError: it cannot be written.
    """
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:
        raise OSError(f"{path}: {error}") from error


def chunks(papers: int) -> Iterator[Rows]:
    """All rows, in runs that are worth a call and small in memory."""
    for at in range(0, papers, _CHUNK):
        yield np.arange(at, min(papers, at + _CHUNK))
