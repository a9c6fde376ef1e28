"""Controls beside the results: links that change the search."""

from __future__ import annotations

from typing import Any

from gradio_ui import render
from gradio_ui.answers import Answer, CodedText, Facets, Suggestion
from gradio_ui.chased import chased
from gradio_ui.controls import facets, offers, order_fact, toolbar
from gradio_ui.state import PageState
from gradio_ui.words import words
from tests.unit.gradio_ui.elements import Elements

EN = words("en")

STATE = PageState(q="x", categories=("cs.LG",), offset=20)


def answer(**fields: Any) -> Answer:
    return Answer.model_validate({"results": [], "k": 10, **fields})


def test_each_order_is_a_link_and_the_present_one_is_marked() -> None:
    links = Elements(toolbar(STATE.sorted_by("newest"), EN)).all("a")
    assert [link["href"] for link in links] == [
        "?q=x&categories=cs.LG",
        "?q=x&categories=cs.LG&sort=recent",
        "?q=x&categories=cs.LG&sort=newest",
        "?q=x&categories=cs.LG&sort=oldest",
    ]
    assert [link.get("aria-current") for link in links] == [None, None, "true", None]


def test_the_order_by_citations_is_there_where_they_are_known() -> None:
    assert "Most cited" not in toolbar(STATE, EN)
    links = {link["title"]: link for link in Elements(toolbar(STATE.sorted_by("citations"), EN, cited=True)).all("a")}
    link = links[EN("order.citations_info")]
    assert (link["href"], link.get("aria-current")) == ("?q=x&categories=cs.LG&sort=citations", "true")
    assert EN("order.boosted_info") not in links
    assert order_fact(answer(sort={"by": "citations", "papers": 9}), EN) == "most cited of the 9 best matches"


def test_citations_and_linked_papers_are_offered_where_citations_are_known() -> None:
    assert "Citations count" not in toolbar(STATE, EN)
    assert "Linked papers" not in toolbar(STATE, EN)
    boost, chase = Elements(toolbar(STATE, EN, cited=True)).all("a")[-2:]
    assert (boost["href"], boost.get("aria-current")) == ("?q=x&categories=cs.LG&boosted=1", None)
    # The page stays where it is: the linked papers are the same on each.
    assert (chase["href"], chase.get("aria-current")) == ("?q=x&categories=cs.LG&chase=1&offset=20", None)
    # What is on can be switched off, also where no result has citations.
    boost, chase = Elements(toolbar(STATE.boost(True).chasing(True), EN)).all("a")[-2:]
    assert (boost["href"], boost.get("aria-current")) == ("?q=x&categories=cs.LG&chase=1", "true")
    assert (chase["href"], chase.get("aria-current")) == ("?q=x&categories=cs.LG&boosted=1", "true")
    counting = {"by": "relevance", "papers": 163, "citation_boost": 0.5}
    assert order_fact(answer(sort=counting), EN) == "the 163 best matches, citations count"


CHASED = {
    "id": "c",
    "title": "Linked <b>",
    "date": "2020-01-02",
    "cited_by": ["1", "2", "3", "gone"],
    "cites": ["2"],
}


def test_linked_papers_are_shown_with_the_results_that_they_are_linked_with() -> None:
    results = [{"id": str(number), "title": f"T{number} {'<' * 100}"} for number in range(1, 4)]
    found = answer(results=results, chased=[CHASED])
    assert chased(STATE, found, EN) == ""
    shown = Elements(chased(STATE.chasing(True), found, EN))
    assert "Linked <b>" in shown.text
    assert f"cited by 4 of the best results: “T1 {'<' * 57}…”, “T2 {'<' * 57}…”, “T3" in shown.text
    assert "and 1 more; cites “T2 " in shown.text
    assert shown.all("a")[0]["href"] == "paper/c"
    german = chased(STATE.chasing(True), found, words("de"))
    assert "zitiert von 4 der besten Treffer" in german
    assert "2. Jan. 2020" in german


def test_the_lack_of_linked_papers_is_said() -> None:
    assert EN("chased.none") in chased(STATE.chasing(True), answer(), EN)


def test_the_switch_for_varied_results_is_there_where_they_can_be_spread() -> None:
    switch = Elements(toolbar(STATE, EN)).all("a")[-1]
    assert (switch["href"], switch.get("aria-current")) == ("?q=x&categories=cs.LG&varied=1", None)
    switch = Elements(toolbar(STATE.spread(True), EN)).all("a")[-1]
    assert (switch["href"], switch.get("aria-current")) == ("?q=x&categories=cs.LG", "true")
    assert "Varied" not in toolbar(STATE.sorted_by("oldest"), EN)


def test_the_order_is_said_with_what_was_sorted() -> None:
    assert order_fact(answer(), EN) == ""
    assert order_fact(answer(sort={"by": "newest", "papers": 163}), EN) == "newest of the 163 best matches"
    assert order_fact(answer(sort={"by": "oldest", "papers": 7, "complete": True}), EN) == "oldest of all 7 matches"
    assert order_fact(answer(sort={"by": "oldest", "papers": 1, "complete": True}), EN) == "the only match"
    spread = {"by": "relevance", "papers": 163, "diversity": 0.3}
    assert order_fact(answer(sort=spread), EN) == "the 163 best matches, spread"
    recent = {"by": "recent", "papers": 163, "half_life": 3.0}
    assert order_fact(answer(sort=recent), EN) == "the 163 best matches, a score halves every 3 years"


def test_the_last_page_of_sorted_papers_says_that_there_are_others() -> None:
    found = [{"id": "a", "title": "T"}]
    shown = render.results(STATE, answer(results=found, sort={"by": "newest", "papers": 163}), {}, EN)
    assert "the last of the 163 best matches" in shown
    shown = render.results(STATE, answer(results=found, sort={"by": "newest", "papers": 7, "complete": True}), {}, EN)
    assert "These are the last results." in shown
    spread = {"by": "relevance", "papers": 163, "diversity": 0.3}
    assert "These are the last results." in render.results(STATE, answer(results=found, sort=spread), {}, EN)


COUNTED = Facets.model_validate(
    {
        "years": [{"year": 2019, "papers": 1}, {"year": 2021, "papers": 40}],
        "categories": [{"code": "cs.LG", "papers": 30}, {"code": "<b>", "name": "A & B", "papers": 1_200}],
        "papers": 163,
    }
)


def test_each_year_with_papers_is_a_filter_and_years_between_are_empty() -> None:
    shown = Elements(facets(PageState(q="x", offset=10), COUNTED, {}, EN))
    links = {link.get("title"): link["href"] for link in shown.all("a")}
    assert links["2019: 1 paper"] == "?q=x&from=2019&to=2019"
    assert links["2021: 40 papers"] == "?q=x&from=2021&to=2021"
    assert len(shown.all("li")) == 3 + 2
    assert [bar["style"] for bar in shown.all("span") if bar.get("class") == "akin-bar"] == ["height:6%", "height:100%"]
    assert "Counted among the best 163 matches." in shown.text
    assert "All years" not in shown.text


def test_a_long_span_has_no_empty_years() -> None:
    counted = Facets.model_validate({"years": [{"year": 1000, "papers": 1}, {"year": 9999, "papers": 1}]})
    assert len(Elements(facets(STATE, counted, {}, EN)).all("li")) == 2 + 1


def test_chosen_filters_can_be_removed() -> None:
    shown = Elements(facets(STATE.only_years(2020, None), COUNTED, {"cs.LG": "Machine Learning"}, EN))
    links = {link.get("title"): link["href"] for link in shown.all("a")}
    assert links["Without the filter Machine Learning"] == "?q=x&from=2020"
    assert links["Only A & B"] == "?q=x&categories=%3Cb%3E&from=2020"
    assert links[None] == "?q=x&categories=cs.LG"
    assert "1,200" in shown.text
    assert "Only Machine Learning" not in links


def test_nothing_is_shown_where_nothing_was_counted() -> None:
    assert facets(STATE, None, {}, EN) == facets(PageState(q="x"), Facets(), {}, EN) == ""
    assert "All years" in facets(PageState(q="x", from_year=2020), Facets(), {}, EN)


def test_offers_are_links_to_searches_with_the_same_filters() -> None:
    chips = [
        Suggestion(label="by Hinton", query='x au:"Hinton"'),
        Suggestion(label="newest first", query="x", parameters={"sort": "newest"}),
        Suggestion(label="odd", query="x", parameters={"sort": "odd"}),
    ]
    links = Elements(offers(STATE, chips, EN)).all("a")
    assert [link["href"] for link in links] == [
        "?q=x+au%3A%22Hinton%22&categories=cs.LG",
        "?q=x&categories=cs.LG&sort=newest",
        "?q=x&categories=cs.LG",
    ]
    assert offers(STATE, (), EN) == ""


def test_offers_are_in_the_readers_language() -> None:
    coded = CodedText(code="offer_span", values={"first": "2010", "last": "2015"})
    chips = [Suggestion(label="from 2010 to 2015", query="x", coded=coded), Suggestion(label="of before", query="x")]
    shown = offers(STATE, chips, words("de"))
    assert ">von 2010 bis 2015</a>" in shown
    assert ">of before</a>" in shown
    assert ">from 2010 to 2015</a>" in offers(STATE, chips, EN)


def test_a_full_last_page_has_no_link_to_an_empty_one() -> None:
    found = [{"id": str(number), "title": "T"} for number in range(10)]
    state = PageState(q="x", offset=10)
    last = render.results(state, answer(results=found, offset=10, next_cursor=None), {}, EN)
    assert 'rel="next"' not in last
    assert "These are the last results." in last
    assert 'rel="next"' in render.results(state, answer(results=found, offset=10, next_cursor="abc"), {}, EN)
