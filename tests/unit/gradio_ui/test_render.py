"""The page's HTML: correct, accessible, and free of markup from outside."""

from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradio_ui import render
from gradio_ui.answers import Answer, Category, CorpusInfo, FoundPaper, LikedPaper, UnderstoodQuery
from gradio_ui.card import paper_card
from gradio_ui.client import AnswerNotUnderstood, NoAnswer, NothingIndexed, RequestFailed, RequestRefused, ServiceBusy
from gradio_ui.pages.visit import Visit
from gradio_ui.state import PageState
from gradio_ui.words import words
from tests.unit.gradio_ui.elements import Elements

EN = words("en")

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&lt;"
STATE = PageState(q="x", categories=("cs.LG",))


def paper(**fields: object) -> FoundPaper:
    return FoundPaper.model_validate(
        {"id": "2503.12552", "title": "A title", "score": 0.5, "arxiv_id": "2503.12552", **fields}
    )


def answer(*papers: FoundPaper, **fields: object) -> Answer:
    return Answer.model_validate({"results": papers, "k": 10, **fields})


def assert_harmless(markup: str) -> None:
    allowed = "a article button cite code details div h2 h3 li mark nav ol p pre section span summary time ul".split()
    for tag, attributes in Elements(markup).found:
        assert tag in allowed
        assert not [name for name in attributes if name.startswith("on")]
        assert urlsplit(attributes.get("href") or "").scheme in {"", "http", "https"}


@given(st.sampled_from([HOSTILE, "</p></article>", "javascript:alert(1)", "` ${1+1} {{x}}"]) | st.text(max_size=40))
def test_no_text_from_outside_becomes_markup(text: str) -> None:
    foreign = paper(
        id=text,
        title=text,
        abstract=text * 100,
        authors=[text] * 12,
        categories=[text],
        date=text,
        journal_ref=text,
        doi=text,
        arxiv_id=text,
        links={"abs": text, "pdf": "javascript:alert(1)", "doi": "data:text/html," + text},
        sources={text: 1.0},
        comments=text,
        versions=3,
        highlights={"title": [(0, 2)], "abstract": [(1, 3), (2, 9)], "sentence": (0, 500), "why": text},
    )
    like = UnderstoodQuery(like=(LikedPaper(id=text, title=text),), truncated=True, tokens=900)
    counted = {"categories": [{"code": text, "name": text, "papers": 1}], "years": [{"year": 2020, "papers": 1}]}
    order = {"by": text, "papers": 3}
    chip = {"label": text, "query": text, "parameters": {"sort": text}}
    given_answer = answer(foreign, query=like, mode=text, degraded=text, facets=counted, sort=order, suggestions=[chip])
    state = PageState(q=text.strip(), categories=(text,), offset=10)
    for markup in (
        render.results(state, given_answer, {text: text}, EN),
        render.results(state, answer(), {}, EN),
        render.answer_status(state, given_answer, (text,), EN),
        render.corpus_line(CorpusInfo(papers=1, newest=text), EN),
        render.problem(NoAnswer(text), EN),
        render.problem(RequestRefused(text, text), EN),
    ):
        assert_harmless(markup)


def test_text_survives_escaping() -> None:
    shown = Elements(render.results(STATE, answer(paper(title='$\\alpha$ < `x` & "y" ${1}', abstract="a\nb")), {}, EN))
    assert '$\\alpha$ < `x` & "y" ${1}' in shown.text
    assert "a\nb" in shown.text


def test_results_are_an_ordered_list_of_articles_with_their_ranks() -> None:
    shown = Elements(render.results(PageState(q="x", offset=10), answer(paper(), paper(id="b"), offset=10), {}, EN))
    assert shown.all("ol") == [{"class": "akin-list", "start": "11"}]
    articles = shown.all("article")
    assert [article["class"] for article in articles] == ["akin-paper"] * 2
    titles = {attributes.get("id") for attributes in shown.all("h3")}
    assert {article["aria-labelledby"] for article in articles} == titles
    assert len(titles) == 2


def test_the_title_links_to_arxiv_only_when_there_is_a_link() -> None:
    with_link = Elements(paper_card(paper(links={"abs": "https://arxiv.org/abs/1"}), 1, 1.0, STATE, {}, EN))
    assert with_link.all("a")[0]["href"] == "https://arxiv.org/abs/1"
    assert "noopener" in (with_link.all("a")[0]["rel"] or "")
    without = Elements(paper_card(paper(arxiv_id=None), 1, 1.0, STATE, {}, EN))
    assert [link["href"] for link in without.all("a")][:2] == ["paper/2503.12552", "paper/2503.12552"]


def test_more_like_this_is_a_link_that_keeps_the_filters() -> None:
    shown = Elements(paper_card(paper(id="hep-th/9901001"), 1, 1.0, STATE, {}, EN))
    similar = [link["href"] for link in shown.all("a") if link.get("class") == "akin-similar"]
    assert similar == ["?like=hep-th%2F9901001&categories=cs.LG"]


@pytest.mark.parametrize("language", ["", "de"])
def test_the_own_page_of_a_paper_is_linked_in_the_language_of_the_search(language: str) -> None:
    shown = Elements(paper_card(paper(id="hep-th/9901001?#"), 1, 1.0, replace(STATE, lang=language), {}, EN))
    [own] = [link["href"] for link in shown.all("a") if link.get("class") == "akin-own"]
    assert own == "paper/hep-th/9901001%3F%23" + ("?lang=de" if language else "")


def test_shown_papers_are_exported_by_their_ids_and_the_search_by_its_address() -> None:
    found = answer(paper(id="a/1 b"), paper(id="2"))
    shown = Elements(render.results(PageState(q="a&b", k=20, offset=40, sort="newest"), found, {}, EN))
    links = [link["href"] for link in shown.all("a") if (link["href"] or "").startswith(("export/", "feed"))]
    assert links[0] == "feed?q=a%26b&sort=newest"
    assert links[1:3] == ["export/bibtex?ids=a%2F1+b&ids=2", "export/ris?ids=a%2F1+b&ids=2"]
    assert "export/jsonl?q=a%26b&sort=newest&k=20&all=1" in links
    assert len(links) == 11


def test_a_text_that_is_too_long_for_an_address_has_only_the_shown_papers_to_export() -> None:
    shown = Elements(render.results(PageState(q="é" * 5000), answer(paper()), {}, EN))
    links = [link["href"] for link in shown.all("a") if (link["href"] or "").startswith(("export/", "feed"))]
    assert len(links) == 5
    assert all("?ids=" in (link or "") for link in links)


@pytest.mark.parametrize(("count", "more"), [(8, None), (9, "and 1 more"), (23, "and 15 more")])
def test_long_author_lists_are_cut(count: int, more: str | None) -> None:
    names = [f"Author {number}" for number in range(count)]
    shown = Elements(paper_card(paper(authors=names), 1, 1.0, STATE, {}, EN))
    assert "Author 7" in shown.text
    hidden = [attributes for attributes in shown.all("span") if attributes.get("class") == "akin-others"]
    if more is None:
        assert hidden == []
    else:
        assert more in shown.text
        assert (hidden[0]["title"] or "").endswith(names[-1])


@pytest.mark.parametrize(
    ("score", "best", "share"), [(0.5, 0.5, "100"), (0.25, 0.5, "50"), (-0.1, 0.5, "0"), (-0.2, -0.1, "0"), (0, 0, "0")]
)
def test_the_bar_is_relative_to_the_best(score: float, best: float, share: str) -> None:
    shown = Elements(paper_card(paper(score=score, sources={"dense": 0.71, "lexical": None}), 1, best, STATE, {}, EN))
    meter = next(attributes for attributes in shown.all("div") if attributes.get("role") == "meter")
    assert meter["aria-valuenow"] == share
    assert f"score {score:.3f}" in (meter["aria-label"] or "")
    assert "dense 0.71" in (meter["aria-label"] or "")
    assert "lexical" not in (meter["aria-label"] or "")


def test_dates_and_categories_are_shown_with_their_names() -> None:
    card = paper_card(paper(date="2025-03-07", categories=["cs.LG"]), 1, 1.0, STATE, {"cs.LG": "Machine Learning"}, EN)
    shown = Elements(card)
    assert shown.all("time")[0]["datetime"] == "2025-03-07"
    assert "7 Mar 2025" in shown.text
    link = next(link for link in shown.all("a") if link.get("title") == "Only Machine Learning")
    assert link["href"] == "?q=x&categories=cs.LG"


def test_only_a_long_abstract_can_be_opened() -> None:
    assert "Whole abstract" not in paper_card(paper(abstract="short"), 1, 1.0, STATE, {}, EN)
    assert "Whole abstract" in paper_card(paper(abstract="long " * 100), 1, 1.0, STATE, {}, EN)


def test_pages_are_links() -> None:
    many = answer(*[paper()] * 10, offset=10)
    links = {
        link.get("rel"): link["href"]
        for link in Elements(render.results(PageState(q="x", offset=10), many, {}, EN)).all("a")
    }
    assert links["next"] == "?q=x&offset=20"
    assert links["prev"] == "?q=x"
    few = Elements(render.results(PageState(q="x"), answer(paper()), {}, EN))
    assert not {"next", "prev"} & {link.get("rel") for link in few.all("a")}


@pytest.mark.parametrize(
    ("state", "count", "following", "end"),
    [
        (PageState(q="x", offset=990), 10, "?q=x&offset=1000", ""),
        (PageState(q="x", offset=1000), 10, None, "no further results of one search"),
        (PageState(q="x", k=100, offset=950), 100, None, "no further results of one search"),
        (PageState(q="x", offset=1000), 9, None, "These are the last results."),
        (PageState(q="x", offset=10), 1, None, "These are the last results."),
        (PageState(q="x"), 1, None, ""),
    ],
)
def test_no_link_leads_beyond_the_last_page(state: PageState, count: int, following: str | None, end: str) -> None:
    shown = Elements(render.results(state, answer(*[paper()] * count, offset=state.offset), {}, EN))
    links = {link.get("rel"): link["href"] for link in shown.all("a")}
    assert links.get("next") == following
    ends = [each for each in shown.all("span") if each.get("class") == "akin-end"]
    assert len(ends) == bool(end)
    assert end in shown.text


@pytest.mark.parametrize(
    ("state", "href"),
    [
        (PageState(q="x"), None),
        (PageState(q="x", categories=("cs.LG",)), "?q=x"),
        (PageState(q="x", categories=("cs.LG",), offset=50), "?q=x&categories=cs.LG"),
    ],
)
def test_an_empty_answer_offers_the_next_step(state: PageState, href: str | None) -> None:
    shown = Elements(render.results(state, answer(), {}, EN))
    assert "No papers found" in shown.text
    assert [link["href"] for link in shown.all("a")] == ([href] if href else [])


def test_the_status_shows_range_mode_and_time() -> None:
    timings = {"embed_ms": 3.4, "vectors_ms": 1.2, "lexical_ms": 0.25, "fuse_ms": None, "total_ms": 12.4}
    status = Elements(
        render.answer_status(STATE, answer(*[paper()] * 3, searched=10_000, mode="dense", timings=timings), (), EN)
    )
    assert status.text == "1–3 among 10,000 papers · dense · 12 ms embed 3 vectors 1 lexical 0.2 "


def test_the_status_warns_of_degraded_and_truncated_answers() -> None:
    status = render.answer_status(
        STATE, answer(paper(), degraded="no encoder", query={"truncated": True, "tokens": 812}), (), EN
    )
    assert status.count("akin-notice") == 2
    assert "no encoder" in status
    assert "812 tokens" in status
    assert "akin-notice" not in render.answer_status(STATE, answer(paper()), (), EN)


def test_the_corpus_line() -> None:
    assert (
        Elements(render.corpus_line(CorpusInfo(papers=10_000, newest="2026-03-28"), EN)).text
        == "10,000 papers, newest Mar 2026"
    )
    assert Elements(render.corpus_line(CorpusInfo(papers=1), EN)).text == "1 paper"
    assert render.corpus_line(None, EN) == ""


def test_the_corpus_line_says_how_many_papers_have_vectors_while_these_are_made() -> None:
    partial = {"papers": 20_000, "newest": "2026-03-28", "coverage": {"with_vectors": 1200, "papers": 20_000}}
    assert Elements(render.corpus_line(CorpusInfo.model_validate(partial), EN)).text == (
        "20,000 papers, newest Mar 2026; 1,200 of them can be found by meaning so far, the others by their words"
    )


def test_category_choices_show_names_and_give_codes() -> None:
    corpus = CorpusInfo(papers=1, categories=(Category(code="cs.LG", name="Machine Learning"),))
    assert render.category_choices(corpus) == [("Machine Learning (cs.LG)", "cs.LG")]


@pytest.mark.parametrize(
    ("error", "typed"),
    [
        (NoAnswer("gone"), "akin up"),
        (NothingIndexed("none"), "akin index build sample"),
        (ServiceBusy("later"), "Wait"),
        (AnswerNotUnderstood("what"), "akin down"),
    ],
)
def test_a_problem_names_the_reason_and_the_next_step(error: RequestFailed, typed: str) -> None:
    shown = Elements(render.problem(error, EN)).text
    assert str(error) in shown
    assert typed in shown
    assert "need not be reloaded" in shown


def test_examples_are_links_to_searches() -> None:
    links = [link["href"] or "" for link in Elements(render.examples(Visit("en"))).all("a")]
    assert len(links) == 3
    assert all(link.startswith("?q=") for link in links)


def test_conditions_copies_and_papers_on_both_sides_are_shown() -> None:
    query = UnderstoodQuery(
        operators=('ti:"a<b"', "-c"), like=(LikedPaper(id="a", title="One"),), unlike=(LikedPaper(id="b"),)
    )
    status = render.answer_status(PageState(like=("a",), unlike=("b",)), answer(paper(), query=query), (), EN)
    text = Elements(status).text
    assert 'ti:"a<b"   -c' in text
    assert "Papers like One and unlike b" in text
    card = Elements(paper_card(paper(duplicates=["x<1", "y"]), 1, 1.0, PageState(like=("a",)), {}, EN))
    assert "also here as x<1, y" in card.text
    onward = {link["href"] for link in card.all("a") if "data-akin-go" in link}
    assert {"?like=a&like=2503.12552", "?like=a&unlike=2503.12552"} <= onward
    assert_harmless(status)
    Elements(render.operators(EN))


def test_the_count_of_authors_is_the_services_and_few_names_are_in_the_card() -> None:
    card = paper_card(paper(authors=[f"Author {n}" for n in range(50)], author_count=5_154), 1, 1.0, STATE, {}, EN)
    assert "and 5,146 more" in Elements(card).text
    whole = paper_card(paper(authors=[f"Author {n}" for n in range(5_000)]), 1, 1.0, STATE, {}, EN)
    title = whole.partition('class="akin-others" title="')[2].partition('"')[0]
    assert title.split(", ") == [f"Author {n}" for n in range(8, 50)]


def test_notes_are_shown_and_alternatives_are_told_from_conditions_that_all_hold() -> None:
    query = UnderstoodQuery(operators=('au:"a" OR au:"b"', "-ti:c", "NOT (ti:d OR ti:e)"))
    found = answer(paper(), query=query).model_copy(update={"notes": ("<i>jr:Nature</i> was read as words.",)})
    status = render.answer_status(PageState(q="x"), found, ("An earlier note.",), EN)
    notices = [each for each in Elements(status).text.split("\n") if each.strip()]
    text = " ".join(notices)
    assert "An earlier note." in text
    assert "<i>jr:Nature</i> was read as words." in text
    assert 'Only papers that meet: (au:"a" OR au:"b")   -ti:c   NOT (ti:d OR ti:e)' in text
    assert_harmless(status)
    one = answer(paper(), query=UnderstoodQuery(operators=("au:a OR au:b",)))
    assert "Only papers that meet: au:a OR au:b" in Elements(render.answer_status(PageState(q="x"), one, (), EN)).text


def test_operators_of_references_and_the_order_by_citations_wait_for_a_corpus_that_has_them() -> None:
    hidden = [line for line in Elements(render.operators(EN)).all("li") if line.get("class") == "akin-if-cited"]
    assert len(hidden) == 1
    plain, cited = (CorpusInfo.model_validate({"papers": 3, **more}) for more in ({}, {"references": {"pairs": 5}}))
    assert "akin-cited" not in render.corpus_line(plain, EN)
    assert 'class="akin-corpus akin-cited"' in render.corpus_line(cited, EN)
    known = paper(citations={"total": 3, "in_corpus": 1})
    assert "sort=citations" in render.results(STATE, answer(known), {}, EN)
    assert "sort=citations" not in render.results(STATE, answer(paper()), {}, EN)


def test_results_are_linked_to_the_map_where_there_is_one() -> None:
    state = PageState(q="a & b", categories=("cs.LG",))
    status = render.answer_status(state, answer(paper()), (), EN, has_map=True)
    assert '<a href="map?q=a+%26+b&amp;categories=cs.LG">Show on the map</a>' in status
    assert "map?" not in render.answer_status(state, answer(paper()), (), EN)
    assert "map?" not in render.answer_status(state, answer(), (), EN, has_map=True)
