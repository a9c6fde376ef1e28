"""Test PSI: its value, its limits for small windows, and the guesses of languages."""

from __future__ import annotations

import math
import random

import pytest

from akin.drift.language import language_of
from akin.drift.stability import shift_of_names, shift_of_numbers


def test_the_index_is_that_of_its_definition() -> None:
    found = shift_of_names("results", ["some"] * 900 + ["none"] * 100, ["some"] * 800 + ["none"] * 200, level=0.01)
    wanted = (0.8 - 0.9) * math.log(0.8 / 0.9) + (0.2 - 0.1) * math.log(0.2 / 0.1)
    assert found.psi == pytest.approx(wanted, rel=0.01)
    assert (found.bins, found.reference, found.current) == (["some", "none"], [0.9, 0.1], [0.8, 0.2])
    assert not found.shifted  # below what is noticeable


def test_bins_of_numbers_have_equal_shares_of_the_reference() -> None:
    found = shift_of_numbers("words", list(range(1000)), list(range(500, 1500)), level=0.01)
    assert found.reference == pytest.approx([0.1] * 10)
    assert found.current[:5] == [0, 0, 0, 0, 0]
    assert found.current[-1] == 0.6
    assert found.shifted


def test_small_windows_of_one_kind_are_rarely_called_shifted() -> None:
    dice = random.Random(1)
    alarms = 0
    for _ in range(200):
        draw = [dice.gauss(0, 1) for _ in range(100)]
        alarms += shift_of_numbers("score", draw[:50], draw[50:], level=0.05).shifted
    assert alarms <= 18  # 10 are expected
    one = shift_of_numbers("score", list(range(50)), [value + 30 for value in range(50)], level=0.05)
    assert one.shifted


def test_a_new_name_does_not_make_the_index_infinite() -> None:
    found = shift_of_names("category", ["a"] * 100, ["b"] * 100, level=0.01)
    assert found.psi is not None
    assert math.isfinite(found.psi)
    assert found.shifted


def test_rare_names_are_put_together() -> None:
    names = [f"c{n}" for n in range(50)] * 2
    found = shift_of_names("category", names, names, level=0.01)
    assert len(found.bins) == 13
    assert found.bins[-1] == "others"
    assert sum(found.reference) == pytest.approx(1)
    assert found.psi == pytest.approx(0)


def test_too_few_values_have_no_index() -> None:
    found = shift_of_numbers("score", [0.5] * 29, [0.5] * 500, level=0.01)
    assert (found.psi, found.shifted, found.reference_values) == (None, False, 29)


def test_numbers_that_are_all_equal_are_stable() -> None:
    found = shift_of_numbers("unknown", [0.0] * 100, [0.0] * 100, level=0.01)
    assert not found.shifted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("attention is all you need", "en"),
        ("The effect of noise on learning", "en"),
        ("Einführung in die Theorie der neuronalen Netze", "de"),
        ("une méthode pour les équations aux dérivées partielles", "fr"),
        ("redes neuronales para el reconocimiento del habla", "es"),
        ("квантовая запутанность", "cyrillic"),
        ("深度学习", "han"),
        ("graph transformers", "latin"),
        ("12345 + ??", "none"),
        ("", "none"),
    ],
)
def test_languages_are_guessed(text: str, wanted: str) -> None:
    assert language_of(text) == wanted
