"""Test the properties of team-draft interleaving, and what a reader's choice is credited to."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akin.feedback.interleaving import credits, team_draft
from akin.feedback.records import Mark, MarkedSearch
from tests.unit.feedback.test_store import search

RANKINGS = st.permutations(range(12)).map(lambda order: order[:8])


@given(RANKINGS, RANKINGS, st.integers(0, 12), st.text(max_size=5))
def test_a_page_has_the_best_of_both_without_repetition(
    serving: list[int], candidate: list[int], count: int, seed: str
) -> None:
    page = team_draft(serving, candidate, count, seed)
    items = [item for item, _ in page]
    assert len(items) == len(set(items)) == min(count, len({*serving, *candidate}))
    assert set(items) <= {*serving, *candidate}
    for side, ranking in (("serving", serving), ("candidate", candidate)):
        places = [ranking.index(item) for item, team in page if team == side]
        assert places == sorted(places)
        # Each result is its side's best one that was not shown before.
        for at, (item, team) in enumerate(page):
            if team == side:
                assert item == next(each for each in ranking if each not in items[:at])
    sides = Counter(side for _, side in page)
    assert abs(sides["serving"] - sides["candidate"]) <= 1
    assert page == team_draft(serving, candidate, count, seed)


@given(RANKINGS, st.integers(1, 8))
def test_equal_rankings_are_of_no_side(ranking: list[int], count: int) -> None:
    assert team_draft(ranking, list(ranking), count, "seed") == [(item, None) for item in ranking[:count]]


def test_a_common_beginning_is_of_no_side() -> None:
    page = team_draft([1, 2, 3, 4], [1, 2, 5, 6], 4, "seed")
    assert page[:2] == [(1, None), (2, None)]
    assert {item for item, _ in page[2:]} == {3, 5}
    assert {side for _, side in page[2:]} == {"serving", "candidate"}


def test_each_side_begins_as_often_and_has_half_of_an_odd_page() -> None:
    first, sizes = Counter[str | None](), Counter[str | None]()
    for seed in range(4000):
        page = team_draft(range(10), range(10, 20), 5, str(seed))
        first[page[0][1]] += 1
        sizes.update(side for _, side in page)
    # Four standard deviations of a fair coin over 4,000 searches are 126.
    assert abs(first["serving"] - 2000) < 126
    assert abs(sizes["serving"] - 10_000) < 126


def test_a_ranking_that_ends_leaves_the_rest_to_no_side() -> None:
    for seed in "abcdefgh":
        page = team_draft([1, 2], [3], 5, seed)
        assert set(page[:2]) == {(1, "serving"), (3, "candidate")}
        assert page[2:] == [(2, None)]
    assert team_draft([], [3, 4], 5, "s") == [(3, None), (4, None)]
    assert team_draft([], [], 5, "s") == []


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([("p1", True, False)], (1, 0)),
        ([("p1", True, False), ("p2", True, True)], (1, 1)),
        ([("p2", None, True)], (0, 1)),
        ([("p2", False, True)], (0, 0)),
        ([("p3", True, True)], (0, 0)),
    ],
)
def test_what_a_reader_chose_is_credited(marks: list[tuple[str, bool | None, bool]], expected: tuple[int, int]) -> None:
    shown = search(shown=["p1", "p2", "p3"], teams=["serving", "candidate", None])
    given = [Mark(paper=paper, rank=1, time="", useful=useful, opened=opened) for paper, useful, opened in marks]
    found = credits(MarkedSearch(shown, given))
    assert (found["serving"], found["candidate"]) == expected


def test_credit_can_be_of_useful_marks_only() -> None:
    shown = search(shown=["p1"], teams=["candidate"])
    opened = MarkedSearch(shown, [Mark(paper="p1", rank=1, time="", opened=True)])
    assert credits(opened, opened=False)["candidate"] == 0
    assert credits(opened, useful=False)["candidate"] == 1
