import numpy as np
import pytest

from akin.indexing.faiss_recipe import choose_recipe, parse_recipe
from akin.indexing.faiss_writer import build_index
from akin.indexing.recall import exact_nearest, measure_curve

DIM = 64


def corpus(papers, equal):
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(papers, DIM)).astype(np.float32)
    vectors[rng.permutation(papers)[:equal]] = vectors[0]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def queries(vectors, count=64):
    rng = np.random.default_rng(6)
    own = rng.choice(len(vectors), count, replace=False)
    asked = vectors[own] + rng.normal(scale=0.05, size=(count, DIM)).astype(np.float32)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    return exact_nearest(asked, own, len(vectors), lambda rows: vectors[rows])


@pytest.mark.parametrize("equal", [0, 2_400, 3_000])
@pytest.mark.parametrize("recipe", ["chosen", "IVF32,SQ8"])
def test_equal_texts_cost_no_recall(equal, recipe):
    vectors = corpus(3_000, equal)
    chosen = choose_recipe(3_000, DIM, exact_below=1_000) if recipe == "chosen" else parse_recipe(recipe)
    assert chosen.nlist
    index = build_index(chosen, len(vectors), DIM, lambda rows: vectors[rows])
    curve = measure_curve(index, chosen, queries(vectors), 0.95)
    assert curve[-1].recall_at_10 >= 0.95
    if equal == len(vectors):
        assert len(curve) == 1
