"""Folding repeated papers: a page depends neither on its length nor on the results after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from akin.papers import Paper
from retrieval_service.search import duplicates
from retrieval_service.search.duplicates import AHEAD, ResultPage

GROUPS = 12
# Some groups are near each other although they are different papers.
ANGLES = np.radians([0, 8, 16, 40, 80, 90, 98, 130, 170, 200, 250, 300])


class Papers:
    """A ranking in which all rows of one group are the same paper; counts its calls."""

    def __init__(self, groups: Sequence[int]) -> None:
        self.groups = np.asarray(groups, np.int64)
        self.fetches = 0

    def vectors(self, rows: Sequence[int]) -> Any:
        angles = ANGLES[self.groups[list(rows)]]
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    def papers(self, rows: Sequence[int]) -> list[Paper]:
        self.fetches += 1
        words = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu".split()
        return [Paper(f"p/{row}", f"On {words[self.groups[row]]}", f"{words[self.groups[row]]} only") for row in rows]

    def page(self, first: int, end: int, *, ended: bool = True, known: int | None = None) -> ResultPage | None:
        ranking = np.arange(len(self.groups))[:known]
        return duplicates.make_page(ranking, first, end, ended=ended, vectors=self.vectors, papers=self.papers)


@given(
    groups=st.lists(st.integers(0, GROUPS - 1), min_size=1, max_size=90),
    size=st.integers(1, 12),
    end=st.integers(1, 60),
)
def test_pages_of_any_size_make_one_ranking(groups: list[int], size: int, end: int) -> None:
    papers = Papers(groups)
    whole = papers.page(0, end)
    assert whole is not None
    pages = [papers.page(at, min(at + size, end)) for at in range(0, end, size)]
    for column in range(3):
        assert [each for page in pages if page for each in page[column]] == list(whole[column])
    # All papers of a group but one are folded, and listed with that one where it is near.
    shown = papers.page(0, 90)
    assert shown is not None
    assert sorted(groups[place] for place in shown.places) == sorted(set(groups))


@given(groups=st.lists(st.integers(0, GROUPS - 1), min_size=1, max_size=90), known=st.integers(1, 90))
def test_an_incomplete_ranking_gives_the_same_page_or_none(groups: list[int], known: int) -> None:
    papers = Papers(groups)
    for first, end in ((0, 3), (2, 5), (0, 10)):
        cut = papers.page(first, end, ended=known >= len(groups), known=known)
        if cut is not None:
            assert cut == papers.page(first, end)


def test_six_copies_are_one_result_that_lists_the_near_ones() -> None:
    groups = [0, 0, 0, 0, 0, 0, *([3, 4, 5, 6, 7] * 4), 0]
    page = Papers(groups).page(0, 10)
    assert page is not None
    assert [groups[place] for place in page.places] == [0, 3, 4, 5, 6, 7]
    assert page.folded[0] == tuple(f"p/{place}" for place in range(1, 6))
    assert len(groups) - 1 > AHEAD


@pytest.mark.parametrize(("copies", "fetches"), [(1, 1), (3, 1), (8, 2)])
def test_papers_are_fetched_once_where_few_are_folded(copies: int, fetches: int) -> None:
    papers = Papers([3] * copies + [4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2] + [4] * 60)
    page = papers.page(0, 10)
    assert page is not None
    assert (len(page.papers), papers.fetches) == (10, fetches)


def test_withdrawn_papers_are_not_folded_by_their_text_but_by_their_id():
    notice = "This paper has been withdrawn by the author."
    one = Paper("2401.09015", "Bounds on prime gaps in fields", notice, withdrawn=True)
    other = Paper("2401.09016", "Bounds on prime gaps in fields", notice, withdrawn=True)
    assert not duplicates.same_paper(one, other)
    assert duplicates.same_paper(one, Paper("2401.09015v1", "Bounds", "A proof."))
