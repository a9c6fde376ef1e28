from __future__ import annotations

import random
from typing import Any

import pytest

from loadtests.growth import Readings, growth, growths, slope

MB = 1_000_000


def noisy(
    grown: float, *, base: float = 400 * MB, noise: float = 10 * MB, count: int = 360
) -> list[tuple[float, float]]:
    """Return readings of half an hour that grow steadily, with noise and with a swap in every twentieth of them."""
    chance = random.Random(5)
    return [
        (
            5.0 * number,
            base + grown * number / count + chance.gauss(0, noise) + (300 * MB if number % 20 == 7 else 0),
        )
        for number in range(count)
    ]


def test_the_slope_is_that_of_a_line_and_ignores_what_lies_far_from_it() -> None:
    line = [(float(at), 3.0 + 0.5 * at) for at in range(60)]
    assert slope(line) == pytest.approx(0.5)
    assert slope([(at, 1_000.0 if at % 5 == 0 else value) for at, value in line]) == pytest.approx(0.5)
    assert slope(line[:1]) == slope([]) == 0
    long = [(float(at), 2.0 * at) for at in range(5_000)]
    assert slope(long) == pytest.approx(2)


@pytest.mark.parametrize(("grown", "within"), [(0, True), (8 * MB, True), (60 * MB, False), (-200 * MB, True)])
def test_steady_growth_is_seen_through_noise_and_swaps(grown: float, within: bool) -> None:
    found = growth("the service", "memory", noisy(grown))
    assert found is not None
    assert found.is_within is within
    assert found.grown == pytest.approx(0.75 * grown, abs=6 * MB)
    assert found.allowed == pytest.approx(max(0.05 * found.median, 16 * MB))


def test_the_warm_up_does_not_count() -> None:
    readings = [(float(at), 100.0 * MB + min(at, 25) * 10 * MB) for at in range(100)]
    found = growth("the service", "memory", readings)
    assert found is not None
    assert (found.grown, found.is_within) == (0, True)


@pytest.mark.parametrize(("each_minute", "within"), [(0, True), (1, False)])
def test_a_leak_of_descriptors_is_counted_one_by_one(each_minute: int, within: bool) -> None:
    readings = [(5.0 * number, 40.0 + each_minute * (number // 12)) for number in range(360)]
    found = growth("the page", "descriptors", readings)
    assert found is not None
    assert found.is_within is within


def test_processes_that_lived_shortly_are_not_judged() -> None:
    def kept(count: int) -> dict[str, list[tuple[float, float]]]:
        return {name: [(float(at), 10.0) for at in range(count)] for name in ("memory", "descriptors", "threads")}

    readings: Readings = {"the service": kept(100), "a command": kept(20)}
    judged: list[Any] = growths(readings)
    assert [(each.process, each.quantity) for each in judged] == [
        ("the service", "memory"), ("the service", "descriptors"), ("the service", "threads"),
    ]  # fmt: skip
    assert growths({"the service": kept(5)}) == []
