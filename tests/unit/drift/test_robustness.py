"""Test the changes of queries, and the overlap of rankings."""

from __future__ import annotations

import random

import pytest

from akin.drift.robustness import CHANGES, changed, measure, overlap, rank_biased_overlap, typo

TEXTS = ["Alpha decay in heavy nuclei", "graph neural networks for molecules", "", "!!", "a b", "Größe"]


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_the_same_for_the_same_seed_and_takes_any_text(name: str) -> None:
    first, second = (changed(TEXTS, CHANGES[name], seed=4) for _ in range(2))
    assert first == second
    assert len(first) == len(TEXTS)
    assert first[1] != TEXTS[1] or name == "small letters"


def test_a_typo_changes_one_word_within() -> None:
    dice = random.Random(1)
    for _ in range(100):
        words = typo("graph neural networks", dice).split()
        wrong = [(was, now) for was, now in zip(["graph", "neural", "networks"], words, strict=True) if was != now]
        assert len(wrong) <= 1  # swapping two equal letters changes nothing
        assert all(was[0] == now[0] and abs(len(was) - len(now)) <= 1 for was, now in wrong)


def test_tex_writes_letters_as_commands_and_words_emphasised() -> None:
    assert changed(TEXTS, CHANGES["TeX"])[0] == r"$\alpha$ decay in heavy nuclei"
    assert r"\emph{" in changed(TEXTS, CHANGES["TeX"])[1]
    assert changed(TEXTS, CHANGES["the first half"])[1] == "graph neural networks"


def test_overlaps_are_those_of_their_definitions() -> None:
    assert rank_biased_overlap(["a", "b"], ["a", "b"]) == pytest.approx(1)
    assert rank_biased_overlap(["a", "b"], ["c", "d"]) == 0
    assert rank_biased_overlap([], []) == 1
    # Agreement is 0 at rank 1, 1 at rank 2: (1 - p) * (0 + p) + p².
    assert rank_biased_overlap(["a", "b"], ["b", "a"], 0.9) == pytest.approx(0.1 * 0.9 + 0.81)
    assert overlap(["a", "b", "c", "d"], ["d", "x"]) == 0.25
    # An early change weighs more.
    assert rank_biased_overlap(list("abcd"), list("xbcd")) < rank_biased_overlap(list("abcd"), list("abcx"))


def test_what_stays_is_summed_up() -> None:
    same, other = (["a", "b"], ["a", "b"]), (["a", "b"], [])
    found = measure("typo", [same, same, same, other], k=2)
    assert found is not None
    assert (found.queries, found.overlap, found.first, found.without_results) == (4, 0.75, 0.75, 0.25)
    assert found.worst == 0
    assert measure("typo", [], k=2) is None
