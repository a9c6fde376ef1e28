"""One result: its matches, its links to other searches, and what its record says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradio_ui.answers import FoundPaper
from gradio_ui.card import paper_card
from gradio_ui.marks import marked
from gradio_ui.state import PageState
from gradio_ui.words import words
from tests.unit.gradio_ui.elements import Elements

EN = words("en")

STATE = PageState(q="x", mode="dense", categories=("cs.LG",), sort="newest", offset=20)


def card(**fields: Any) -> str:
    paper = FoundPaper.model_validate({"id": "a", "title": "A graph title", **fields})
    return paper_card(paper, 1, 1.0, STATE, {}, EN)


def test_matches_are_marked_and_the_best_sentence_is_set_apart() -> None:
    shown = card(
        abstract="One <b>. Two graphs. Three.",
        highlights={"title": [[2, 7]], "abstract": [[13, 19]], "sentence": [9, 20], "why": "near in meaning"},
    )
    assert "A <mark>graph</mark> title" in shown
    assert 'One &lt;b&gt;. <span class="akin-best">Two <mark>graphs</mark>.</span> Three.' in shown
    assert '<p class="akin-why">near in meaning</p>' in shown
    assert "akin-fit" not in shown


def test_a_sentence_far_behind_is_also_shown_before_the_abstract() -> None:
    abstract = "Word. " * 100 + "The $x$ fits."
    shown = card(abstract=abstract, highlights={"sentence": [600, 613], "abstract": [[608, 612]]})
    assert '<p class="akin-fit akin-tex" dir="auto">… The $x$ <mark>fits</mark>.</p><p class="akin-abstract' in shown


def test_without_highlights_there_are_no_marks() -> None:
    shown = card(abstract="Text")
    assert not {"mark", "akin-why", "akin-best"} & {*shown.replace('"', "<").replace(">", "<").split("<")}


def test_a_paper_of_a_library_has_its_own_link_and_no_invented_day() -> None:
    page = {"links": {"url": "https://example.org/a"}, "date": "1984-01-01", "publication": {"date": [1984]}}
    shown = card(**page)
    assert '<a href="https://example.org/a" target="_blank" rel="noopener noreferrer">' in shown
    assert '<span class="akin-date">1984</span>' in shown
    assert "arXiv" not in shown
    assert "1984-05<" in card(date="1984-05-01", publication={"date": [1984, 5]})
    assert 'datetime="1984-05-17"' in card(date="1984-05-17", publication={"date": [1984, 5, 17]})
    assert "javascript" not in card(links={"url": "javascript:alert(1)"})
    with_doi = card(links={"doi": "https://doi.org/10.1/a", "url": "https://example.org/a"})
    assert with_doi.index("doi.org") < with_doi.index("example.org")


@given(
    st.text(),
    st.lists(st.tuples(st.integers(-2, 40), st.integers(-2, 40))),
    st.none() | st.tuples(st.integers(-2, 40), st.integers(-2, 40)),
)
def test_no_place_changes_the_text(text: str, words: list[tuple[int, int]], sentence: tuple[int, int] | None) -> None:
    text = text.replace("\r", "").replace("\0", "")
    assert Elements(marked(text, words, sentence)).text == text


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("Ada Verne", "?q=au%3A%22Ada+Verne%22"),
        ('Jean "Jo" d\'Or', "?q=au%3A%22Jean+Jo+d%27Or%22"),
        ("王小明", "?q=au%3A%22%E7%8E%8B%E5%B0%8F%E6%98%8E%22"),
        ('"', None),
        ("...", None),
    ],
)
def test_authors_link_to_their_papers(name: str, address: str | None) -> None:
    links = [link["href"] for link in Elements(card(authors=[name])).all("a") if link.get("class") == "akin-author"]
    assert links == ([address] if address else [])


def test_a_category_is_a_filter_that_keeps_the_search() -> None:
    links = {link["href"] for link in Elements(card(categories=["stat.ML"])).all("a")}
    assert "?q=x&mode=dense&categories=stat.ML&sort=newest" in links


def test_versions_comments_and_journal_are_shown_where_they_are_known() -> None:
    text = Elements(card(versions=3, comments="12 pages, $n$ figures", journal_ref="Acta 3")).text
    assert "3 versions" in text
    assert "12 pages, $n$ figures" in text
    assert "Acta 3" in text
    assert "version" not in Elements(card(versions=1)).text


def test_citations_lead_to_the_papers_that_cite_where_the_corpus_has_them() -> None:
    shown = Elements(card(citations={"total": 1234, "in_corpus": 7, "references": 3}))
    (link,) = [link for link in shown.all("a") if link.get("class") == "akin-cited-by"]
    assert (link["href"], "data-akin-go" in link) == ("?q=cites%3Aa", True)
    assert "Cited by 1,234" in shown.text
    assert 'class="akin-cited-by">Cited by 5</span>' in card(citations={"total": 5, "in_corpus": 0})
    assert "akin-cited-by" not in card()
    assert "href" not in card(id='b "c', citations={"total": 5, "in_corpus": 5}).partition("akin-cited-by")[2][:20]
