"""Bounds of the scores that both indexes return with their results."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import faiss
import numpy as np
import pytest

from akin.indexing.lexical_writer import LexicalWriter
from akin.papers import Paper
from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.adapters.tantivy_index import TantivyIndex
from retrieval_service.filter import Filter


@pytest.fixture(scope="module")
def lexical(tmp_path_factory: pytest.TempPathFactory) -> TantivyIndex:
    directory: Path = tmp_path_factory.mktemp("bounds") / "lexical"
    texts = ["dust " * 400, "dust and gas", "gas in rings", "rings of ice", "ice on moons"]
    with LexicalWriter(directory) as writer:
        writer.add(0, [Paper(str(n), "", text, published=date(2020, 1, 1)) for n, text in enumerate(texts)])
        writer.close()
    return TantivyIndex(directory)


def test_the_bound_of_a_lexical_score_is_nearly_reached_by_a_paper_of_one_word(lexical: TantivyIndex) -> None:
    # A repeated word is worth 2.2 times its information at most, and a long paper needs many repetitions for that.
    found = lexical.search("dust", 5)
    assert found.bounds is not None
    low, high = found.bounds
    assert low == 0
    assert 0.9 * high < found.scores[0] < high


def test_the_bound_of_a_lexical_score_grows_with_the_query_and_not_with_the_filter(lexical: TantivyIndex) -> None:
    one, two, filtered = (
        lexical.search("dust", 5),
        lexical.search("dust moons", 5),
        lexical.search("dust", 5, admitted=Filter(first=date(2019, 1, 1))),
    )
    assert one.bounds is not None
    assert two.bounds is not None
    assert one.bounds[1] < two.bounds[1]
    assert filtered.bounds == one.bounds


def test_the_bounds_of_a_cosine_are_its_mean_over_the_index_and_one() -> None:
    vectors = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32) + 0.5
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(8)
    index.add(vectors)
    found = FaissIndex(index).search(vectors[0], 3)
    assert found.rows[0] == 0
    assert found.bounds == pytest.approx((float((vectors @ vectors[0]).mean()), 1.0), abs=1e-5)
