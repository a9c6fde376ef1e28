"""Change rows of a vector index: it answers like an index that was filled from the first row."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import pytest

from akin.indexing.faiss_recipe import Recipe
from akin.indexing.faiss_writer import RowsCannotChange, add_all, build_index, change_rows
from retrieval_service.adapters.faiss_index import FaissIndex
from tests.integration.snapshots import score_by_row

RECIPES = [
    "SQfp16",
    "SQ8",
    "IVF8,Flat",
    "IVF8,SQ8",
    "IVF8,RaBitQ,Refine(SQ8)",
    "IVF8,PQ16x4fs,Refine(SQ8)",
]
GROWING = ["HNSW8,SQ8", "IVF8,RaBitQfs,Refine(SQ8)"]


@pytest.mark.parametrize("factory", RECIPES)
def test_changed_rows_are_found_as_in_a_new_index(factory: str) -> None:
    rng = np.random.default_rng(5)
    unit = rng.standard_normal((1500, 32)).astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    before, after = unit[:1000], unit[:900].copy()
    rows = np.asarray([3, 77, 500, 899])
    after[rows] = unit[1000:1004]
    recipe = Recipe(factory, 8 if "IVF" in factory else None, 4.0 if "Refine" in factory else 1.0, "")

    def checked(index: Any, expected: Any) -> None:
        scratch = faiss.clone_index(index)
        scratch.reset()
        if isinstance(scratch, faiss.IndexIVF):
            scratch.set_direct_map_type(faiss.DirectMap.NoMap)
        add_all(scratch, len(expected), lambda some: expected[some])
        ours, theirs = (FaissIndex(each, nprobe=3, k_factor=recipe.k_factor) for each in (index, scratch))
        for query in unit[1400:1420]:
            for k in (10, len(expected)):
                assert score_by_row(ours.search(query, k)) == score_by_row(theirs.search(query, k))
        np.testing.assert_array_equal(ours.vectors([0, 3, 899]), theirs.vectors([0, 3, 899]))

    index = build_index(recipe, 1000, 32, lambda some: before[some])
    change_rows(index, 900, rows, lambda some: after[some])
    checked(index, after)
    grown = np.concatenate([after, unit[1100:1400]])
    change_rows(index, 1200, np.arange(900, 1200), lambda some: grown[some])
    checked(index, grown)


@pytest.mark.parametrize("factory", GROWING)
def test_some_indexes_can_only_grow(factory: str) -> None:
    rng = np.random.default_rng(5)
    unit = rng.standard_normal((900, 32)).astype(np.float32)
    recipe = Recipe(factory, 8 if "IVF" in factory else None, 8.0, "")
    index = build_index(recipe, 700, 32, lambda some: unit[some])
    change_rows(index, 800, np.arange(700, 800), lambda some: unit[some])
    assert index.ntotal == 800
    if "IVF" in factory:
        scratch = faiss.clone_index(index)
        scratch.reset()
        add_all(scratch, 800, lambda some: unit[some])
        ours, theirs = (FaissIndex(each, nprobe=3, k_factor=8.0) for each in (index, scratch))
        for query in unit[850:]:
            assert score_by_row(ours.search(query, 10)) == score_by_row(theirs.search(query, 10))
    for total, rows in ((799, []), (800, [4])):
        with pytest.raises(RowsCannotChange):
            change_rows(index, total, np.asarray(rows, np.int64), lambda some: unit[some])
