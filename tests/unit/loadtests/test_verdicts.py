from __future__ import annotations

from dataclasses import replace

import pytest

from loadtests.growth import Growth
from loadtests.samples import RequestSample, Summary
from loadtests.verdicts import OverloadFigures, SoakRun, SwapDone, overload_verdict, seconds_to_recover, soak_verdict

FLAT = Growth("the service", "memory", 4e8, 4.1e8, 1e6, 2e7)
LEAK = Growth("the page", "descriptors", 40, 90, 45, 6)
GOOD = [RequestSample(float(at), "search", 10.0, "") for at in range(100)]
SWAP = SwapDone(60, "snapshot", 2.0, "")
CALM = Summary(500, 25, 10, 20, 30, 40, 0)
FIGURES = OverloadFigures(50, 100, CALM, replace(CALM, per_second=80), 5)


def soak(
    samples: list[RequestSample] = GOOD, swaps: tuple[SwapDone, ...] = (SWAP,), grown: Growth = FLAT, again: int = 0
) -> list[str]:
    return soak_verdict(SoakRun(samples, list(swaps)), [grown], {"Triton": 0, "the service": again})


def test_a_soak_holds_only_if_nothing_grew_failed_or_was_restarted() -> None:
    assert soak() == []
    assert soak(grown=LEAK) == ["descriptors of the page grew by 45, and 6 is tolerated"]
    assert soak([*GOOD, RequestSample(3, "feed", 1, "503 overloaded")]) == ["1 of 101 requests failed"]
    assert soak(swaps=(SWAP, replace(SWAP, error="refused"))) == ["the change of snapshot at 60 s: refused"]
    assert soak(again=2) == ["the service was restarted 2 times"]


def test_a_soak_that_did_nothing_does_not_hold() -> None:
    assert soak([]) == ["no request was sent"]
    assert soak(swaps=()) == ["nothing was changed"]
    assert soak_verdict(SoakRun(GOOD, [SWAP]), [], {}) == ["the run was too short to judge growth"]


def test_an_overload_holds_at_its_bounds_and_not_beyond() -> None:
    assert overload_verdict(FIGURES, [FLAT]) == []
    less = replace(FIGURES, overload=replace(CALM, per_second=79))
    assert overload_verdict(less, [FLAT]) == ["goodput is 79% of the peak, and 80% is promised"]
    assert overload_verdict(replace(FIGURES, recovered=6), [FLAT]) == [
        "the service recovered after 6 s, and 5 s are promised"
    ]
    assert overload_verdict(replace(FIGURES, recovered=None), [FLAT]) == [
        "the service did not recover, and 5 s are promised"
    ]
    assert len(overload_verdict(FIGURES, [FLAT, LEAK])) == 1


@pytest.mark.parametrize(
    ("bad", "expected"), [((), 0), ((0,), 1), ((0, 1, 3), 4), ((12,), 0), (range(20), None), ((0, 4, 8, 12, 16), None)]
)
def test_recovery_is_the_first_second_before_five_good_ones(bad: object, expected: float | None) -> None:
    for failing in (("503 overloaded", 5.0), ("", 400.0)):
        samples = [
            RequestSample(100 + at / 10, "search", *((failing[1], failing[0]) if at // 10 in bad else (20.0, "")))  # type: ignore[operator]
            for at in range(200)
        ]
        assert seconds_to_recover(samples, 100, 120, 100) == expected
