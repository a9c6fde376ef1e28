from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from akin.papers import Paper
from retrieval_service.errors import InvalidParameter
from retrieval_service.ports import RowSet
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.search.fusion import FusedRanking
from retrieval_service.search.ordering import all_by_fact, in_order
from retrieval_service.search.request import Mode, SearchRequest, Sort

YEARS = (2020, 2024, None, 2010, 2022, 2024)
DENSE = {0: 0.9, 1: 0.8, 2: 0.7, 3: 0.6, 4: 0.5, 5: 0.4}
LEXICAL = {3: 30.0, 1: 20.0, 0: 10.0}


@pytest.fixture
def corpus(fakes: Any) -> Any:
    papers = [
        Paper(f"2001.0000{row}", f"T{row}", f"A{row}", published=date(year, 1, 1) if year else None)
        for row, year in enumerate(YEARS)
    ]
    return fakes.Corpus(papers, DENSE, LEXICAL)


async def ids(engine: Any, corpus: Any, **asked: Any) -> str:
    answer = await engine.search(corpus, SearchRequest(**{"text": "words", "collapse": False, **asked}))
    return "".join(result.id[-1] for result in answer.results)


async def test_the_best_matches_are_sorted_by_date_and_undated_ones_come_last(engine: Any, corpus: Any) -> None:
    for mode, newest, oldest in ((Mode.DENSE, "154032", "304152"), (Mode.LEXICAL, "103", "301")):
        assert await ids(engine, corpus, mode=mode, sort=Sort.NEWEST) == newest
        assert await ids(engine, corpus, mode=mode, sort=Sort.OLDEST) == oldest
    assert await ids(engine, corpus, sort=Sort.NEWEST) == "154032"
    assert (await ids(engine, corpus))[:2] != "15"


async def test_recent_weighs_relevance_and_age(engine: Any, corpus: Any) -> None:
    assert await ids(engine, corpus, mode=Mode.DENSE) == "012345"
    # Of 2024, 0.8 and 0.4 stay; of 2022, 0.5 becomes 0.315, and of 2020, 0.9 becomes 0.36.
    assert await ids(engine, corpus, mode=Mode.DENSE, sort=Sort.RECENT) == "150423"
    # With a long half-life the order is nearly that of relevance.
    assert await ids(engine, corpus, mode=Mode.DENSE, sort=Sort.RECENT, half_life=100.0) == "012345"


async def test_the_answer_says_what_was_sorted_and_nothing_without_a_sort(engine: Any, corpus: Any) -> None:
    answer = await engine.search(corpus, SearchRequest(text="words", sort=Sort.RECENT, half_life=2.0))
    assert msgspec.to_builtins(answer)["sort"] == {"by": "recent", "papers": 6, "complete": True, "half_life": 2.0}
    answer = await engine.search(corpus, SearchRequest(text="words", mode=Mode.LEXICAL, sort=Sort.OLDEST))
    assert msgspec.to_builtins(answer)["sort"] == {"by": "oldest", "papers": 3, "complete": True}
    assert "sort" not in msgspec.to_builtins(await engine.search(corpus, SearchRequest(text="words")))


async def test_pages_in_an_order_of_days_are_cut_from_one_order_and_end_with_it(engine: Any, fakes: Any) -> None:
    papers = [Paper(str(row), f"T{row}", "A", published=date(2000 + row % 20, 1, 1)) for row in range(300)]
    corpus = fakes.Corpus(papers, {row: 1 - row / 1000 for row in range(300)}, {})
    asked = [SearchRequest(text="w", mode=Mode.DENSE, sort=Sort.NEWEST, k=30, offset=at) for at in range(0, 150, 30)]
    pages = [await engine.search(corpus, one) for one in asked]
    assert [len(page.results) for page in pages] == [30, 30, 30, 10, 0]
    days = [result.date for page in pages for result in page.results]
    assert days == sorted(days, reverse=True)
    assert len({result.id for page in pages for result in page.results}) == 100
    assert {depth for _, depth in corpus.vectors.asked} == {100}
    assert (pages[0].sort.papers, pages[0].sort.complete) == (100, False)
    # By relevance with a taste for the new, deeper results follow behind.
    deep = SearchRequest(text="w", mode=Mode.DENSE, sort=Sort.RECENT, k=100, offset=150, collapse=False)
    assert len((await engine.search(corpus, deep)).results) == 100


async def test_conditions_alone_sort_every_paper_that_meets_them(engine: Any, corpus: Any) -> None:
    corpus.lexical.meeting = {1, 2, 3, 4}
    assert await ids(engine, corpus, text="ti:graph", sort=Sort.OLDEST) == "3412"
    assert await ids(engine, corpus, text="ti:graph", sort=Sort.NEWEST, k=2) == "14"
    assert corpus.lexical.asked == []


def test_the_first_of_many_papers_by_day_are_those_of_a_complete_sort() -> None:
    days = np.random.default_rng(1).integers(0, 400, 5_000).astype(np.int32)
    within = RowSet(days % 3 > 0, int((days % 3 > 0).sum()))
    for sort in (Sort.OLDEST, Sort.NEWEST):
        found = all_by_fact(within, days, sort, 100).rows
        every = all_by_fact(within, days, sort, 5_000).rows
        np.testing.assert_array_equal(found, every[:100])


def test_scores_below_zero_are_not_raised_by_age() -> None:
    days = np.asarray([730_000, 720_000], np.int32)
    scores = np.asarray([-0.1, -0.2])
    ranking = FusedRanking(np.asarray([0, 1]), scores, scores, scores)
    catalogue: Any = SimpleNamespace(days=days)
    index: Any = None
    ordered, _ = in_order(ranking, SearchRequest(text="w", sort=Sort.RECENT), catalogue, index, complete=True)
    assert ordered.rows.tolist() == [0, 1]


async def test_diversity_puts_a_different_paper_before_one_like_the_best(engine: Any, corpus: Any) -> None:
    # Papers 0 and 1 are nearly equal; 3 is at a right angle to both.
    angles = {0: 0.0, 1: 2.0, 2: 30.0, 3: 90.0, 4: 95.0, 5: 120.0}
    corpus.vectors.vectors = lambda rows: np.asarray(
        [[np.cos(np.radians(angles[row])), np.sin(np.radians(angles[row]))] for row in rows], np.float32
    )
    assert await ids(engine, corpus, mode=Mode.DENSE) == "012345"
    assert (await ids(engine, corpus, mode=Mode.DENSE, diversity=0.5))[:2] == "05"
    assert (await ids(engine, corpus, mode=Mode.DENSE, diversity=0.2))[:3] == "031"
    assert await ids(engine, corpus, mode=Mode.DENSE, diversity=0.001) == "012345"
    assert sorted(await ids(engine, corpus, diversity=1.0)) == list("012345")
    newest = await engine.search(corpus, SearchRequest(text="w", sort=Sort.NEWEST, diversity=0.5))
    assert newest.notes == ("diversity: results that are sorted by date (newest) are not spread.",)
    answer = await engine.search(corpus, SearchRequest(text="w", diversity=0.5))
    described = {"by": "relevance", "papers": 6, "complete": True, "diversity": 0.5}
    assert msgspec.to_builtins(answer)["sort"] == described
    corpus.lexical.meeting = {0, 3}
    assert await ids(engine, corpus, text="ti:graph", diversity=0.5)


async def test_diversity_is_neither_for_nor_against_a_paper_without_a_vector(engine: Any, corpus: Any) -> None:
    # The cosines of 0 with 1, 2 and 3 are 0.9, 0.6 and 0.3: that of 4, which has no vector, counts as 0.6.
    cosines = {0: 1.0, 1: 0.9, 2: 0.6, 3: 0.3}
    vectors = np.asarray([[c, np.sqrt(1 - c * c)] if (c := cosines.get(row)) else [0, 0] for row in range(6)])
    corpus.vectors.vectors = lambda rows: vectors[rows].astype(np.float32)
    for score, order in ((0.5, "03"), (0.9, "04")):
        corpus.vectors.scores = {0: 1.0, 1: 0.5, 2: 0.5, 3: 0.5, 4: score}
        assert (await ids(engine, corpus, mode=Mode.DENSE, diversity=0.5))[:2] == order


async def test_pages_of_spread_results_are_one_ranking(engine: Any, fakes: Any) -> None:
    papers = [Paper(str(row), f"T{row}", "A") for row in range(300)]
    corpus = fakes.Corpus(papers, {row: 1 - row / 1000 for row in range(300)}, {})
    asked = [SearchRequest(text="w", mode=Mode.DENSE, diversity=0.4, k=50, offset=at) for at in range(0, 300, 50)]
    found = [result.id for one in asked for result in (await engine.search(corpus, one)).results]
    whole = SearchRequest(text="w", mode=Mode.DENSE, diversity=0.4, k=100)
    assert found[:100] == [result.id for result in (await engine.search(corpus, whole)).results]
    assert len(set(found)) == len(found)
    assert found[:10] != [str(row) for row in range(10)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"sort": "date"},
        {"sort": 1},
        {"half_life": 0},
        {"half_life": "nan"},
        {"half_life": True},
        {"half_life": "inf"},
        {"diversity": 1.01},
        {"diversity": -0.1},
        {"diversity": "nan"},
        {"diversity": True},
        {"diversity": "much"},
    ],
)
def test_a_wrong_sort_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match=next(iter(wrong))):
        Parameters(SearchRequest).validate({"query": "a", **wrong})
