"""Each rule on records of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from akin.papers import Author, Paper
from akin.relevance.errors import RelevanceError
from akin.relevance.kinds import KINDS, Pool, Search, read_citations, related_pairs
from akin.relevance.kinds.known_item import claim_search, draft_search, question_search, title_search

REST = "The rest of this abstract is on wing profiles in slow oil and has over a hundred characters, as it must have."


def paper(title: str = "On wings", abstract: str = REST, key: str = "p", **more: object) -> Paper:
    return Paper(id=key, title=title, abstract=abstract, **more)  # type: ignore[arg-type]


def searches(kind: str, *papers: Paper) -> list[Search]:
    return list(KINDS[kind](Pool(papers), 1))


@pytest.mark.parametrize(
    ("title", "abstract", "query"),
    [
        ("Why do thin wings stall early?", REST, "Why do thin wings stall early?"),
        ("Stall: why do thin wings stall early?", REST, "Why do thin wings stall early?"),
        ("On wings", f"We ask: does slow oil reduce turbulent drag? {REST}", "Does slow oil reduce turbulent drag?"),
        (
            "On wings",
            f'Say "can slow oil reduce drag on wings?" Yes. {REST}',
            "Can slow oil reduce drag on wings?",
        ),
        ("On wings", f"What does this reveal about turbulent drag? {REST}", None),
        ("On wings", f"Do you remember turbulent drag profiles? {REST}", None),
        ("On wings", f"Turbulent drag of thin wings in oil? {REST}", None),
        ("On wings", f"Why so? {REST}", None),
        ("On wings", "Does slow oil reduce turbulent drag? Yes.", None),
    ],
)
def test_a_question_that_stands_alone_is_taken_out_of_the_passage(title: str, abstract: str, query: str | None) -> None:
    found = question_search(paper(title, abstract))
    assert (found and found.query) == query
    if found and found.passage:
        assert "?" not in " ".join(found.passage)
        assert found.passage[1].startswith("The rest")


@pytest.mark.parametrize(
    ("sentence", "query"),
    [
        ("We show that thin wings stall early in oil.", "Thin wings stall early in oil"),
        ("In this paper, we rigorously prove that thin wings stall soon in oil.", "Thin wings stall soon in oil"),
        ("Thus we show that thin wings stall early in oil.", None),
        ("We show that this causes thin wings to stall early.", None),
        ("We show that the method stalls thin wings early.", None),
        ("We show that it stalls thin wings early on.", None),
        ("We show that thin wings [stall early in slow oil.", None),
        ("We show that wings stall.", None),
    ],
)
def test_a_claim_loses_its_frame_and_leaves_the_passage(sentence: str, query: str | None) -> None:
    found = claim_search(paper(abstract=f"{REST} {sentence}"))
    assert (found and found.query) == query
    if found:
        assert found.passage == ("On wings", REST)


def test_a_title_looks_for_the_abstract_and_is_not_in_it() -> None:
    found = title_search(paper("Thin wings stall"))
    assert found
    assert (found.query, found.passage) == ("Thin wings stall", ("", REST))
    assert title_search(paper("Thin wings")) is None
    assert title_search(paper("Thin wings stall", "Too short.")) is None


def test_a_draft_is_the_opening_without_the_title_and_looks_for_title_and_rest() -> None:
    opening = "Thin profiles of wings stall early in slow turbulent oil."
    found = draft_search(paper(abstract=f"{opening} {REST} And more."))
    assert found
    assert (found.query, found.passage) == (opening, ("On wings", f"{REST} And more."))
    long = " ".join(
        f"Profile of {kind} stalls early in oil." for kind in ("larks gulls kites finches owls swifts " * 3).split()
    )
    drafted = draft_search(paper(abstract=long))
    assert drafted
    assert drafted.query.count("Profile") == 6  # seven words each
    assert draft_search(paper(abstract=opening)) is None
    assert draft_search(paper("", f"{opening} {REST} And more.")) is None


def test_given_keywords_are_the_query_and_leave_the_passage() -> None:
    listed = paper(abstract=f"{REST} Keywords: turbulent oil, thin wings, stall; drag, never reached.")
    (found,) = searches("keywords", listed, paper(abstract=REST, key="q"))
    assert found.query == "turbulent oil thin wings stall drag"
    assert found.passage == ("On wings", REST)
    assert not searches("keywords", paper(abstract=f"{REST} We introduce keywords: they matter."))


def test_keywords_are_the_rarest_words_of_the_title_and_all_their_holders_are_known() -> None:
    common = [paper("Profiles of wings", REST, f"c{n}") for n in range(3)]
    abstract = f"{REST} Zeppelin hydrogen burns beside wings."
    same = [
        paper("Zeppelin hydrogen in wings", abstract, "a"),
        paper("Hydrogen wings, a zeppelins story", f"{REST} Another text.", "in its title"),
        paper("Something else", abstract, "in its abstract"),
    ]
    found = {search.paper.id: search for search in searches("keywords", *common, *same)}
    assert found["a"].query == "zeppelin hydrogen wings"
    assert found["a"].passage == ("", abstract)
    assert [each.id for each in found["a"].related] == ["in its title"]
    assert found["a"].unjudged == ("in its abstract",)


def test_keywords_need_not_be_in_the_abstract_but_one_of_them() -> None:
    other = paper("Zeppelin hydrogen", REST, "other")
    (found,) = searches("keywords", paper("Zeppelin hydrogen wings", REST), other)
    assert (found.paper.id, found.query) == ("p", "zeppelin hydrogen wings")
    assert not searches("keywords", paper("Zeppelin hydrogen", REST), other)


def test_keywords_of_many_papers_are_no_query() -> None:
    papers = [paper("Zeppelin hydrogen", f"{REST} Zeppelin hydrogen.", str(n)) for n in range(7)]
    (found,) = searches("keywords", *papers[:6])
    assert len(found.related) == 5
    assert not searches("keywords", *papers)


ANNA, BOB, CARL = (Author(family, given) for family, given in (("Alm", "Anna"), ("Berg", "Bob"), ("Carlo", "Carl")))


def pairs(*papers: Paper) -> dict[tuple[str, str], str]:
    pool = Pool(papers)
    return {(pool.papers[a].id, pool.papers[b].id): rule for (a, b), rule in related_pairs(pool).items()}


def test_replies_series_citations_and_common_authors_make_pairs() -> None:
    texts = [f"{REST} {' '.join(f'{word}{n}' for n in range(30))}" for word in ("kangaroo", "lemur")]
    original = paper("Zeppelin flight over oil", texts[0], "2001.00001")
    for start in ("Comment on ", "Erratum: ", "Reply to: ", "Response to the article "):
        title = f'{start}"Zeppelin Flight over Oil"'
        assert pairs(original, paper(title, texts[1], "b")) == {("2001.00001", "b"): "replies"}
    assert not pairs(original, paper("Zeppelin flight over water", texts[1], "b"))
    cited = paper("Balloons", f"{texts[1]} We follow arXiv:2001.00001v2.", "b")
    assert pairs(original, cited) == {("2001.00001", "b"): "citations"}
    first = paper("Airship stability theory I: statics", texts[0], "a", authors=(ANNA, BOB))
    second = paper("Airship stability theory II. Dynamics", texts[1], "b", authors=(ANNA,))
    assert pairs(first, second) == {("a", "b"): "series"}
    assert not pairs(first, paper("Airship stability theory II. Dynamics", texts[1], "b", authors=(CARL,)))
    three = paper("Hydrogen zeppelin stability", texts[0], "a", authors=(ANNA, BOB))
    assert pairs(three, paper("Stability of zeppelin with hydrogen", texts[1], "b", authors=(ANNA,))) == {
        ("a", "b"): "same_authors"
    }
    assert pairs(three, paper("Zeppelin hydrogen", texts[1], "b", authors=(ANNA, BOB))) == {("a", "b"): "same_authors"}
    assert not pairs(three, paper("Zeppelin hydrogen", texts[1], "b", authors=(ANNA, CARL)))


def test_near_duplicates_are_no_neighbours() -> None:
    one = paper("Zeppelin flight over oil", REST, "a")
    assert not pairs(one, paper('Comment on "Zeppelin flight over oil"', REST, "b"))


def test_of_connected_papers_the_best_connected_searches_and_the_undecided_are_left_out() -> None:
    words = "kangaroo lemur ostrich panther".split()
    texts = [f"{REST} {' '.join(f'{word}{n}' for n in range(30))}" for word in words]
    papers = [
        paper("First subject", f"{texts[0]} See 2001.00002.", "2001.00001"),
        paper("Second matter", f"{texts[1]} See 2001.00003.", "2001.00002"),
        paper("Third affair", f"{texts[2]} See 2001.00004.", "2001.00003"),
        paper("Fourth thing", texts[3], "2001.00004"),
    ]
    (found,) = searches("neighbours", *papers)
    assert (found.paper.id, found.query, found.passage) == ("2001.00002", papers[1].abstract, None)
    assert [each.id for each in found.related] == ["2001.00001", "2001.00003"]
    assert set(found.unjudged) == {"2001.00002", "2001.00004"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "odd",
    [
        paper("", ""),
        paper("?", "?"),
        paper("... !!! ???", "— ?! — ?! " * 50),
        paper("Title only, without any abstract", ""),
        paper("", REST),
        paper("Word " * 2_000, "word " * 10_000),
        paper("$x$ " * 50, "$x^2$ \\alpha " * 500),
        paper("Keywords:", "keywords: " * 200),
        paper("零" * 100, "零一二三。" * 300),
    ],
)
def test_odd_records_make_no_rule_fail(kind: str, odd: Paper) -> None:
    for search in searches(kind, odd, paper("Thin wings stall early in oil", f"{REST} Thin wings stall.", "good")):
        assert search.query.strip()
        assert search.passage is None or search.passage[1].strip()


def test_papers_that_cite_few_or_many_are_no_queries() -> None:
    papers = [
        paper(title=f"On {number} wings", abstract=f"{REST} {number}" * 3, key=str(number)) for number in range(80)
    ]
    cited = {"0": {"1", "2"}, "1": {"2", "3", "4", "x"}, "2": set(map(str, range(10, 75))), "3": {"4", "5", "6"}}
    short = paper(abstract="Short.", key="3")
    pool = Pool([*papers[:3], short, *papers[4:]], cited)
    pool.__dict__["duplicates"] = {each.id: place for place, each in enumerate(pool.papers)}
    (found,) = KINDS["citations"](pool, 1)
    assert (found.paper.id, [each.id for each in found.related], found.passage) == ("1", ["2", "3", "4"], None)


@pytest.mark.parametrize("separator", ["\t", ",", " ", ", "])
def test_citations_are_read_from_pairs_and_from_json_lines(separator: str, tmp_path: Path) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text(f'\ufeffa{separator}b\n\na{separator}c\r\n{{"citing": "d", "cited": "a", "more": 1}}\n')
    assert read_citations(file) == {"a": {"b", "c"}, "d": {"a"}}


@pytest.mark.parametrize("line", ["a", "a b c", '{"citing": "a"}', "{", "[]", "\udcff b"])
def test_a_line_that_is_no_pair_is_named(line: str, tmp_path: Path) -> None:
    file = tmp_path / "pairs.txt"
    file.write_bytes(b"a b\n" + line.encode("utf-8", "surrogateescape") + b"\n")
    with pytest.raises(RelevanceError, match=r"pairs\.txt: line 2 is no pair .* akin references export"):
        read_citations(file)
    with pytest.raises(RelevanceError, match="does not exist"):
        read_citations(tmp_path / "none")
