"""The query language: arXiv's own, what is understood of other sites', and what is remarked on."""

from __future__ import annotations

import re
from pathlib import Path
from time import thread_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval_service.errors import BlankQuery, InvalidQuery
from retrieval_service.filter import AllOf, Clause, Condition, Field, clauses_of
from retrieval_service.search.operators import LONGEST_WITH_OPERATORS, parse_query
from retrieval_service.search.planner import plan_search
from retrieval_service.search.request import SearchRequest


def meets(condition: Condition, values: set[str]) -> bool:
    """Return True if a paper that has some values, `ti:a` or `au:b`, meets a condition."""
    if isinstance(condition, Clause):
        short = {Field.TITLE: "ti", Field.AUTHOR: "au", Field.ANYWHERE: "any", Field.CATEGORY: "cat"}[condition.field]
        return any(f"{short}:{value}" in values for value in condition.values) != condition.excluded
    join = all if isinstance(condition, AllOf) else any
    return join(meets(part, values) for part in condition.parts)


def admits(query: str, *values: str) -> bool:
    return all(meets(operator.condition, set(values)) for operator in parse_query(query).operators)


def shown(query: str) -> tuple[str, ...]:
    return tuple(operator.text for operator in parse_query(query).operators)


@pytest.mark.parametrize(
    ("query", "admitted", "refused"),
    [
        ('au:"Ada Verne" OR au:"Ivo Kestrel"', [["au:Ada Verne"], ["au:Ivo Kestrel"]], [["au:Bo"]]),
        ('au:"Ada Verne" ANDNOT ti:survey', [["au:Ada Verne"]], [["au:Ada Verne", "ti:survey"], []]),
        ("ti:a AND (au:b OR au:c)", [["ti:a", "au:b"], ["ti:a", "au:c"]], [["ti:a"], ["au:b", "au:c"]]),
        ("ti:a OR ti:b AND ti:c", [["ti:a"], ["ti:b", "ti:c"]], [["ti:b"], ["ti:c"]]),
        ("(ti:a OR ti:b) AND ti:c", [["ti:a", "ti:c"], ["ti:b", "ti:c"]], [["ti:a"], ["ti:a", "ti:b"]]),
        ("ti:a OR ti:b ANDNOT ti:c", [["ti:a"], ["ti:b"]], [["ti:a", "ti:c"], ["ti:b", "ti:c"]]),
        ("ti:a OR (ti:b ANDNOT ti:c)", [["ti:a", "ti:c"], ["ti:b"]], [["ti:b", "ti:c"]]),
        ("ti:a ANDNOT ti:b OR ti:c", [["ti:a"], ["ti:b", "ti:c"]], [["ti:a", "ti:b"], []]),
        ("ti:a ANDNOT (ti:b OR ti:c)", [["ti:a"]], [["ti:a", "ti:b"], ["ti:a", "ti:c"]]),
        ("ti:a ANDNOT (ti:b AND ti:c)", [["ti:a"], ["ti:a", "ti:b"]], [["ti:a", "ti:b", "ti:c"]]),
        ("ti:a AND NOT ti:b", [["ti:a"]], [["ti:a", "ti:b"]]),
        ("ti:a OR NOT ti:b", [["ti:a", "ti:b"], []], [["ti:b"]]),
        ("words NOT ti:b", [["ti:a"]], [["ti:b"]]),
        ("au:x ti:a OR ti:b", [["au:x", "ti:a"], ["au:x", "ti:b"]], [["ti:b"], ["au:x"]]),
        ("-(ti:a OR ti:b) words", [[]], [["ti:a"], ["ti:b"]]),
        ("ti:(a b) au:x", [["ti:a", "ti:b", "au:x"]], [["ti:a", "au:x"]]),
        ("au:(x OR y)", [["au:x"], ["au:y"]], [["ti:x"]]),
        ('"a" OR "b"', [["any:a"], ["any:b"]], [[]]),
        ('"A" || "B"', [["any:A"], ["any:B"]], [[]]),
        ('("a" OR au:"b") AND ("c" OR au:"d")', [["any:a", "au:d"], ["au:b", "any:c"]], [["any:a", "au:b"]]),
        ("gas OR ti:a", [["any:gas"], ["ti:a"]], [[]]),
        ("au:x AND (gas OR dust)", [["au:x", "any:gas"], ["au:x", "any:dust"]], [["au:x"], ["any:gas"]]),
        ("au:x ANDNOT gas", [["au:x"]], [["au:x", "any:gas"]]),
        ("all:a OR all:b", [["any:a"], ["au:a"], ["au:b"]], [["ti:c"]]),
        ("((ti:a)) AND ((au:x))", [["ti:a", "au:x"]], [["ti:a"]]),
        ("ti:a AND(au:x OR au:y)", [["ti:a", "au:y"]], [["ti:a"], ["au:x"]]),
    ],
)
def test_conditions_are_joined(query: str, admitted: list[list[str]], refused: list[list[str]]) -> None:
    assert [paper for paper in admitted if not admits(query, *paper)] == []
    assert [paper for paper in refused if admits(query, *paper)] == []


_LEAVES = st.sampled_from(["ti:a", "ti:b", "au:c", "au:d", '"e"'])
_TREES = st.recursive(
    st.tuples(st.just("leaf"), _LEAVES),
    lambda inner: st.tuples(st.sampled_from(["AND", "OR", "ANDNOT"]), inner, inner),
    max_leaves=8,
)


@given(_TREES, st.sets(st.sampled_from(["ti:a", "ti:b", "au:c", "au:d", "any:e"])))
def test_brackets_mean_what_they_say(tree: Any, values: set[str]) -> None:
    def written(part: Any) -> str:
        return part[1] if part[0] == "leaf" else f"({written(part[1])} {part[0]} {written(part[2])})"

    def holds(part: Any) -> bool:
        if part[0] == "leaf":
            return part[1].replace('"e"', "any:e") in values
        one, other = holds(part[1]), holds(part[2])
        return {"AND": one and other, "OR": one or other, "ANDNOT": one and not other}[part[0]]

    assert admits(written(tree), *values) == holds(tree)


@pytest.mark.parametrize(
    ("query", "conditions", "words"),
    [
        ('au:"A" OR au:"B"', ('au:"A" OR au:"B"',), ""),
        ("au:a ANDNOT ti:survey", ("au:a", "-ti:survey"), ""),
        ("dust au:a ANDNOT (ti:b OR ti:c)", ("au:a", "NOT (ti:b OR ti:c)"), "dust"),
        ("dust AND au:a", ("au:a",), "dust"),
        ('"dark matter" ANDNOT -gas', ('"dark matter"', '"gas"'), "dark matter"),
        ("gas OR ti:a AND ti:b", ("gas OR ti:a AND ti:b",), "gas"),
        ("(ti:a OR ti:b) AND (ti:c OR ti:d)", ("ti:a OR ti:b", "ti:c OR ti:d"), ""),
        ("all:dust AND all:lanes", ("all:dust", "all:lanes"), "dust lanes"),
        ('"dark matter" OR "dark energy"', ('"dark matter" OR "dark energy"',), "dark matter dark energy"),
        ('dust OR gas ANDNOT "dark matter"', ('"dust" OR "gas"', '-"dark matter"'), "dust gas"),
        ("au:x AND (dust lanes OR gas)", ("au:x", '"dust" AND "lanes" OR "gas"'), "dust lanes gas"),
    ],
)
def test_conditions_and_words_are_shown(query: str, conditions: tuple[str, ...], words: str) -> None:
    parsed = parse_query(query)
    assert (shown(query), parsed.words) == (conditions, words)
    for operator in parsed.operators:
        if not operator.text.startswith("NOT"):
            assert [again.condition for again in parse_query(operator.text).operators] == [operator.condition]


@pytest.mark.parametrize("written", [r'au:"M\"uller"', r'au:"Schr{\"o}der" ti:"na\"{\i}ve"', r'"G\"odel numbers"'])
def test_an_umlaut_of_tex_ends_no_phrase(written: str) -> None:
    parsed = parse_query(written)
    assert " ".join(operator.text for operator in parsed.operators) == written
    assert not parsed.notes


@pytest.mark.parametrize(
    "text",
    [
        "LOGIC GATES: AND OR NOT",
        "BLACK HOLES AND TIME WARPS",
        "A* search and C*-algebras",
        "a=b and x^2 + y^3",
        "TO BE OR NOT TO BE (A REVIEW)",
        "graphene OR silicene",
        "and/or graphs (with proofs)",
        "F-like ions (SMLE -CAM) AND others",
        "is it hot or not",
        "(a OR b) AND c",
        "ANDNOT gates",
        "C*-algebras and what* is not?",
        "the interval [0 TO 1]",
        "benefits for all: a study",
    ],
)
def test_in_free_text_the_signs_are_words(text: str) -> None:
    query = parse_query(text)
    assert (query.words, query.operators) == (text, ())


@pytest.mark.parametrize("title", ['ON "FOO" AND "BAR" THEORIES', 'THE "WHAT" OR "WHY" OF IT', 'NOT A "HOAX" (YET)'])
def test_in_a_title_in_capitals_the_signs_beside_phrases_are_words(title: str) -> None:
    assert parse_query(title).words.split() == title.replace('"', "").split()
    assert all(isinstance(operator.condition, Clause) for operator in parse_query(title).operators)
    assert not any("OR" in text for text in shown(title))


@pytest.mark.parametrize(
    ("written", "as_akin"),
    [
        ("author:Kestrel", "au:Kestrel"),
        ('authors:"Ada Verne"', 'au:"Ada Verne"'),
        ("title:dust", "ti:dust"),
        ("intitle:dust", "ti:dust"),
        ("abstract:dust", "abs:dust"),
        ("category:cs.LG", "cat:cs.LG"),
        ("au:del_maestro", 'au:"del maestro"'),
        ("au:verne_a", 'au:"verne, a"'),
        ("au:'Ada Verne' ti:dust", 'au:"Ada Verne" ti:dust'),
        ("au:‘Ada Verne’ OR ti:dust", 'au:"Ada Verne" OR ti:dust'),
        ("au：Kestrel", "au:Kestrel"),
        ("\u200bau:Kestrel\ufeff", "au:Kestrel"),
        ('au:"Ada Verne"&ti:dust', 'au:"Ada Verne" ti:dust'),
        ('au:"Ada Verne", ti:dust', 'au:"Ada Verne" ti:dust'),
        ("categories:astro-ph", "cat:astro-ph"),
        ("-au:(x OR y) dust", "dust ANDNOT (au:x OR au:y)"),
        ("au:%22Ada+Verne%22+AND+ti:dust", 'au:"Ada Verne" AND ti:dust'),
        ("%28ti:a+OR+ti:b%29+ANDNOT+au:x", "(ti:a OR ti:b) ANDNOT au:x"),
        ("search_query=au:x+AND+ti:a", "au:x AND ti:a"),
        ("https://export.arxiv.org/api/query?search_query=all:electron+ANDNOT+ti:a", "all:electron ANDNOT ti:a"),
        ("http://arxiv.org/api/query?search_query=cat:cs.LG&id_list=2401.09032", "cat:cs.LG id:2401.09032"),
        ("https://arxiv.org/search/?query=dust&searchtype=author", 'au:"dust"'),
        ("https://arxiv.org/list/astro-ph.GA/recent", "cat:astro-ph.GA"),
        ("https://arxiv.org/list/cs.DL/2401", "cat:cs.DL date:2024-01"),
        ("https://arxiv.org/list/hep-th/9912?skip=0&show=25", "cat:hep-th date:1999-12"),
        ("https://arxiv.org/list/cs.DL/2024-01", "cat:cs.DL date:2024-01"),
        ("https://arxiv.org/a/lind_a_1", "au:lind_a"),
        ("https://arxiv.org/a/del-maestro_a_2.atom", "au:del-maestro_a"),
        (
            "https://arxiv.org/search/advanced?advanced=&terms-0-operator=AND&terms-0-term=zonal&terms-0-field=title"
            "&terms-1-operator=OR&terms-1-term=Ada+Lind&terms-1-field=author&date-filter_by=all_dates&order=",
            'ti:"zonal" OR au:"Ada Lind"',
        ),
        (
            "arxiv.org/search/advanced?terms-0-term=zonal+flows&terms-0-field=abstract&terms-1-operator=NOT"
            "&terms-1-term=jets&terms-1-field=all",
            'abs:(zonal flows) ANDNOT all:"jets"',
        ),
        ("「dust lanes」 OR 『gas』", '"dust lanes" OR "gas"'),
        ("ti:neural) au:x))", "ti:neural au:x"),
        ('category:"Digital Libraries"', "cat:cs.DL"),
        ('cat:"information theory"', "cat:cs.IT,math.IT"),
        ('cat:"cs.LG cs.CV"', "cat:cs.LG,cs.CV"),
        ("“dust lanes” OR „gas“", '"dust lanes" OR "gas"'),
    ],
)
def test_other_ways_to_write(written: str, as_akin: str) -> None:
    one, other = parse_query(written), parse_query(as_akin)
    assert other.operators
    assert [each.condition for each in one.operators] == [each.condition for each in other.operators]
    assert one.words == other.words


@pytest.mark.parametrize(
    ("query", "pattern"),
    [
        ("ti:neuro*", "neuro*"),
        ("abs:wom?n", "wom?n"),
        ("au:Schr*", "schr*"),
        ("all:photo*ic", "photo*ic"),
        ("au:Li*", "li*"),
    ],
)
def test_patterns(query: str, pattern: str) -> None:
    found = [clause for operator in parse_query(query).operators for clause in clauses_of(operator.condition)]
    assert {(clause.values, clause.pattern) for clause in found} == {((pattern,), True)}


@pytest.mark.parametrize("query", ["ti:a*", "ti:C*-algebra", 'ti:"neuro* net"', "ti:what?", "cat:cs.*", "ti:*graph"])
def test_other_stars_are_no_patterns(query: str) -> None:
    found = [clause for operator in parse_query(query).operators for clause in clauses_of(operator.condition)]
    assert [(clause.values, clause.pattern) for clause in found] == [((query.partition(":")[2].strip('"'),), False)]


def test_a_star_alone_is_no_condition() -> None:
    found = parse_query("ti:*")
    assert (found.words, found.operators) == ("ti:*", ())
    assert found.notes == ("ti:* has no letter and no digit, so it is no condition.",)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("co:ICML graphs", "comments are not searched"),
        ("jr:Nature graphs", "journal references"),
        ("rn:CERN-1 graphs", "report numbers"),
        ("graphs lastUpdatedDate:[2023 TO 2024]", "submittedDate:"),
        ("site:arxiv.org graphs", "one corpus"),
        ("graphene OR silicene", "all:graphene OR all:silicene"),
        ('ti:"!?" graphs', "no letter"),
        ("graphs year:lately", "YYYY"),
        ("(ti:a OR ti:b", "bracket"),
        ("ti:a OR ti:b)", "bracket"),
        ('graphs "neural network', "quotation mark"),
        ("ti: graph", "ti:word"),
        ("Author:Kestrel dust", "small letters"),
        ("ti:graph or ti:tree", "write OR"),
        ("graphs Verne[au]", "field first"),
        ("ti:a OR", "both sides|condition behind"),
        ("AND ti:a", "both sides"),
        ("gas OR ti:a", "gas must be"),
        ("ti:g* gas", "The \\*"),
        ('ti:"neuro* net"', "The \\*"),
        ("au:Verne, Ada", "behind au:Verne, was"),
        ("cat:cs.LG, cs.CV dust", "without the space"),
        ('"dust lanes"~5', "~5 was passed over"),
        ("ti:a Or ti:b", "write OR"),
        ("au:Verne and not ti:survey", "write AND NOT"),
        ("sortBy:date dust", "newest come first"),
        ("NOT neural", "-neural"),
        ("neural NOT operators", "-operators"),
        ("neur* operat*", "all:neur\\*"),
        ('"neural * attention"', "The \\*"),
        ("+ti:neural", "ti:"),
        ("!ti:neural", "-ti:"),
        ("dust (+au:Verne", "without"),
        ("allintitle:neural nets", "ti:"),
        ("allinauthor:verne", "au:"),
        ("TI=neural", "ti:"),
        ('title="dust lanes"', "ti:"),
        ("ti:neural^3", "weight"),
        ('ti:"dust lanes"^2.5', "weight"),
        ("au:Lind~", "pattern"),
        ("ti:neurla~2", "pattern"),
        ("au:*thoven", "The \\*"),
        ("ti:*former", "The \\*"),
        ("dust au:", "au:word"),
        ('"" OR ti:a', "both sides"),
        ("https://arxiv.org/api/query?search_query=ti:a&start=10", "start"),
    ],
)
def test_what_is_not_understood_gets_a_note(query: str, says: str) -> None:
    assert [note for note in parse_query(query).notes if re.search(says, note)], parse_query(query).notes


@pytest.mark.parametrize(
    "query",
    [
        "graphs and trees",
        'au:"Ada Verne" ANDNOT ti:survey',
        "(ti:a OR ti:b) AND cat:cs.LG",
        "dust submittedDate:[2023 TO 2024]",
        "ti:neuro* abs:(dark matter)",
        "state-of-the-art methods: a survey (with code)",
        "BLACK HOLES AND TIME WARPS",
        "doi:10.1000/1",
    ],
)
def test_what_is_understood_gets_no_note(query: str) -> None:
    assert parse_query(query).notes == ()


@pytest.mark.parametrize("query", ["NOT ti:a", "-ti:a OR -ti:b", "-(ti:a OR ti:b)", "NOT year:2020", "-all:dust"])
def test_a_query_that_only_excludes_is_refused(query: str, fakes: Any) -> None:
    with pytest.raises(BlankQuery):
        plan_search(SearchRequest(text=query), fakes.ListCatalogue(fakes.papers))


def test_a_long_query_of_operators_only_is_read() -> None:
    every = " OR ".join(f"cat:cs.{first}{second}" for first in "ABCDEFGH" for second in "ABCDEFGH")
    assert len(every) > LONGEST_WITH_OPERATORS
    assert len(parse_query(f"({every}) AND submittedDate:[2023 TO 2024]").operators) == 2
    assert len(parse_query(f"({every}) AND all:dust").operators) == 2
    pasted = f"{every} and a text that was pasted around it"
    assert (parse_query(pasted).words, parse_query(pasted).operators) == (pasted, ())
    assert parse_query(pasted).notes


def test_an_answer_has_the_notes(fakes: Any) -> None:
    plan = plan_search(SearchRequest(text="jr:Nature graphs"), fakes.ListCatalogue(fakes.papers))
    assert len(plan.notes) == 1
    merged = plan_search(SearchRequest(text="cat:cmp-lg parsing"), fakes.ListCatalogue(fakes.papers))
    assert "cs.CL" in merged.notes[0]


@pytest.mark.parametrize(
    "query", ['ti:"AND OR NOT"', 'ti:"NOT OR"', "ti:(2+1)-dimensional", "ti:U(1)", 'cat:"Digital Librarians"']
)
def test_a_condition_is_shown_as_it_was_written(query: str) -> None:
    parsed = parse_query(query)
    assert shown(query) == (query,)
    condition = parsed.operators[0].condition
    assert isinstance(condition, Clause)
    assert condition.values == (query.partition(":")[2].strip('"'),)
    assert parsed.notes == ()


def test_each_example_of_the_documentation_is_read() -> None:
    page = Path("docs/search.md").read_text("utf-8")
    table = page.partition("| example | condition on a paper |")[2].partition("\n\n")[0]
    examples = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(examples) > 20
    for example in examples:
        query = parse_query(f"{example} lanes")
        assert query.operators, example
        assert query.notes == (), example
        assert query.words.endswith("lanes"), example


_TITLE_WORDS = st.sampled_from(
    [
        *("Graphs", "and", "or", "not", "AND", "OR", "NOT", "ANDNOT", "(with", "(GANs)", "study:", "of", "all:"),
        *("state-of-the-art", "C*-algebras", "what?", "SU(2)", "[Extended", "Abstract]", "2D/3D", "Ti:sapphire", "-"),
        *("Schr\\\"odinger", "5\"", "Wang's", "title:", "Date", "2019-2021", "TO", "a=b", "&", "|", "x^2", "$N*$"),
    ]
)  # fmt: skip


@given(st.lists(_TITLE_WORDS, min_size=1, max_size=14))
def test_titles_as_they_are_and_in_capitals_are_words(words: list[str]) -> None:
    for title in (" ".join(words), " ".join(words).upper()):
        query = parse_query(title)
        assert (query.words, query.operators) == (title, ())


def test_too_many_joined_conditions_are_refused(fakes: Any) -> None:
    catalogue = fakes.ListCatalogue(fakes.papers)
    some = " AND ".join(f"(ti:a{number} OR au:b{number})" for number in range(40))
    assert len(plan_search(SearchRequest(text=some), catalogue).admitted.joined) == 40  # type: ignore[union-attr]
    many = " AND ".join(f"(ti:a{number} OR au:b{number})" for number in range(60))
    with pytest.raises(InvalidQuery, match="120 conditions"):
        plan_search(SearchRequest(text=many), catalogue)


@pytest.mark.parametrize(
    "piece", ["(ti:a OR ", "ti:a ANDNOT (", "NOT (", "ti:(", "au:x OR (ti:a AND ", ") OR ti:a", "-("]
)
def test_brackets_of_any_depth_are_read_in_little_time(piece: str) -> None:
    text = ("au:x AND " + piece * 2000)[:3_990]
    started = thread_time()
    assert parse_query(text).words is not None
    assert thread_time() - started < 0.5
