from __future__ import annotations

import pytest

from loadtests.samples import (
    RequestSample,
    frequent_errors,
    percentile,
    ramp,
    summarise,
    summarise_kinds,
    timeline,
    within,
)


def sample(at: float, ms: float, error: str = "", kind: str = "search") -> RequestSample:
    return RequestSample(at, kind, ms, error)


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([7.0], 0.5) == percentile([7.0], 0.99) == 7
    assert percentile([1.0, 2.0, 3.0], 0.95) == 3
    assert percentile([], 0.5) is None


def test_failed_requests_count_for_latency_but_not_for_throughput() -> None:
    summary = summarise([sample(0, 10), sample(1, 30, "503"), sample(2, 20)], 2)
    assert summary.requests == 3
    assert summary.per_second == 1.0
    assert (summary.p50_ms, summary.p95_ms, summary.max_ms) == (20, 30, 30)
    assert summary.errors == 1


def test_no_requests_have_no_latency() -> None:
    summary = summarise([], 5)
    assert (summary.requests, summary.per_second, summary.p95_ms) == (0, 0, None)


def test_a_stretch_includes_its_start_but_not_its_end() -> None:
    samples = [sample(at, 1) for at in (0.9, 1.0, 1.5, 2.0)]
    assert [each.at for each in within(samples, 1, 2)] == [1.0, 1.5]


def test_each_kind_has_its_own_figures() -> None:
    kinds = summarise_kinds([sample(0, 1, kind="a"), sample(0, 2, kind="b"), sample(0, 4, kind="b")], 1)
    assert list(kinds) == ["b", "a"]
    assert kinds["b"].max_ms == 4


def test_equal_errors_are_counted_together() -> None:
    samples = [sample(0, 1, "503 busy"), sample(1, 1), sample(2, 1, "503 busy"), sample(3, 1, "no answer")]
    assert frequent_errors(samples) == [
        {"kind": "search", "error": "503 busy", "count": 2},
        {"kind": "search", "error": "no answer", "count": 1},
    ]


def test_the_timeline_has_empty_stretches() -> None:
    moments = timeline([sample(0.2, 5), sample(0.9, 9), sample(2.1, 7, "x")])
    assert [(moment.at, moment.per_second, moment.p95_ms, moment.errors) for moment in moments] == [
        (0, 2, 9, 0),
        (1, 0, None, 0),
        (2, 1, 7, 1),
    ]
    assert timeline([]) == []


@pytest.mark.parametrize(
    ("users", "levels", "expected"),
    [(100, 5, [20, 40, 60, 80, 100]), (7, 3, [3, 5, 7]), (2, 5, [1, 2]), (1, 5, [1]), (9, 1, [9])],
)
def test_a_ramp_ends_at_the_number_of_users(users: int, levels: int, expected: list[int]) -> None:
    assert ramp(users, levels) == expected
