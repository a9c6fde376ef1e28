from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from akin.indexing.faiss_recipe import (
    candidates,
    choose_next_recipe,
    choose_recipe,
    megabytes,
    parse_recipe,
    retrain_reason,
)
from akin.indexing.faiss_writer import build_index, write_index

RABITQ = "IVF4096,RaBitQ,Refine(SQ8)"
PRODUCT = "IVF4096,PQ192x4fs,Refine(SQ8)"


@pytest.mark.parametrize(
    ("papers", "factory"),
    [
        (1, "SQfp16"),
        (49_999, "SQfp16"),
        (50_000, "IVF256,PQ192x4fs,Refine(SQ8)"),
        (100_000, "IVF512,PQ192x4fs,Refine(SQ8)"),
        (600_000, "IVF2048,PQ192x4fs,Refine(SQ8)"),
        (2_500_000, PRODUCT),
    ],
)
def test_recipes(papers: int, factory: str) -> None:
    recipe = choose_recipe(papers, 384)
    assert recipe.factory == factory
    assert recipe.nlist is None or papers / recipe.nlist >= 100
    assert parse_recipe(factory).k_factor == recipe.k_factor


@pytest.mark.parametrize(
    ("papers", "memory", "factory", "words"),
    [
        (2_500_000, 2000, PRODUCT, "limit 2000 MB"),
        (2_500_000, 1200, RABITQ, "limit 1200 MB"),
        (2_500_000, 1050, "IVF4096,SQ8", "limit 1050 MB"),
        (2_500_000, 100, "IVF4096,SQ8", "no index fits the limit of 100 MB"),
        (40_000, 31, "SQfp16", "limit 31 MB"),
        (40_000, 20, "IVF256,RaBitQ,Refine(SQ8)", "limit 20 MB"),
    ],
)
def test_recipes_that_fit(papers: int, memory: float, factory: str, words: str) -> None:
    recipe = choose_recipe(papers, 384, memory_mb=memory)
    assert recipe.factory == factory
    assert words in recipe.why


@pytest.mark.parametrize("memory", [None, 0.15, 0.14, 0.0])
def test_an_index_has_the_estimated_size(memory: float | None, tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).standard_normal((4000, 32)).astype(np.float32)
    for below in (0, 5000):
        recipe = choose_recipe(4000, 32, exact_below=below, memory_mb=memory)
        write_index(build_index(recipe, 4000, 32, lambda rows: vectors[rows]), tmp_path / "index")
        assert (tmp_path / "index").stat().st_size == pytest.approx(megabytes(recipe, 4000, 32) * 1e6, rel=0.1)


def test_vectors_of_odd_length_have_one_bit_codes() -> None:
    assert choose_recipe(2_500_000, 383).factory == RABITQ


def test_candidates_follow_the_size() -> None:
    few, many = ([recipe.factory for recipe in candidates(papers, 384)] for papers in (60_000, 2_500_000))
    assert few[0] == many[0] == "SQfp16"
    assert "HNSW32,SQ8" in few
    assert not any("HNSW" in factory for factory in many)
    assert "IVF512,Flat" in few
    assert not any("Flat" in factory for factory in many)
    assert {"IVF4096,SQ8", RABITQ, PRODUCT} <= set(many)
    assert not any("PQ" in recipe.factory for recipe in candidates(60_000, 383))


@pytest.mark.parametrize(
    ("papers", "trained_on", "recipe", "chosen", "words"),
    [
        (2_501_000, 2_500_000, RABITQ, False, None),
        (3_700_000, 2_500_000, RABITQ, False, None),
        (3_800_000, 2_500_000, RABITQ, False, "2,500,000"),
        (1_600_000, 2_500_000, RABITQ, False, "2,500,000"),
        (49_000, None, "SQfp16", False, None),
        (50_000, None, "SQfp16", False, "outgrown"),
        (75_000, 60_000, "SQfp16", True, None),
        (2_500_000, 1_000, "SQfp16", True, "outgrown"),
        (49_000, 1_000, "SQfp16", True, None),
        (49_000, 60_000, "IVF256,RaBitQ,Refine(SQ8)", False, "exact"),
        (190_000, None, "HNSW32,SQ8", True, None),
    ],
)
def test_an_index_is_trained_again_if_its_corpus_has_changed_too_much(
    papers: int, trained_on: int | None, recipe: str, chosen: bool, words: str | None
) -> None:
    reason = retrain_reason(papers, trained_on, recipe, measured=chosen)
    assert (reason is None) == (words is None)
    assert words is None or (reason and words in reason)


def test_a_successor_is_of_the_same_kind() -> None:
    assert choose_next_recipe("IVF2048,SQ8", 1.0, 2_500_000, 384).factory == "IVF4096,SQ8"
    assert choose_next_recipe("IVF2048,PQ192x4fs,Refine(SQ8)", 16.0, 2_500_000, 384).k_factor == 16.0
    assert choose_next_recipe("HNSW32,SQ8", 1.0, 150_000, 384).factory == "HNSW32,SQ8"
    assert choose_next_recipe("SQfp16", 1.0, 60_000, 384).factory == "IVF512,PQ192x4fs,Refine(SQ8)"
    assert choose_next_recipe("IVF256,SQ8", 1.0, 30_000, 384).factory == "SQfp16"
