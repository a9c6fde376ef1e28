"""Test the two tests of vectors: their level on one distribution, their power on two, and the estimate itself."""

from __future__ import annotations

import numpy as np
import pytest

from akin.drift import embedding_tests
from akin.drift.embedding_tests import classify, mmd


def sphere(count: int, dice: np.random.Generator, towards: float = 0.0) -> np.ndarray:
    vectors = dice.standard_normal((count, 24))
    vectors[:, 0] += towards
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_the_estimate_is_that_of_its_definition() -> None:
    dice = np.random.default_rng(3)
    x, y = sphere(30, dice), sphere(20, dice, 1.0)
    found = mmd(x, y, permutations=20, dice=np.random.default_rng(1))
    everything = np.concatenate([x, y]).astype(float)
    distances = ((everything[:, None] - everything[None]) ** 2).sum(-1)
    median = np.median(np.sqrt(distances[np.triu_indices(50, 1)]))
    kernel = np.exp(-distances / (2 * median**2))
    np.fill_diagonal(kernel, 0)
    inside = kernel[:30, :30].sum() / (30 * 29) + kernel[30:, 30:].sum() / (20 * 19)
    assert found.value == pytest.approx(inside - 2 * kernel[:30, 30:].mean(), abs=1e-6)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = np.random.default_rng(3)
    x, y = sphere(80, dice), sphere(70, dice, 0.3)
    whole = mmd(x, y, permutations=30, dice=np.random.default_rng(1))
    monkeypatch.setattr(embedding_tests, "_BLOCK", 7)
    parts = mmd(x, y, permutations=30, dice=np.random.default_rng(1))
    assert parts.value == pytest.approx(whole.value, abs=1e-6)
    assert parts.shuffled == pytest.approx(whole.shuffled, abs=1e-6)


def test_false_alarms_are_as_frequent_as_the_level_says() -> None:
    dice = np.random.default_rng(5)
    by_mmd, by_classifier = [], []
    for _ in range(60):
        x, y = sphere(60, dice), sphere(60, dice)
        by_mmd.append(mmd(x, y, permutations=99, dice=dice).p)
        by_classifier.append(classify(x, y, dice=dice).p)
    for found in (by_mmd, by_classifier):
        assert sum(p <= 0.05 for p in found) <= 8  # 3 are expected; more than 8 have a probability of 0.4 %
        assert 0.35 < np.mean(found) < 0.65


def test_a_shift_is_found_by_both() -> None:
    dice = np.random.default_rng(7)
    x, y = sphere(100, dice), sphere(100, dice, 1.5)
    assert mmd(x, y, permutations=199, dice=dice).p == 1 / 200
    found = classify(x, y, dice=dice)
    assert found.p < 1e-4
    assert found.auc > 0.75


def test_equal_vectors_are_no_difference() -> None:
    same = np.tile(np.eye(1, 8, dtype=np.float32), (60, 1))
    assert mmd(same, same, permutations=50, dice=np.random.default_rng(1)).p == 1.0
    assert classify(same, same, dice=np.random.default_rng(1)).auc == 0.5
