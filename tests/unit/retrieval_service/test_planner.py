from __future__ import annotations

from typing import Any

import pytest

from akin.papers import Paper
from retrieval_service.errors import UnknownCategory, UnknownPaper
from retrieval_service.search.filters import category_codes
from retrieval_service.search.planner import paper_rows, plan_search
from retrieval_service.search.request import SearchRequest

CORPUS = ("cs.LG", "hep-th", "Local.News")


@pytest.mark.parametrize(
    ("wanted", "codes"),
    [
        (["cs.LG"], {"cs.LG"}),
        (["CS.lg", "cs.LG"], {"cs.LG"}),
        (["local.news"], {"Local.News"}),
        (["Local.*"], {"Local.News"}),
        (["local"], {"Local.News"}),
        (["econ"], {"econ.EM", "econ.GN", "econ.TH"}),
        (["econ*"], {"econ.EM", "econ.GN", "econ.TH"}),
        (["cmp-lg"], {"cmp-lg"}),
        (["hep-th"], {"hep-th"}),
        (["hep-th.*"], {"hep-th"}),
        (["econ.*"], {"econ.EM", "econ.GN", "econ.TH"}),
        (["math.ST", "stat.TH"], {"math.ST", "stat.TH"}),
    ],
)
def test_codes(wanted: list[str], codes: set[str]) -> None:
    assert set(category_codes(wanted, CORPUS)) == codes


def test_a_star_is_one_archive() -> None:
    codes = category_codes(["math.*"], CORPUS)
    assert "math.NA" in codes
    assert not [code for code in codes if code.startswith("math-ph")]


def test_an_archive_that_was_divided_is_all_of_it() -> None:
    assert {"astro-ph", "astro-ph.GA", "astro-ph.CO"} <= set(category_codes(["astro-ph"], CORPUS))
    assert {"cond-mat", "cond-mat.soft"} <= set(category_codes(["cond-mat"], CORPUS))
    assert {"q-bio", "q-bio.NC"} <= set(category_codes(["q-bio"], CORPUS))
    for divided, other in (("math", "math-ph"), ("q-bio", "q-fin.ST"), ("physics", "hep-th")):
        assert other not in category_codes([divided], CORPUS)


@pytest.mark.parametrize(
    ("wanted", "near"), [("cs.LGG", "cs.LG"), ("cslg", "cs.LG"), ("hepth", "hep-th"), ("local.new", "Local.News")]
)
def test_the_error_for_an_unknown_category_suggests_similar_ones(wanted: str, near: str) -> None:
    with pytest.raises(UnknownCategory) as caught:
        category_codes([wanted], CORPUS)
    assert near in caught.value.detail["near"]


@pytest.mark.parametrize("wanted", ["", "*", ".*", "cs.L*", "x" * 100, "cs.LG OR 1=1"])
def test_other_patterns_are_unknown(wanted: str) -> None:
    with pytest.raises(UnknownCategory):
        category_codes([wanted], CORPUS)


def test_papers_are_found_by_any_form_of_their_id(fakes: Any) -> None:
    papers = [Paper("hep-th/9901001", "a", "b"), Paper("2503.12552", "c", "d"), Paper("own:7", "e", "f")]
    catalogue = fakes.ListCatalogue(papers)
    forms = ["https://arxiv.org/abs/hep-th/9901001v2", "arXiv:2503.12552", "2503.12552v1", "own:7"]
    assert paper_rows(forms, catalogue) == [0, 1, 2]
    assert paper_rows([], catalogue) == []
    with pytest.raises(UnknownPaper) as caught:
        paper_rows(["2503.12552", "x" * 1000], catalogue)
    assert len(str(caught.value)) < 300


def test_an_id_of_the_corpus_itself_has_priority(fakes: Any) -> None:
    catalogue = fakes.ListCatalogue([Paper("1706.03762", "a", "b"), Paper("arXiv:1706.03762", "c", "d")])
    assert paper_rows(["arXiv:1706.03762"], catalogue) == [1]


def test_words_around_an_id_are_words(fakes: Any) -> None:
    catalogue = fakes.ListCatalogue(fakes.papers)
    assert plan_search(SearchRequest(text="papers like 2001.00001 please"), catalogue).words is not None
    assert plan_search(SearchRequest(text="2001.00001"), catalogue).words is None
