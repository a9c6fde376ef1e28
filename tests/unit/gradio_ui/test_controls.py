"""Controls beside the results: links that change the search."""

from __future__ import annotations

from typing import Any

from gradio_ui import render
from gradio_ui.answers import Answer
from gradio_ui.controls import order_fact, toolbar
from gradio_ui.state import PageState
from tests.unit.gradio_ui.elements import Elements

STATE = PageState(q="x", categories=("cs.LG",), offset=20)


def answer(**fields: Any) -> Answer:
    return Answer.model_validate({"results": [], "k": 10, **fields})


def test_each_order_is_a_link_and_the_present_one_is_marked() -> None:
    links = Elements(toolbar(STATE.sorted_by("newest"))).all("a")
    assert [link["href"] for link in links] == [
        "?q=x&categories=cs.LG",
        "?q=x&categories=cs.LG&sort=recent",
        "?q=x&categories=cs.LG&sort=newest",
        "?q=x&categories=cs.LG&sort=oldest",
    ]
    assert [link.get("aria-current") for link in links] == [None, None, "true", None]


def test_the_order_is_said_with_what_was_sorted() -> None:
    assert order_fact(answer()) == ""
    assert order_fact(answer(sort={"by": "newest", "papers": 163})) == "newest of the 163 best matches"
    assert order_fact(answer(sort={"by": "oldest", "papers": 7, "complete": True})) == "oldest of all 7 matches"
    recent = {"by": "recent", "papers": 163, "half_life": 3.0}
    assert order_fact(answer(sort=recent)) == "the 163 best matches, a score halves every 3 years"


def test_the_last_page_of_sorted_papers_says_that_there_are_others() -> None:
    found = [{"id": "a", "title": "T"}]
    shown = render.results(STATE, answer(results=found, sort={"by": "newest", "papers": 163}), {})
    assert "the last of the 163 best matches" in shown
    shown = render.results(STATE, answer(results=found, sort={"by": "newest", "papers": 7, "complete": True}), {})
    assert "These are the last results." in shown
