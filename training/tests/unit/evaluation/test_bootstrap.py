import numpy as np
import pytest

from training.arrays import Floats
from training.evaluation import bootstrap


def test_the_interval_of_a_mean_is_that_of_the_normal_law() -> None:
    values = np.random.default_rng(1).normal(0.5, 0.2, size=(2000, 1))
    found = bootstrap.interval(float(values.mean()), bootstrap.resample_means(values, 4000, 0)[:, 0], 0.95)
    half = 1.96 * values.std() / 2000**0.5
    assert found.low == pytest.approx(values.mean() - half, abs=half / 10)
    assert found.high == pytest.approx(values.mean() + half, abs=half / 10)


def test_a_paired_difference_is_significant_although_the_single_intervals_overlap() -> None:
    rng = np.random.default_rng(2)
    hard = rng.uniform(0, 1, 300)
    values = np.stack([hard, hard + 0.01 + rng.normal(0, 0.02, 300)], axis=1)
    drawn = bootstrap.resample_means(values, 2000, 0)
    apart = bootstrap.interval(0.01, drawn[:, 1] - drawn[:, 0], 0.95)
    assert 0 < apart.low < 0.01 < apart.high
    assert apart.p < 0.01
    # The intervals of the two means overlap.
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    assert low[1] < high[0]


def test_the_same_seed_gives_the_same_draws_for_any_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).uniform(size=(50, 2))
    whole = bootstrap.resample_means(values, 100, 7)
    monkeypatch.setattr(bootstrap, "_COUNTS_AT_ONCE", 150)
    np.testing.assert_allclose(bootstrap.resample_means(values, 100, 7), whole, rtol=1e-12)
    assert not np.allclose(bootstrap.resample_means(values, 100, 8), whole)


def test_p_is_one_without_a_difference_and_is_never_zero() -> None:
    assert bootstrap.interval(0.0, np.zeros(100), 0.95).p == 1
    assert bootstrap.interval(1.0, np.ones(99), 0.95).p == pytest.approx(0.02)


def test_the_interval_of_a_paired_difference_is_that_of_scipy() -> None:
    from scipy.stats import bootstrap as reference

    rng = np.random.default_rng(4)
    # As of nDCG@10: many zeros and ones, a small gain, few queries.
    one = np.clip(rng.normal(0.5, 0.5, 225), 0, 1)
    other = np.clip(one + rng.normal(0.02, 0.1, 225), 0, 1)
    drawn = bootstrap.resample_means(np.stack([one, other], axis=1), 10_000, 0)
    ours = bootstrap.interval(float((other - one).mean()), drawn[:, 1] - drawn[:, 0], 0.95)

    def difference(left: Floats, right: Floats, axis: int) -> Floats:
        return np.asarray(right.mean(axis=axis) - left.mean(axis=axis))

    theirs = reference((one, other), difference, paired=True, method="percentile", n_resamples=10_000, rng=1)
    # The ends of an interval vary by chance of the draws, here by about 0.0002.
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.001)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.001)
    assert ours.high - ours.low > 0.02
