"""Measures against hand calculation, and against scikit-learn's, which are written independently."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from training.evaluation import markdown, metrics


def one(ranking: list[int], judged: dict[int, int]) -> dict[str, float]:
    values = metrics.measure(np.array([ranking]), [judged])
    return {name: float(value[0]) for name, value in values.items()}


def test_a_ranking_calculated_by_hand() -> None:
    # Relevant are 3 (gain 2), 7 and 9 (gain 1 each); 3 is found at rank 2, 7 at rank 4, 9 not at all.
    found = one([1, 3, 5, 7, 2], {3: 2, 7: 1, 9: 1})
    assert found["MRR@10"] == pytest.approx(1 / 2)
    assert found["MAP"] == pytest.approx((1 / 2 + 2 / 4) / 3)
    # 2/log2(3) + 1/log2(5) over 2/log2(2) + 1/log2(3) + 1/log2(4)
    assert found["nDCG@10"] == pytest.approx((1.2618595 + 0.4306766) / (2 + 0.6309298 + 0.5))
    assert [found[f"recall@{depth}"] for depth in (1, 5, 10)] == pytest.approx([0, 2 / 3, 2 / 3])
    assert [found[f"precision@{depth}"] for depth in (1, 5, 10)] == pytest.approx([0, 2 / 5, 2 / 10])


def test_every_measure_has_its_column_in_the_report() -> None:
    assert sorted(one([1], {1: 1})) == sorted(markdown.COLUMNS)


def test_what_lies_behind_the_tenth_rank_counts_for_map_and_recall_only() -> None:
    found = one([*range(10), 42], {42: 1})
    assert found["nDCG@10"] == found["MRR@10"] == found["recall@10"] == found["precision@10"] == 0
    assert found["MAP"] == pytest.approx(1 / 11)
    assert found["recall@100"] == 1


def test_ranks_where_nothing_was_found_are_not_relevant() -> None:
    found = one([4, -1, -1], {4: 1, 0: 1})
    assert found["recall@10"] == pytest.approx(1 / 2)
    assert found["precision@1"] == 1
    assert one([-1, -1], {0: 1})["MAP"] == 0


def test_more_relevant_passages_than_ranks_still_allow_the_ideal() -> None:
    assert one(list(range(10)), dict.fromkeys(range(30), 1))["nDCG@10"] == pytest.approx(1)


def test_ndcg_and_map_equal_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    gains = rng.choice([0, 0, 0, 1, 2, 4], size=(50, 40))
    gains[:, 0] = np.maximum(gains[:, 0], 1)
    scores = rng.permuted(np.tile(np.arange(40.0), (50, 1)), axis=1)
    judgements = [{position: int(gain) for position, gain in enumerate(row) if gain} for row in gains]
    found = metrics.measure(np.argsort(-scores, axis=1), judgements)
    assert found["nDCG@10"].mean() == pytest.approx(ndcg_score(gains, scores, k=10))
    precisions = [average_precision_score(row > 0, score) for row, score in zip(gains, scores, strict=True)]
    assert found["MAP"] == pytest.approx(precisions)
