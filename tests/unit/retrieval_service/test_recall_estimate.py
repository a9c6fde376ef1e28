"""Test the estimate of recall: its interval has the true value as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval_service.recall.estimate import RecallWindow, design_effect, wilson


def test_the_wilson_interval_of_published_values() -> None:
    # statsmodels.stats.proportion.proportion_confint(x, n, method="wilson")
    assert wilson(0.9, 100) == pytest.approx((0.8256, 0.9448), abs=1e-4)
    assert wilson(1.0, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)


def test_papers_of_one_query_that_are_missed_together_widen_the_interval() -> None:
    alone, together = RecallWindow(500), RecallWindow(500)
    for number in range(100):
        alone.add(9, 10)
        together.add(0 if number < 10 else 10, 10)
    one, other = alone.estimate(), together.estimate()
    assert one is not None
    assert other is not None
    assert one.value == other.value == pytest.approx(0.9)
    assert other.upper - other.lower > 2 * (one.upper - one.lower)
    assert design_effect([(0, 10)] * 10 + [(10, 10)] * 90, 0.9) == pytest.approx(10, rel=0.02)
    assert design_effect([(9, 10)] * 100, 0.9) == 1


@pytest.mark.parametrize("recall", [0.8, 0.95])
def test_the_interval_has_the_true_recall_as_often_as_it_says(recall: float) -> None:
    dice, held, rounds = np.random.default_rng(3), 0, 300
    for _ in range(rounds):
        window = RecallWindow(500)
        for share in dice.beta(recall * 4, (1 - recall) * 4, 60):  # queries differ in how hard they are
            window.add(int(dice.binomial(10, share)), 10)
        found = window.estimate()
        assert found is not None
        held += found.lower <= recall <= found.upper
    assert held / rounds > 0.9


def test_the_window_keeps_the_newest_and_ignores_queries_without_papers() -> None:
    window = RecallWindow(2)
    assert window.estimate() is None
    for found, sought in ((0, 10), (10, 10), (0, 0), (5, 5)):
        window.add(found, sought)
    estimate = window.estimate()
    assert estimate is not None
    assert (estimate.value, estimate.queries) == (1.0, 2)
    window.clear()
    assert window.estimate() is None
