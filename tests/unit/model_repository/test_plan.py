"""How `text_encoder` cuts texts into runs. The runtime is loaded by its path, as Triton does it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

RUNTIME = Path(__file__).parents[3] / "model_repository/text_encoder/runtime.py"

lengths = st.lists(st.integers(1, 256), min_size=0, max_size=64)
budgets = st.sampled_from([256, 1024, 4096])


@pytest.fixture(scope="module")
def runtime() -> ModuleType:
    spec = importlib.util.spec_from_file_location("akin_runtime_under_test", RUNTIME)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@given(lengths=lengths, budget=budgets)
def test_every_text_is_in_exactly_one_run_that_it_fits(runtime: ModuleType, lengths: list[int], budget: int) -> None:
    runs = runtime.plan(lengths, 256, budget)
    assert sorted(member for members, _ in runs for member in members) == list(range(len(lengths)))
    for members, length in runs:
        assert all(lengths[member] <= length for member in members)
        assert length <= 256


@given(lengths=lengths, budget=budgets)
def test_runs_have_only_shapes_that_were_warmed(runtime: ModuleType, lengths: list[int], budget: int) -> None:
    warmed = set(runtime.shapes(256, budget))
    assert {(length, len(members)) for members, length in runtime.plan(lengths, 256, budget)} <= warmed


@given(lengths=lengths, budget=budgets)
def test_padding_is_never_worse_than_one_text_a_run(runtime: ModuleType, lengths: list[int], budget: int) -> None:
    def cost(runs: list[tuple[list[int], int]]) -> int:
        return sum(len(members) * length + runtime.RUN_OVERHEAD for members, length in runs)

    alone = [([position], runtime.bucket(length, 256)) for position, length in enumerate(lengths)]
    assert cost(runtime.plan(lengths, 256, budget)) <= cost(alone)


def test_short_texts_are_not_padded_to_a_long_neighbour(runtime: ModuleType) -> None:
    assert runtime.plan([10, 250, 12, 9, 11], 256, 4096) == [([1], 256), ([3, 0, 4, 2], 12)]


def test_a_length_that_is_no_multiple_of_the_step_is_the_last_bucket(runtime: ModuleType) -> None:
    assert runtime.bucket(100, 100) == 100
    assert runtime.bucket(97, 100) == 100
    assert runtime.bucket(96, 100) == 96
    assert runtime.bucket(0, 100) == 8


def test_short_texts_have_finer_lengths_than_long_ones(runtime: ModuleType) -> None:
    assert runtime.padded_lengths(100) == [8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 100]
