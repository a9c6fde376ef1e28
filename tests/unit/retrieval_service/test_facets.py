"""Counts of matches by year and category."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from akin.indexing.catalogue_writer import CatalogueWriter
from akin.papers import Paper
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.ports import RowSet
from retrieval_service.search.facets import facets_of_all, facets_of_matches
from retrieval_service.search.request import Mode, SearchRequest

CODES = (("cs.LG", "stat.ML"), ("cs.LG",), ("hep-th",), (), ("cs.LG", "xx.YY"), ("hep-th", "hep-th"))
DAYS = (date(2020, 12, 31), date(2021, 1, 1), date(2021, 12, 31), None, date(1969, 12, 31), date(2021, 5, 1))
PAPERS = [Paper(str(row), f"T{row}", "A", categories=CODES[row], published=DAYS[row]) for row in range(6)]


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> SqliteCatalogue:
    path: Path = tmp_path_factory.mktemp("facets") / "catalogue"
    writer = CatalogueWriter(path, "a")
    writer.add(PAPERS)
    writer.close()
    return SqliteCatalogue(path)


def counts(facets: Any) -> tuple[dict[int, int], dict[str, int]]:
    return {one.year: one.papers for one in facets.years}, {one.code: one.papers for one in facets.categories}


def test_matches_are_counted_by_year_and_category(catalogue: SqliteCatalogue) -> None:
    found = facets_of_matches(np.asarray([5, 0, 3, 4]), catalogue, complete=False)
    years, categories = counts(found)
    assert list(years.items()) == [(1969, 1), (2020, 1), (2021, 1)]
    assert list(categories.items()) == [("cs.LG", 2), ("hep-th", 1), ("stat.ML", 1), ("xx.YY", 1)]
    assert (found.papers, found.complete) == (4, False)
    assert {one.code: one.name for one in found.categories}["cs.LG"] == "Machine Learning"


def test_all_papers_of_a_set_are_counted_alike(catalogue: SqliteCatalogue) -> None:
    rows = np.asarray([1, 2, 4, 5])
    mask = np.isin(np.arange(6), rows)
    every = facets_of_all(RowSet(mask, 4), catalogue)
    assert counts(every) == counts(facets_of_matches(rows, catalogue, complete=True))
    assert every.complete
    nothing = facets_of_all(RowSet(np.zeros(6, np.bool_), 0), catalogue)
    assert counts(nothing) == ({}, {})


async def test_a_search_counts_its_best_matches_on_request(engine: Any, fakes: Any) -> None:
    corpus = fakes.Corpus(PAPERS, {0: 0.9, 1: 0.8}, {2: 3.0})
    answer = await engine.search(corpus, SearchRequest(text="words", facets=True, k=1))
    assert counts(answer.facets) == ({2020: 1, 2021: 2}, {"cs.LG": 2, "hep-th": 1, "stat.ML": 1})
    assert (answer.facets.papers, answer.facets.complete) == (3, True)
    many = fakes.Corpus([Paper(str(row), "T", "A") for row in range(300)], dict.fromkeys(range(300), 0.5), {})
    answer = await engine.search(many, SearchRequest(text="words", facets=True, mode=Mode.DENSE))
    assert (answer.facets.papers, answer.facets.complete) == (100, False)
    assert "facets" not in msgspec.to_builtins(await engine.search(corpus, SearchRequest(text="words")))


async def test_conditions_alone_count_every_paper_that_meets_them(engine: Any, fakes: Any) -> None:
    corpus = fakes.Corpus(PAPERS, {}, {0: 1.0})
    corpus.lexical.meeting = {1, 2, 3}
    answer = await engine.search(corpus, SearchRequest(text="ti:graph", facets=True))
    assert counts(answer.facets) == ({2021: 2}, {"cs.LG": 1, "hep-th": 1})
    assert (answer.facets.papers, answer.facets.complete) == (3, True)
    corpus.lexical.meeting = set()
    answer = await engine.search(corpus, SearchRequest(text="ti:graph words", facets=True))
    assert (answer.facets.papers, answer.facets.years) == (0, [])
