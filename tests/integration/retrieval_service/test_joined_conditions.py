"""Conditions joined by AND, OR and NOT, days and patterns: the same papers in every part of the search."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest

from akin.indexing.catalogue_writer import CatalogueWriter
from akin.indexing.lexical_writer import LexicalWriter
from akin.papers import Paper, parse_authors
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.adapters.tantivy_index import TantivyIndex
from retrieval_service.search.filters import filter_rows, rows_by_name
from retrieval_service.search.planner import plan_search
from retrieval_service.search.request import SearchRequest

TITLES = (
    "photovoltaic cells",
    "a survey of dust lanes",
    "neurons and graphs",
    "neural graphs",
    "generalization of women",
    "gas and dust",
    "the woman and the photon",
)
NAMES = ("Ada Verne", "Ivo Kestrel", "Erwin Schrödinger", "Bo Schroeder")
CODES = ("astro-ph", "astro-ph.GA", "cs.LG", "hep-th")


def corpus() -> list[Paper]:
    papers = []
    for number in range(140):
        title = TITLES[number % len(TITLES)]
        day = date(2018, 1, 1) + timedelta(days=20 * number) if number % 10 else None
        papers.append(
            Paper(
                *(f"own:{number}", title, f"On {TITLES[(3 * number + 1) % len(TITLES)]}."),
                *(parse_authors(NAMES[number % 4]), (CODES[number // 3 % 4],), day),
                doi=f"10.5555/Akin.{number}" if number % 2 else None,
            )
        )
    return papers


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Paper], SqliteCatalogue, TantivyIndex]:
    folder, papers = tmp_path_factory.mktemp("joined"), corpus()
    with LexicalWriter(folder / "lexical") as writer:
        writer.add(0, papers)
        writer.close()
    catalogue = CatalogueWriter(folder / "catalogue.sqlite", "joined")
    catalogue.add(papers)
    catalogue.close()
    return papers, SqliteCatalogue(folder / "catalogue.sqlite"), TantivyIndex(folder / "lexical")


def by(name: str) -> Callable[[Paper], bool]:
    return lambda paper: any(name in author.name for author in paper.authors)


def titled(*words: str) -> Callable[[Paper], bool]:
    return lambda paper: bool({*words} & {*paper.title.split()})


def within(first: date, last: date) -> Callable[[Paper], bool]:
    return lambda paper: paper.published is not None and first <= paper.published <= last


_2019 = within(date(2019, 1, 1), date(2019, 12, 31))


@pytest.mark.parametrize(
    ("query", "admits"),
    [
        ('au:"Ada Verne" OR au:"Ivo Kestrel"', lambda p: by("Verne")(p) or by("Kestrel")(p)),
        ('au:"Ada Verne" ANDNOT ti:survey', lambda p: by("Verne")(p) and not titled("survey")(p)),
        ("au:Kestrel OR ti:dust", lambda p: by("Kestrel")(p) or titled("dust")(p)),
        ("dust (au:Kestrel OR ti:dust)", lambda p: by("Kestrel")(p) or titled("dust")(p)),
        ("au:Kestrel OR cat:cs.LG OR year:2019", lambda p: by("Kestrel")(p) or "cs.LG" in p.categories or _2019(p)),
        ("au:Kestrel AND (ti:dust OR NOT cat:astro-ph)", lambda p: by("Kestrel")(p) and (
            titled("dust")(p) or not p.categories[0].startswith("astro-ph")
        )),
        ("dust ANDNOT (year:2019 OR au:Verne)", lambda p: not (_2019(p) or by("Verne")(p))),
        ("dust NOT year:2019", lambda p: not _2019(p)),
        ("dust submittedDate:[201901010000 TO 201912312359]", _2019),
        ("year:2019", _2019),
        ("cat:astro-ph", lambda p: p.categories[0].startswith("astro-ph")),
        ("-cat:astro-ph dust", lambda p: not p.categories[0].startswith("astro-ph")),
        ("ti:photovol*", titled("photovoltaic")),
        ("ti:photovoltai*", titled("photovoltaic")),
        ("ti:neur*", titled("neurons", "neural")),
        ("ti:wom?n", titled("woman", "women")),
        ("ti:generaliz*", titled("generalization")),
        ("-ti:neur* dust", lambda p: not titled("neurons", "neural")(p)),
        ("ti:neur* OR ti:photo*", titled("neurons", "neural", "photovoltaic", "photon")),
        ("au:Schr*", lambda p: by("Schr")(p)),
        ("au:Kes*el OR au:Ve?ne", lambda p: by("Verne")(p) or by("Kestrel")(p)),
        ("all:kestrel", by("Kestrel")),
        ("id:10.5555/akin.7,own:8 dust", lambda p: p.id in ("own:7", "own:8")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("mode", ["filter", "lexical"])
def test_papers_that_meet_joined_conditions(
    query: str,
    admits: Callable[[Paper], bool],
    mode: str,
    searched: tuple[list[Paper], SqliteCatalogue, TantivyIndex],
) -> None:
    papers, catalogue, lexical = searched
    expected = [row for row, paper in enumerate(papers) if admits(paper)]
    assert 0 < len(expected) < len(papers)
    plan = plan_search(SearchRequest(text=query), catalogue)
    assert plan.admitted is not None
    if mode == "filter":
        rows = filter_rows(plan.admitted, catalogue, lexical)
        assert np.flatnonzero(rows.mask).tolist() == expected
        assert rows.count == len(expected)
    else:
        found = lexical.search("", 1000, admitted=plan.admitted)
        assert sorted(found.rows.tolist()) == expected
        by_words = lexical.search(plan.words or "", 1000, admitted=plan.admitted).rows.tolist()
        assert by_words
        assert {*by_words} <= {*expected}


def test_joined_titles_rank_before_names(searched: tuple[list[Paper], SqliteCatalogue, TantivyIndex]) -> None:
    papers, catalogue, lexical = searched
    plan = plan_search(SearchRequest(text="ti:survey OR au:Kestrel"), catalogue)
    best = lexical.search("", 20, admitted=plan.admitted)
    assert ["survey" in papers[row].title for row in best.rows] == [True] * 20


def test_a_doi_finds_its_paper(searched: tuple[list[Paper], SqliteCatalogue, TantivyIndex]) -> None:
    _, catalogue, _ = searched
    for written in ("10.5555/akin.7", "https://doi.org/10.5555/AKIN.7", "doi:10.5555/Akin.7", "<10.5555/akin.7>"):
        assert rows_by_name([written], catalogue) == {written: 7}
        assert [paper.id for paper in plan_search(SearchRequest(text=written), catalogue).like] == ["own:7"]
    assert rows_by_name(["10.5555/akin.8"], catalogue) == {"10.5555/akin.8": None}
    steps = catalogue._db.execute(
        "EXPLAIN QUERY PLAN SELECT min(row) FROM paper WHERE doi IS NOT NULL AND lower(doi) = lower('x')"
    ).fetchall()
    assert "paper_doi" in str(steps)
