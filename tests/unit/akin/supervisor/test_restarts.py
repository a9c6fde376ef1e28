from __future__ import annotations

from akin.stack.supervisor.restarts import Restarts


def test_pauses_grow_up_to_the_longest_and_end() -> None:
    restarts = Restarts(first=0.5, longest=4, most=6)
    assert [restarts.count_failure(0) for _ in range(7)] == [0.5, 1, 2, 4, 4, None, None]


def test_a_part_that_lasted_begins_anew() -> None:
    restarts = Restarts(first=0.5, quiet=30)
    assert [restarts.count_failure(ready) for ready in (0, 1, 29.9, 30, 0)] == [0.5, 1, 2, 0.5, 1]


def test_a_part_that_is_ready_but_never_for_long_is_given_up_too() -> None:
    restarts = Restarts(most=3, quiet=30)
    assert [restarts.count_failure(20) is None for _ in range(3)] == [False, False, True]


def test_another_try_begins_anew() -> None:
    restarts = Restarts(most=2)
    assert (restarts.count_failure(0), restarts.count_failure(0)) == (0.5, None)
    restarts.forget()
    assert restarts.count_failure(0) == 0.5


def test_the_pauses_of_a_first_failure_leave_time_to_be_back_within_thirty_seconds() -> None:
    assert max(pause for pause in (Restarts().count_failure(0), Restarts().longest) if pause is not None) < 20
