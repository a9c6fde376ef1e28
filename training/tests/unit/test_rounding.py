import numpy as np
import pytest

from training.compression import rounding
from training.compression.linear_layers import Activations
from training.compression.rounding import Grid


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_grid_holds_zero_exactly_and_rounds_by_at_most_half_a_step() -> None:
    grid = Grid.over(-0.2, 3.7)
    values = np.linspace(-0.2, 3.7, 1001, dtype=np.float32)
    assert grid.round(np.zeros(1, dtype=np.float32))[0] == 0
    # A whole step at the ends, because holding zero exactly moves the grid by up to half a step.
    assert np.abs(grid.round(values) - values).max() <= grid.scale * 1.001
    assert len(np.unique(grid.round(values))) <= 256


@pytest.mark.parametrize(("low", "high"), [(0.5, 2.0), (-2.0, -0.5), (0.0, 0.0)])
def test_ranges_on_one_side_of_zero_are_widened_to_it(low: float, high: float) -> None:
    grid = Grid.over(low, high)
    assert np.isfinite(grid.scale)
    assert grid.scale > 0
    assert grid.round(np.array([0.0], dtype=np.float32))[0] == 0


def test_smoothing_at_full_strength_makes_channels_equally_wide(rng: np.random.Generator) -> None:
    rows = (rng.normal(size=(200, 8)) * np.logspace(-2, 2, 8)).astype(np.float32)
    activations = Activations(rows, rows.min(axis=0), rows.max(axis=0))
    widths = np.abs(rows / rounding.smoothing_divisors(activations, np.ones((8, 3), np.float32), 1.0)).max(axis=0)
    assert widths.max() / widths.min() == pytest.approx(1, rel=1e-3)
    assert (rounding.smoothing_divisors(activations, np.ones((8, 3), np.float32), 0.0) == 1).all()


def test_two_products_fit_sixteen_bits() -> None:
    assert 2 * rounding.ACTIVATION_LEVELS * rounding.WEIGHT_LEVELS < 2**15


def test_compensation_halves_the_error_of_the_output(rng: np.random.Generator) -> None:
    mix = rng.normal(size=(64, 64))
    inputs = (rng.normal(size=(2000, 64)) @ mix).astype(np.float32)
    weights = rng.normal(size=(64, 32)).astype(np.float32)
    scales = rounding.weight_scales(weights)
    true = inputs @ weights
    nearest = rounding.relative_error(true, inputs @ (rounding.round_to_nearest(weights, scales) * scales))
    steps = rounding.round_with_compensation(weights, scales, inputs, damping=0.01)
    assert steps.dtype == np.int8
    assert np.abs(steps).max() <= rounding.WEIGHT_LEVELS
    assert rounding.relative_error(true, inputs @ (steps * scales)) < nearest / 2


def test_without_anything_to_compensate_rounding_is_to_the_nearest(rng: np.random.Generator) -> None:
    weights = rng.normal(size=(8, 4)).astype(np.float32)
    scales = rounding.weight_scales(weights)
    independent = np.eye(8, dtype=np.float32)
    assert (
        rounding.round_with_compensation(weights, scales, independent, 0.01)
        == rounding.round_to_nearest(weights, scales)
    ).all()
