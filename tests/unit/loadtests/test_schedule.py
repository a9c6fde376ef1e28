from __future__ import annotations

import pytest

from loadtests.samples import RequestSample, summarise
from loadtests.schedule import RateSearch, arrivals, is_fast, most_waiting


def test_arrivals_are_equally_spaced_and_fill_the_time() -> None:
    due = list(arrivals(4, 2))
    assert due == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]
    # Rounding errors do not add up.
    assert list(arrivals(3, 1_000))[-1] == 2_999 / 3


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
