"""Conditions, orders and papers by references, over a corpus in memory."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from akin.papers import Paper
from retrieval_service.errors import NoReferences, UnknownPaper
from retrieval_service.filter import AnyOf, Clause, Field, Filter
from retrieval_service.search.planner import plan_search, reads_corpus
from retrieval_service.search.request import Mode, SearchRequest, Sort

CITES = {0: [1, 2], 1: [2], 2: [], 3: [2, 0], 4: [3], 5: [3, 2]}
TOTALS = [3, 40, 5_000, 7, 0, 0]
DENSE = {0: 0.9, 1: 0.8, 2: 0.7, 3: 0.6, 4: 0.5, 5: 0.4}


class ListReferences:
    """References in lists."""

    def __init__(self, cites: dict[int, list[int]], totals: list[int]) -> None:
        self.links = cites
        self.totals = np.asarray(totals, np.uint32)

    def __len__(self) -> int:
        return sum(map(len, self.links.values()))

    def cites(self, row: int) -> Any:
        return np.asarray(sorted(self.links[row]), np.int64)

    def cited_by(self, row: int) -> Any:
        return np.asarray([one for one, cited in self.links.items() if row in cited], np.int64)

    def counts(self, row: int) -> tuple[int, int, int]:
        return int(self.totals[row]), len(self.cited_by(row)), len(self.cites(row))


@pytest.fixture
def corpus(fakes: Any) -> Any:
    years = (2020, 2024, 2004, None, 2022, 2024)
    papers = [
        Paper(f"2001.0000{row}", f"Title {row}", "A", published=date(year, 1, 1) if year else None)
        for row, year in enumerate(years)
    ]
    found = fakes.Corpus(papers, DENSE, {})
    found.references = ListReferences(CITES, TOTALS)
    return found


def rows_of(corpus: Any, text: str = "words", **asked: Any) -> Filter:
    admitted = plan_search(SearchRequest(text=text, **asked), corpus.catalogue, corpus.references).admitted
    assert admitted is not None
    return admitted


@pytest.mark.parametrize(
    ("text", "asked", "rows"),
    [
        ("cites:2001.00002", {}, (0, 1, 3, 5)),
        ("words cites:arXiv:2001.00003v2", {}, (4, 5)),
        ("cited-by:2001.00000", {}, (1, 2)),
        ("citedby:2001.00000 words", {}, (1, 2)),
        ("cites:2001.00001,2001.00000", {}, (0, 3)),
        ("cites:2001.00005", {}, ()),
        ("words", {"cites": ("2001.00002",)}, (0, 1, 3, 5)),
        ("words", {"cited_by": ("https://arxiv.org/abs/2001.00005", "2001.00000")}, (1, 2, 3)),
    ],
)
def test_conditions_are_the_rows_of_the_references(
    text: str, asked: dict[str, Any], rows: tuple[int, ...], corpus: Any
) -> None:
    assert rows_of(corpus, text, **asked).clauses == (Clause(Field.ROW, rows),)
    assert reads_corpus(SearchRequest(text=text, **asked))


def test_conditions_join_exclude_and_are_read_back(corpus: Any) -> None:
    assert rows_of(corpus, "words -cites:2001.00002").clauses == (Clause(Field.ROW, (0, 1, 3, 5), excluded=True),)
    both = rows_of(corpus, "cites:2001.00002 cited-by:2001.00000")
    assert set(both.clauses) == {Clause(Field.ROW, (0, 1, 3, 5)), Clause(Field.ROW, (1, 2))}
    either = rows_of(corpus, "cites:2001.00003 OR ti:graph")
    assert either.joined == (AnyOf((Clause(Field.ROW, (4, 5)), Clause(Field.TITLE, ("graph",)))),)
    plan = plan_search(SearchRequest(text="dust cites:2001.00003"), corpus.catalogue, corpus.references)
    assert (plan.words, plan.operators) == ("dust", ("cites:2001.00003",))
    # Without a value directly behind the colon, it is a word of a title.
    assert plan_search(SearchRequest(text="who cites: a study"), corpus.catalogue).operators == ()


def test_unknown_papers_and_a_corpus_without_references_are_refused_in_words(corpus: Any) -> None:
    with pytest.raises(UnknownPaper, match=r"no paper '2001\.99999' in this corpus, so that its references"):
        rows_of(corpus, "cites:2001.99999")
    with pytest.raises(NoReferences, match=r"cited-by:2001\.00001 needs the references .* akin references import"):
        plan_search(SearchRequest(text="cited-by:2001.00001"), corpus.catalogue)


@pytest.mark.parametrize("asked", [{"sort": Sort.CITATIONS}, {"citation_boost": 0.1}, {"chase": True}])
async def test_orders_and_chasing_need_references(asked: dict[str, Any], engine: Any, corpus: Any) -> None:
    corpus.references = None
    with pytest.raises(NoReferences) as refused:
        await engine.search(corpus, SearchRequest(text="words", **asked))
    assert refused.value.status == 400
    assert refused.value.detail == {"parameter": next(iter(asked))}
    assert corpus.vectors.asked == []
    answer = await engine.search(corpus, SearchRequest(text="words"))
    assert all(not result.citations for result in answer.results)


async def ids(engine: Any, corpus: Any, **asked: Any) -> str:
    asked = {"text": "words", "collapse": False, "mode": Mode.DENSE} | asked
    return "".join(result.id[-1] for result in (await engine.search(corpus, SearchRequest(**asked))).results)


async def test_the_most_cited_come_first_and_equal_ones_keep_their_order(engine: Any, corpus: Any) -> None:
    assert await ids(engine, corpus, sort=Sort.CITATIONS) == "213045"
    answer = await engine.search(corpus, SearchRequest(text="words", sort=Sort.CITATIONS, citation_boost=0.5))
    assert (answer.sort.by, answer.sort.papers, answer.sort.complete) == ("citations", 6, True)
    assert answer.notes == ("citation_boost: it has no effect on results that are sorted by citations.",)
    assert answer.results[0].citations.total == 5_000
    assert answer.results[0].citations.in_corpus == 4
    assert answer.results[0].citations.references == 0
    corpus.lexical.meeting = {0, 1, 3, 4}
    assert await ids(engine, corpus, text="ti:graph", mode=Mode.HYBRID, sort=Sort.CITATIONS) == "1304"


async def test_a_boost_weighs_the_logarithm_of_citations_a_year(engine: Any, corpus: Any) -> None:
    asked = SearchRequest(text="words", mode=Mode.DENSE, collapse=False, citation_boost=0.5)
    answer = await engine.search(corpus, asked)
    assert answer.sort.citation_boost == 0.5
    # Of 2004 to 2024: 5,000 citations in 20 years are 250 a year, which is as much as counts. A paper without a day
    # is as old as the oldest one; 40 citations in the newest year are 40 a year.
    impact = {
        2: 1.0,
        1: np.log1p(40) / np.log1p(100),
        0: np.log1p(3 / 4) / np.log1p(100),
        3: np.log1p(7 / 20) / np.log1p(100),
    }
    right = {row: score * (1 + 0.5 * impact.get(row, 0.0)) for row, score in DENSE.items()}
    assert (
        [int(result.id[-1]) for result in answer.results]
        == sorted(right, key=lambda row: -right[row])
        == [1, 2, 0, 3, 4, 5]
    )
    assert await ids(engine, corpus, citation_boost=0.0) == "012345"
    boosted_and_recent = await engine.search(corpus, SearchRequest(text="w", sort=Sort.RECENT, citation_boost=1.0))
    assert boosted_and_recent.sort.half_life == 3.0


async def test_papers_are_chased_with_why(engine: Any, corpus: Any, fakes: Any) -> None:
    papers = [Paper(f"2001.000{row:02}", f"Title {row}" + " and so on" * 9 * (row == 1), "A") for row in range(16)]
    found = fakes.Corpus(papers, {row: 1 - row / 100 for row in range(10)}, {})
    cites = {row: [] for row in range(16)} | {0: [12, 1], 1: [12, 13], 3: [12], 5: [12, 11], 11: [2], 14: [0, 2, 4]}
    found.references = ListReferences(cites, [0] * 16)
    asked: dict[str, Any] = {"text": "words", "mode": Mode.DENSE, "collapse": False, "k": 2}
    answer = await engine.search(found, SearchRequest(**asked, chase=True))
    best = answer.chased[0]
    assert [paper.id[-2:] for paper in answer.chased] == ["12", "14", "11", "13"]
    assert (best.cited_by, best.cites) == ([f"2001.000{row}" for row in ("00", "01", "03", "05")], [])
    assert best.why.startswith("cited by 4 of the 10 best results: Title 0, Title 1 and so on")
    assert best.why.endswith("…, Title 3 and 1 more")
    assert answer.chased[1].why == "cites 3 of the 10 best results: Title 0, Title 2, Title 4"
    assert answer.chased[2].why == "cited by 1 of the 10 best results: Title 5; cites 1 of the 10 best results: Title 2"
    weights = 1 / np.log2(np.arange(10) + 2)
    assert best.score == pytest.approx(weights[[0, 1, 3, 5]].sum() / weights.sum(), abs=1e-6)
    # The same on every page, and within the conditions of the search.
    later = await engine.search(found, SearchRequest(**asked, chase=True, offset=2))
    assert [paper.id for paper in later.chased] == [paper.id for paper in answer.chased]
    found.lexical.meeting = set()
    within = await engine.search(found, SearchRequest(**asked, chase=True, ids=("2001.00014", "2001.00000")))
    assert [paper.id[-2:] for paper in within.chased] == ["14"]
