"""Test the planning of rows and runs. The module is loaded by its path, as Triton does."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

PACKING = Path(__file__).parents[3] / "model_repository/text_encoder/packing.py"

lengths = st.lists(st.integers(1, 256) | st.integers(3, 40), min_size=0, max_size=64)
budgets = st.sampled_from([256, 1024, 4096])
shared = st.booleans()


@pytest.fixture(scope="module")
def packing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("akin_packing_under_test", PACKING)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def padded(packing: ModuleType, runs: Sequence[Any]) -> int:
    return sum(packing.padded_rows(len(run.rows)) * run.length for run in runs)


@given(lengths=lengths, budget=budgets, shares=shared)
def test_every_text_lies_in_exactly_one_row_that_has_room_for_it(
    packing: ModuleType, lengths: list[int], budget: int, shares: bool
) -> None:
    runs = packing.plan(lengths, range(len(lengths)), 256, budget, shares_rows=shares)
    assert sorted(member for run in runs for member in run.members) == list(range(len(lengths)))
    for run in runs:
        assert run.length <= 256
        for row in run.rows:
            assert sum(lengths[member] for member in row) <= run.length
            assert 1 <= len(row) <= run.slots
            assert shares or len(row) == 1


@given(lengths=lengths, budget=budgets, shares=shared)
def test_runs_have_only_shapes_that_were_warmed(
    packing: ModuleType, lengths: list[int], budget: int, shares: bool
) -> None:
    warmed = set(packing.shapes(256, budget, shares_rows=shares))
    runs = packing.plan(lengths, range(len(lengths)), 256, budget, shares_rows=shares)
    assert {run.shape for run in runs} <= warmed


@given(lengths=lengths, budget=budgets)
def test_padding_is_never_worse_than_one_text_a_run(packing: ModuleType, lengths: list[int], budget: int) -> None:
    def cost(runs: Sequence[Any]) -> float:
        return sum(float(packing.work(packing.padded_rows(len(run.rows)), run.length)) for run in runs)

    alone = [packing.Run([[text]], packing.padded_length(length, 256), 1) for text, length in enumerate(lengths)]
    assert cost(packing.plan(lengths, range(len(lengths)), 256, budget, shares_rows=False)) <= cost(alone) + 1e-6


@given(lengths=st.lists(st.integers(6, 32), min_size=48, max_size=128))
def test_shared_rows_are_nearly_full(packing: ModuleType, lengths: list[int]) -> None:
    runs = packing.plan(lengths, range(len(lengths)), 256, 1024, shares_rows=True)
    assert padded(packing, runs) <= 1.15 * sum(lengths) + 64


def test_texts_of_half_a_row_and_more_get_rows_of_twice_the_length(packing: ModuleType) -> None:
    runs = packing.plan([40] * 24, range(24), 256, 1024, shares_rows=True)
    assert {run.length for run in runs} == {128}
    assert {len(row) for run in runs for row in run.rows} == {3}


def test_a_row_holds_only_so_many_texts_and_a_single_one_is_cut(packing: ModuleType) -> None:
    (run,) = packing.plan([3] * 16, range(16), 256, 1024, shares_rows=True)
    assert (len(run.rows), run.length) == (1, 48)
    (run,) = packing.plan([3] * 17, range(17), 256, 1024, shares_rows=True)
    assert [len(row) for row in run.rows] == [16, 1]


def test_short_texts_are_not_padded_to_a_long_neighbour(packing: ModuleType) -> None:
    runs = packing.plan([10, 250, 12, 9, 11], range(5), 256, 4096, shares_rows=False)
    assert [(run.members, run.length) for run in runs] == [([1], 256), ([3, 0, 4, 2], 12)]


def test_a_length_that_is_no_multiple_of_the_step_is_the_last_bucket(packing: ModuleType) -> None:
    assert packing.padded_length(100, 100) == 100
    assert packing.padded_length(97, 100) == 100
    assert packing.padded_length(96, 100) == 96
    assert packing.padded_length(0, 100) == 8


def test_short_texts_have_finer_lengths_than_long_ones(packing: ModuleType) -> None:
    found = {length for _, length, _ in packing.shapes(100, 1024, shares_rows=False)}
    assert sorted(found) == [8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 100]


def test_little_work_stays_on_one_lane(packing: ModuleType) -> None:
    assert packing.distribute_over_lanes([10, 9, 11], 2) == [[0, 1, 2]]
    assert packing.distribute_over_lanes([250], 2) == [[0]]
    assert packing.distribute_over_lanes([100, 200], 1) == [[0, 1]]


@given(lengths=lengths, lanes=st.integers(1, 4))
def test_lanes_get_every_text_once_and_similar_work(packing: ModuleType, lengths: list[int], lanes: int) -> None:
    parts = packing.distribute_over_lanes(lengths, lanes)
    assert sorted(text for part in parts for text in part) == list(range(len(lengths)))
    if len(parts) > 1:
        assert len(parts) == min(lanes, len(lengths))
        work = [sum(packing.work(1, lengths[text]) - packing.RUN_OVERHEAD for text in part) for part in parts]
        assert max(work) - min(work) <= packing.work(1, max(lengths)) - packing.RUN_OVERHEAD + 1e-6


def test_a_part_of_the_texts_is_planned_by_their_positions(packing: ModuleType) -> None:
    (run,) = packing.plan([10, 20, 30, 12], [1, 3], 256, 1024, shares_rows=True)
    assert sorted(run.members) == [1, 3]


@given(lengths=st.lists(st.integers(1, 8192), min_size=1, max_size=12), shares=shared)
def test_long_rows_run_alone_and_have_few_lengths(packing: ModuleType, lengths: list[int], shares: bool) -> None:
    runs = packing.plan(lengths, range(len(lengths)), 8192, 1024, shares_rows=shares)
    assert sorted(member for run in runs for member in run.members) == list(range(len(lengths)))
    for run in runs:
        assert len(run.rows) == 1 or run.shape.rows * run.length <= 1024
        longest = max(sum(lengths[member] for member in row) for row in run.rows)
        assert longest <= run.length <= max(packing.FINE_LENGTH, longest * 9 / 8 + 1)


@pytest.mark.parametrize("shares", [True, False])
def test_all_lengths_of_long_rows_are_listed(packing: ModuleType, shares: bool) -> None:
    every = packing.shapes(8192, 1024, shares_rows=shares)
    long = {packing.padded_length(length, 8192) for length in range(513, 8193)}
    assert len(long) == 32
    assert {shape for shape in every if shape.length > 512} == {(1, length, 1) for length in long}


def test_lengths_up_to_512_tokens_are_the_same_however_much_an_encoder_reads(packing: ModuleType) -> None:
    for length in range(513):
        assert packing.padded_length(length, 512) == packing.padded_length(length, 8192)
    assert packing.padded_length(513, 8192) == 576
    assert packing.padded_length(8000, 8000) == 8000
