"""Queries that name papers by their ids or DOIs."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from pydantic import TypeAdapter

from retrieval_service.search.planner import plan_search
from retrieval_service.search.request import SearchRequest


@pytest.mark.parametrize(
    "text",
    [
        "2001.00001 2001.00003",
        "2001.00001, 2001.00003",
        "2001.00001\n2001.00003",
        "arXiv:2001.00001; arXiv:2001.00003v2.",
        "https://arxiv.org/abs/2001.00001 https://arxiv.org/pdf/2001.00003v1.pdf",
        "[1] arXiv:2001.00001 [cs.LG]\n[2] arXiv:2001.00003 [hep-th]",
        "- 2001.00001\n- 2001.00003",
        "(2001.00001) and (2001.00003)",
        "2001.00001, 2001.00003, 2001.00001v1",
        "arXiv preprint 2001.00001, arXiv preprint 2001.00003",
        "10.48550/arXiv.2001.00001 2001.00003",
        "10.5555/first, https://doi.org/10.5555/third",
        "2001.00001 doi:10.5555/third",
        "https://export.arxiv.org/api/query?id_list=2001.00001,2001.00003&max_results=5",
    ],
)
def test_several_ids_are_a_search_for_papers_like_these(text: str, fakes: Any) -> None:
    papers = list(fakes.papers)
    papers[0] = replace(papers[0], doi="10.5555/first")
    papers[2] = replace(papers[2], doi="10.5555/third")
    plan = plan_search(SearchRequest(text=text), fakes.ListCatalogue(papers))
    assert [paper.id for paper in plan.like] == ["2001.00001", "2001.00003"]
    assert (plan.words, plan.notes) == (None, ())


ENTRY = """@article{reyes2020,
  title = {Semi-Supervised {Graph} Networks: a "second" look},
  author = {Reyes, Calvin and Moss, Ole},
  eprint = {%s},
}"""


def test_a_pasted_entry_of_bibtex_is_its_paper(fakes: Any) -> None:
    for text in (
        ENTRY % "2001.00003",
        f"@misc{{x, title={{None}}}}\n{ENTRY % '2001.00003'}",
        "@misc{x, doi=10.5555/third}",
    ):
        papers = [*fakes.papers]
        papers[2] = replace(papers[2], doi="10.5555/third")
        plan = plan_search(SearchRequest(text=text), fakes.ListCatalogue(papers))
        assert [paper.id for paper in plan.like] == ["2001.00003"], text
        assert (plan.words, plan.notes) == (None, ())


def test_a_pasted_entry_of_another_paper_is_searched_for_by_its_title(fakes: Any) -> None:
    for text in (ENTRY % "1609.02907", (ENTRY % "").replace("eprint", "volume")):
        plan = plan_search(SearchRequest(text=text), fakes.ListCatalogue(fakes.papers))
        assert (plan.words, plan.operators) == ('Semi-Supervised Graph Networks: a "second" look', ())
        assert [note.code for note in plan.notes] == ["entry_by_title"]


def test_each_pasted_entry_is_found_by_any_of_its_names_and_the_others_are_named(fakes: Any) -> None:
    papers = [*fakes.papers]
    papers[2] = replace(papers[2], doi="10.5555/third")
    text = "@misc{a, eprint={1609.02907}, doi={10.5555/third}}\n@misc{b, doi={10.5555/lost}}\n" + ENTRY % "2001.00001"
    plan = plan_search(SearchRequest(text=text), fakes.ListCatalogue(papers))
    assert [paper.id for paper in plan.like] == ["2001.00003", "2001.00001"]
    (said,) = plan.notes
    assert said == "Not in this corpus, and passed over: 10.5555/lost."


def test_a_pasted_list_of_references_is_told_how_each_is_found(fakes: Any) -> None:
    catalogue = fakes.ListCatalogue(fakes.papers)
    for text, codes in (
        ("\n".join(f"[{number}] A. Bo. A title. 2019." for number in range(1, 4)), ["reference_list"]),
        ("[1] 2001.00001\n[2] 2001.00002\n[3] 2001.00003", []),
        ("We found in 2019:\n1. Graphs grow.\n2. Trees die.\n3. Stars stay.", []),
        ("[1] A. Bo. A title. 2019.\n[2] Another of 2020.", []),
    ):
        notes = plan_search(SearchRequest(text=text), catalogue).notes
        assert [note.code for note in notes] == codes, text


@pytest.mark.parametrize("text", ["@article{", "@online now", "@misc{x, year=2020}", "@article{a, title={x"])
def test_what_is_no_whole_entry_is_read_as_words(text: str, fakes: Any) -> None:
    plan = plan_search(SearchRequest(text=text), fakes.ListCatalogue(fakes.papers))
    assert (plan.words, plan.notes) == (text, ())


def test_words_that_a_line_end_has_broken_are_joined() -> None:
    def read(text: str) -> str | None:
        return TypeAdapter(SearchRequest).validate_python({"query": text}).text

    assert (
        read("graph net-\nworks for semi-\n supervised learn-\r\ning") == "graph networks for semi-supervised learning"
    )
    assert read("graph -survey\n-review pre- and post-training") == "graph -survey -review pre- and post-training"


@pytest.mark.parametrize(
    "text", ["id:arXiv:2001.00001", "id:https://arxiv.org/abs/2001.00001", "id:arXiv:2001.00001,2001.00003"]
)
def test_the_field_of_ids_is_a_condition_in_every_form_of_an_id(text: str, fakes: Any) -> None:
    plan = plan_search(SearchRequest(text=text), fakes.ListCatalogue(fakes.papers))
    assert (plan.operators, plan.like, plan.words) == ((text,), [], "")
    assert plan.admitted is not None
    assert plan.admitted.clauses[0].values[0] == 0


@pytest.mark.parametrize(
    ("written", "doi"),
    [
        ("http://dx.doi.org/10.5555%2Fnature-9", "10.5555/nature-9"),
        *[("10.5555/1520-0493(1987)115<1606:GARSPP>2.0.CO;2",) * 2, ("10.5555/1-2(99)1:2<3:A>3.0.CO;2-X",) * 2],
    ],
)
def test_dois_with_odd_signs_name_a_paper(written: str, doi: str, fakes: Any) -> None:
    papers = [replace(fakes.papers[0], doi=doi), *fakes.papers[1:]]
    for text in (written, f"{written}; 2001.00001"):
        plan = plan_search(SearchRequest(text=text), fakes.ListCatalogue(papers))
        assert [paper.id for paper in plan.like] == ["2001.00001"]


def test_ids_that_are_not_in_the_corpus_are_named(fakes: Any) -> None:
    catalogue = fakes.ListCatalogue(fakes.papers)
    plan = plan_search(SearchRequest(text="2001.00001 2002.00009"), catalogue)
    assert [paper.id for paper in plan.like] == ["2001.00001"]
    assert "2002.00009" in plan.notes[0]
    unknown = plan_search(SearchRequest(text="10.5555/nothing"), catalogue)
    assert (unknown.words, unknown.like) == ("10.5555/nothing", [])
    assert len(unknown.notes) == 1
    assert "10.5555/nothing" in unknown.notes[0]


def test_an_id_among_words_gets_a_note(fakes: Any) -> None:
    plan = plan_search(SearchRequest(text="papers like 2001.00001 please"), fakes.ListCatalogue(fakes.papers))
    assert plan.words == "papers like 2001.00001 please"
    assert "id:2001.00001" in plan.notes[0]
