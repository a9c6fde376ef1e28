from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest

from loadtests.samples import RequestSample, summarise
from loadtests.schedule import RateSearch, arrivals, is_fast, most_waiting


def test_arrivals_are_equally_spaced_and_fill_the_time() -> None:
    due = list(arrivals(4, 2, "equal"))
    assert due == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]
    # Rounding errors do not add up.
    assert list(arrivals(3, 1_000, "equal"))[-1] == 2_999 / 3


def test_arrivals_at_random_have_the_rate_and_exponential_pauses() -> None:
    due = list(arrivals(50, 1_000, seed="1"))
    assert due == sorted(due)
    assert 0 < due[0] < due[-1] < 1_000
    assert len(due) == pytest.approx(50_000, rel=0.02)  # the standard deviation is 224
    pauses = np.diff(due)
    for quantile in (0.1, 0.5, 0.9, 0.99):
        assert np.quantile(pauses, quantile) == pytest.approx(-math.log(1 - quantile) / 50, rel=0.05)
    # Independent: the counts of seconds vary as much as their mean, and a pause tells nothing of the next one.
    counts = np.histogram(due, bins=1_000)[0]
    assert counts.var() == pytest.approx(50, rel=0.15)
    assert abs(np.corrcoef(pauses[:-1], pauses[1:])[0, 1]) < 0.02


def test_a_seed_repeats_arrivals_and_another_changes_them() -> None:
    assert list(arrivals(9, 60, seed="0 1")) == list(arrivals(9, 60, seed="0 1"))
    assert list(arrivals(9, 60, seed="0 1")) != list(arrivals(9, 60, seed="0 2"))


def waits(due: Iterable[float], busy: float) -> list[float]:
    """Return how long each request takes in a queue with one server that is busy for a fixed time with each."""
    free, found = 0.0, []
    for at in due:
        free = max(free, at) + busy
        found.append(free - at)
    return found


def test_equal_spacing_understates_how_long_requests_wait() -> None:
    """Compare with the known mean of a queue M/D/1: service time and load / (2 (1 - load)) of it as waiting."""
    assert max(waits(arrivals(80, 500, "equal"), 0.01)) == pytest.approx(0.01)
    mean = np.mean(waits(arrivals(80, 500, seed="3"), 0.01))
    assert mean == pytest.approx(0.01 * (1 + 0.8 / (2 * 0.2)), rel=0.15)


def found(capacity: float, search: RateSearch) -> tuple[float | None, int]:
    """Return the rate that the search finds for a service that is fast up to `capacity`, and the number of trials."""
    trials = 0
    while (rate := search.next()) is not None:
        trials += 1
        assert trials < 50
        search.tell(rate, rate <= capacity)
    return search.highest, trials


@pytest.mark.parametrize("capacity", [0.9, 3, 10, 47.5, 137, 900, 4_000])
def test_the_rate_is_within_the_gap_of_the_capacity(capacity: float) -> None:
    highest, trials = found(capacity, RateSearch(10, gap=1.06))
    assert highest is not None
    assert highest <= capacity <= highest * 1.06
    assert trials <= 15


def test_a_service_that_is_never_fast_has_no_rate() -> None:
    assert found(0.1, RateSearch(10, least=0.5)) == (None, 5)


def test_the_search_ends_at_the_highest_rate() -> None:
    highest, _ = found(1e9, RateSearch(10, most=100))
    assert highest == 100


def test_a_failure_below_a_pass_cancels_the_pass() -> None:
    search = RateSearch(10)
    search.tell(10, True)
    search.tell(20, True)
    search.tell(40, False)
    search.tell(15, False)
    assert search.highest is None
    assert search.next() == 7.5


def test_a_fast_trial_is_within_the_limit_and_has_no_error() -> None:
    good = summarise([RequestSample(0, "search", 100, "")], 1)
    assert is_fast(good, False, 100)
    assert not is_fast(good, False, 99.9)
    assert not is_fast(good, True, 100)
    assert not is_fast(summarise([RequestSample(0, "search", 1, "503")], 1), False, 100)
    assert not is_fast(summarise([], 1), False, 100)


def test_the_number_of_waiting_requests_has_bounds() -> None:
    assert most_waiting(1) == 50
    assert most_waiting(200) == 400
    assert most_waiting(10_000) == 1_000
