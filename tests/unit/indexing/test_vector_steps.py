"""Choose the partial snapshots of a build, and the order in which papers get vectors."""

from __future__ import annotations

import numpy as np
import pytest

from akin.indexing.vector_steps import FEWEST, embedding_order, plan_steps


@pytest.mark.parametrize(
    ("papers", "stored", "ends"),
    [
        (FEWEST - 1, 0, []),
        (1_000_000, 999_000, []),  # few texts are missing
        (10_000, 0, [0, 2_000]),  # 1 % and 5 % are too few to be worth a snapshot
        (100_000, 0, [0, 5_000, 20_000]),
        (2_500_000, 0, [0, 25_000, 125_000, 500_000]),
        (2_500_000, 130_000, [0, 130_000, 500_000]),
        (100_000, 30_000, [0, 30_000]),
    ],
)
def test_steps_suit_the_number_of_texts_that_are_missing(papers: int, stored: int, ends: list[int]) -> None:
    assert plan_steps(papers, stored, None, by_words=True) == ends


def test_a_continued_build_begins_with_the_vectors_that_are_stored() -> None:
    assert plan_steps(100_000, 7_000, None, by_words=False) == [7_000, 20_000]
    # Without any vector there is nothing to lose.
    assert plan_steps(1_000, 0, (0.5,), by_words=False) == [500]
    assert plan_steps(10_000, 9_000, (0.5,), by_words=False) == [9_000]


def test_steps_that_are_given_are_taken_however_small() -> None:
    assert plan_steps(10, 0, (0.5, 0.1, 0.11), by_words=True) == [0, 1, 2, 5]
    assert plan_steps(10, 0, (), by_words=True) == []
    assert plan_steps(10, 10, (0.5,), by_words=True) == []


def test_stored_papers_come_first_then_the_newest_and_those_without_a_date_last() -> None:
    days = np.asarray([10, 30, 0, 20, 30, 5], np.int32)
    stored = np.asarray([False, False, False, False, False, True])
    assert embedding_order(days, stored).tolist() == [5, 1, 4, 3, 0, 2]
