from __future__ import annotations

from akin.stack.supervisor.restarts import RestartPolicy


def test_pauses_grow_up_to_the_longest_and_end() -> None:
    restarts = RestartPolicy(first=0.5, longest=4, most=6)
    assert [restarts.count_failure(0) for _ in range(7)] == [0.5, 1, 2, 4, 4, None, None]


def test_failures_are_forgotten_after_a_long_run() -> None:
    restarts = RestartPolicy(first=0.5, quiet=30)
    assert [restarts.count_failure(ready) for ready in (0, 1, 29.9, 30, 0)] == [0.5, 1, 2, 0.5, 1]


def test_a_part_that_is_never_ready_for_long_is_given_up() -> None:
    restarts = RestartPolicy(most=3, quiet=30)
    assert [restarts.count_failure(20) is None for _ in range(3)] == [False, False, True]


def test_another_try_forgets_failures() -> None:
    restarts = RestartPolicy(most=2)
    assert (restarts.count_failure(0), restarts.count_failure(0)) == (0.5, None)
    restarts.forget()
    assert restarts.count_failure(0) == 0.5


def test_the_first_pauses_allow_a_restart_within_thirty_seconds() -> None:
    assert max(pause for pause in (RestartPolicy().count_failure(0), RestartPolicy().longest) if pause is not None) < 20
