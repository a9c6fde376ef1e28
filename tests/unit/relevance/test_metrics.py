"""Metrics against hand calculation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from akin.relevance import METRICS, mean_metrics, query_metrics, scores_of_order


def measure(ranking: Sequence[str], gains: Mapping[str, int], metrics: Sequence[str] = METRICS) -> dict[str, float]:
    return mean_metrics({"q": scores_of_order(ranking)}, {"q": gains}, metrics)


def test_a_ranking_calculated_by_hand() -> None:
    # Relevant are c (gain 2), g and i (gain 1 each); c is found at rank 2, g at rank 4, i not at all.
    found = measure(["a", "c", "e", "g", "b"], {"c": 2, "g": 1, "i": 1})
    assert list(found) == list(METRICS)
    assert found["MRR@10"] == pytest.approx(1 / 2)
    assert found["MAP"] == pytest.approx((1 / 2 + 2 / 4) / 3)
    # 2/log2(3) + 1/log2(5) over 2/log2(2) + 1/log2(3) + 1/log2(4)
    assert found["nDCG@10"] == pytest.approx((1.2618595 + 0.4306766) / (2 + 0.6309298 + 0.5))
    assert [found[f"recall@{depth}"] for depth in (1, 5, 10)] == pytest.approx([0, 2 / 3, 2 / 3])
    assert [found[f"precision@{depth}"] for depth in (1, 5, 10)] == pytest.approx([0, 2 / 5, 2 / 10])


def test_ndcg_of_a_worked_example() -> None:
    # DCG = 3/log2(2) + 0/log2(3) + 2/log2(4) = 4; the ideal order 3, 2, 1 has 3 + 2/1.58496 + 1/2 = 4.76186.
    assert measure(["a", "x", "b"], {"a": 3, "b": 2, "c": 1})["nDCG@10"] == pytest.approx(4 / 4.76186, abs=1e-5)


def test_a_perfect_ranking_has_one_and_an_empty_ranking_has_zero() -> None:
    assert measure(["a", "b"], {"a": 2, "b": 1})["nDCG@10"] == 1
    assert set(measure([], {"a": 2}).values()) == {0}
    assert query_metrics({}, {"q": {"a": 1}}, ["MAP"]) == {"MAP": [0]}


def test_a_passage_below_the_depth_does_not_count() -> None:
    ranking = [*(f"x{n}" for n in range(10)), "a"]
    found = measure(ranking, {"a": 1}, [*METRICS, "recall@11"])
    assert found["nDCG@10"] == found["MRR@10"] == found["recall@10"] == found["precision@10"] == 0
    assert found["MAP"] == pytest.approx(1 / 11)
    assert found["recall@100"] == 1
    assert measure(ranking, {"a": 1, "b": 1}, ["recall@11"])["recall@11"] == 0.5
    assert measure([*ranking[:9], "a"], {"a": 1})["MRR@10"] == pytest.approx(0.1)


def test_more_relevant_passages_than_ranks_still_allow_the_ideal() -> None:
    passages = [str(n) for n in range(30)]
    assert measure(passages[:10], dict.fromkeys(passages, 1))["nDCG@10"] == pytest.approx(1)


def test_values_have_the_order_of_the_judged_queries_and_other_queries_are_ignored() -> None:
    run = {"unjudged": {"a": 1.0}, "second": {"b": 1.0}, "first": {"a": 1.0}}
    assert query_metrics(run, {"first": {"b": 1}, "second": {"b": 1}}, ["recall@1"]) == {"recall@1": [0, 1]}


def test_equal_scores_are_sorted_by_the_passages_id_the_greatest_first() -> None:
    run = {"q": {"a": 1.0, "b": 1.0, "c": 1.0}}
    assert query_metrics(run, {"q": {"c": 1}}, ["MRR@10"]) == {"MRR@10": [1]}
    assert query_metrics(run, {"q": {"a": 1}}, ["MRR@10"]) == {"MRR@10": [pytest.approx(1 / 3)]}


def test_scores_that_32_bits_cannot_tell_apart_are_equal_as_in_trec_eval() -> None:
    assert query_metrics({"q": {"a": 1 + 1e-9, "b": 1.0}}, {"q": {"a": 1}}, ["MRR@10"]) == {"MRR@10": [0.5]}
    assert query_metrics({"q": {"a": 1 + 1e-6, "b": 1.0}}, {"q": {"a": 1}}, ["MRR@10"]) == {"MRR@10": [1]}
