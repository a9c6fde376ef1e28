"""The page in a real browser, over the real stack and the sample papers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from benchmarks.browser import measure, weigh
from gradio_ui import katex_files
from tests.e2e.browsing import answered, search, visit

if TYPE_CHECKING:
    from tests.conftest import RunningStack

pytestmark = pytest.mark.e2e


def test_a_question_is_answered_with_papers(page: Page, sample_stack: RunningStack) -> None:
    visit(page, sample_stack)
    search(page, "question answering over knowledge graphs")
    cards = page.locator("article.akin-paper")
    assert cards.count() == 10
    told = sample_stack.akin("search", "question answering over knowledge graphs", "-k", "1", "--json").stdout
    expect(cards.first).to_contain_text(json.loads(told)["results"][0]["title"])
    expect(cards.first.locator("a[href*='arxiv.org/abs/']").first).to_be_visible()
    expect(page.locator("#akin-status")).to_contain_text(re.compile(r"\d ms"))


def test_the_address_restores_a_search(page: Page, sample_stack: RunningStack) -> None:
    visit(page, sample_stack)
    search(page, "attention is all you need")
    first = page.locator("article.akin-paper h3, article.akin-paper h2").first.inner_text()
    page.goto(page.url)
    expect(page.locator("#akin-query textarea")).to_have_value("attention is all you need")
    expect(page.locator("article.akin-paper").first).to_contain_text(first.splitlines()[-1])


def test_a_search_that_overtakes_the_restored_page_keeps_its_query(page: Page, sample_stack: RunningStack) -> None:
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        held.append(route)
        if len(held) > 1:
            route.continue_()

    page.route("**/gradio_api/queue/join*", hold_the_first)
    page.goto(sample_stack.settings.ui_url)
    box = page.locator("#akin-query textarea")
    expect(box).to_be_visible()
    while not held:
        page.wait_for_timeout(50)
    search(page, "entity linking")
    held[0].continue_()
    # What was asked for first comes last; then the page is restored from the address of the search.
    page.wait_for_timeout(1_500)
    answered(page)
    expect(box).to_have_value("entity linking")
    expect(page.locator("article.akin-paper").first).to_be_visible()
    assert "q=entity+linking" in page.url


def test_more_like_this_leaves_out_the_paper_itself(page: Page, sample_stack: RunningStack) -> None:
    visit(page, sample_stack)
    search(page, "entity linking")
    first = page.locator("article.akin-paper").first
    link = first.locator("a[href*='arxiv.org/abs/']").first.get_attribute("href")
    assert link is not None
    first.locator("a.akin-similar").click()
    page.wait_for_url(re.compile(r"[?&]like="))
    answered(page)
    expect(page.locator("article.akin-paper").first).to_be_visible()
    assert page.locator(f"article.akin-paper a[href='{link}']").count() == 0


def test_a_hostile_query_is_shown_as_text(page: Page, sample_stack: RunningStack) -> None:
    visit(page, sample_stack)
    search(page, '<img src=x onerror=alert(1)> graphs & "nets" \'')
    assert page.locator("img[src='x']").count() == 0


def test_an_unknown_paper_is_explained(page: Page, sample_stack: RunningStack) -> None:
    page.goto(f"{sample_stack.settings.ui_url}/?like=9999.99999")
    expect(page.locator(".akin-problem")).to_contain_text("9999.99999")


def test_a_complete_session_stays_within_the_policy(page: Page, sample_stack: RunningStack) -> None:
    visit(page, sample_stack)
    for link in page.locator("#akin-try a").all()[:1]:
        link.click()
        page.wait_for_url(re.compile(r"[?&]q="))
        answered(page)
    page.locator("#akin-mode input").nth(1).click()
    page.locator("#akin-categories input").click()
    page.keyboard.type("cs.CL")
    page.keyboard.press("Enter")
    # The sample has no categories, so a category would find nothing.
    page.locator("#akin-categories").get_by_role("button", name="Clear").click()
    page.locator("#akin-from input").fill("1990")
    page.locator("#akin-to input").fill("2040")
    page.locator("#akin-k input").fill("5")
    search(page, "language models")
    for summary in page.locator("article.akin-paper summary").all()[:2]:
        summary.click()
    page.locator("[data-akin-copy]").locator("visible=true").first.click()
    page.locator("a.akin-page").last.click()
    page.wait_for_url(re.compile(r"offset="))
    answered(page)
    page.go_back()
    answered(page)
    page.emulate_media(color_scheme="dark")
    page.reload()
    expect(page.locator("article.akin-paper").first).to_be_visible()
    # Longer than the longest address: it goes behind the #.
    page.locator("#akin-query textarea").fill("graphs of words " * 600)
    page.locator("#akin-search").click()
    page.wait_for_url(re.compile(r"#q="))
    answered(page)
    expect(page.locator("article.akin-paper").first).to_be_visible()


def test_results_are_sorted_narrowed_and_restored_by_links(page: Page, sample_stack: RunningStack) -> None:
    visit(page, sample_stack)
    search(page, "language models since 2019")
    card = page.locator("article.akin-paper").first
    expect(card.locator("mark").first).to_be_visible()
    expect(card.locator(".akin-why")).to_contain_text(re.compile("by (words|meaning)"))
    page.get_by_role("link", name="Newest").click()
    page.wait_for_url(re.compile(r"sort=newest"))
    answered(page)
    days = [time.get_attribute("datetime") or "" for time in page.locator("article.akin-paper time").all()]
    assert days == sorted(days, reverse=True)
    expect(page.get_by_role("link", name="Newest")).to_have_attribute("aria-current", "true")
    # Where there is room, the counts are beside the results.
    bars = page.locator(".akin-years a")
    expect(bars.last).to_be_visible()
    year = (bars.last.get_attribute("title") or "")[:4]
    bars.last.click()
    page.wait_for_url(re.compile(rf"from={year}&to={year}&sort=newest"))
    answered(page)
    expect(page.locator("#akin-from input")).to_have_value(year)
    found = page.locator("article.akin-paper time").all()
    assert {(time.get_attribute("datetime") or "")[:4] for time in found} == {year}
    page.get_by_role("link", name="All years").click()
    page.wait_for_url(lambda address: "from=" not in address)
    page.get_by_role("link", name="since 2019").click()
    page.wait_for_url(re.compile(r"since%3A2019"))
    answered(page)
    author = page.locator(".akin-author").first
    name = author.inner_text()
    author.click()
    page.wait_for_url(re.compile(r"q=au%3A"))
    answered(page)
    expect(page.locator("article.akin-paper .akin-authors").first).to_contain_text(name.split()[-1])
    page.go_back()
    answered(page)
    expect(page.locator("#akin-query textarea")).to_have_value("language models since:2019")


def test_years_and_categories_are_folded_on_a_phone(page: Page, sample_stack: RunningStack) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{sample_stack.settings.ui_url}/?q=language+models&varied=1")
    expect(page.locator("article.akin-paper").first).to_be_visible()
    expect(page.locator(".akin-years")).to_be_hidden()
    page.get_by_text("Years and categories").click()
    expect(page.locator(".akin-years a").last).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.skipif(not katex_files.is_there(), reason="KaTeX was not fetched; `make setup` does that")
def test_formulas_are_shown_and_do_nothing_else(page: Page, sample_stack: RunningStack) -> None:
    visit(page, sample_stack)
    search(page, "language models")
    text = r"of $O(n)$ and \(\alpha\), from $5 to $10, $\frac{1$, $\href{javascript:alert(1)}{x}$ <b>$\kern{-99em}$"
    page.evaluate(
        """(text) => {
            const card = document.querySelector("article.akin-paper");
            card.append(Object.assign(document.createElement("p"), { className: "akin-tex added", textContent: text }));
        }""",
        text,
    )
    added = page.locator(".added")
    expect(added.locator(".akin-formula")).to_have_count(4)
    assert added.locator("math").count() == 4
    assert added.locator("a, b").count() == 0
    expect(added).to_contain_text("from $5 to $10, $\\frac{1$, ")


def test_the_policy_is_enforced(unchecked_page: Page, sample_stack: RunningStack) -> None:
    page = unchecked_page
    visit(page, sample_stack)
    policy = page.request.get(sample_stack.settings.ui_url).headers["content-security-policy"]
    assert "object-src 'none'" in policy
    refused = page.evaluate(
        """(address) => new Promise((done) => {
            document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
            const frame = document.createElement("object");
            frame.data = address;
            document.body.append(frame);
        })""",
        f"{sample_stack.settings.ui_url}/theme.css",
    )
    assert refused == "object-src"


def test_a_refusal_is_shown_with_its_reason(unchecked_page: Page, sample_stack: RunningStack) -> None:
    page = unchecked_page
    visit(page, sample_stack)
    page.locator("#akin-query textarea").fill("x" * 600_000)
    page.locator("#akin-search").click()
    expect(page.get_by_text("Search for a shorter text.").first).to_be_visible()
    expect(page.locator("#akin-status")).to_contain_text("The page could not answer this time.")
    search(page, "graphs")


def test_the_documentation_stays_within_its_policy(page: Page, sample_stack: RunningStack) -> None:
    answer = page.goto(f"{sample_stack.settings.service_url}/docs")
    assert answer is not None
    assert "unsafe" not in answer.headers["content-security-policy"]
    # The style sheet is allowed by its digest.
    assert page.evaluate("getComputedStyle(document.querySelector('pre')).borderRadius") == "6px"


def test_a_result_has_a_page_from_which_similar_papers_and_the_results_are_reached(
    page: Page, sample_stack: RunningStack
) -> None:
    visit(page, sample_stack)
    search(page, "question answering over knowledge graphs")
    card = page.locator("article.akin-paper").first
    title = card.locator("h3").inner_text()
    card.get_by_role("link", name="Details").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    first = page.url
    assert "/paper/" in first
    expect(page.locator(".akin-text")).to_be_visible()
    copied = page.locator(".akin-citations pre").first.inner_text()
    assert copied.startswith("@")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == copied
    # The drawing has the papers of its list, in the same order, and the keyboard reaches them.
    dots, items = page.locator(".akin-drawing svg a"), page.locator(".akin-near li a")
    assert dots.count() == items.count() == 40
    page.mouse.move(0, 0)  # a paper under the mouse is marked too
    dots.nth(2).focus()
    expect(page.locator(".akin-near li.akin-here")).to_contain_text(items.nth(2).inner_text())
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: address != first)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.go_back()
    page.get_by_label("Order").select_option("newest")
    page.get_by_label("From year").fill("2015")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile(r"sort=newest.*from=2015"))
    days = [time.get_attribute("datetime") or "" for time in page.locator("#similar .akin-list time").all()]
    assert len(days) >= 5
    assert days == sorted(days, reverse=True)
    assert min(days) >= "2015"
    page.locator(".akin-alike .akin-title").first.click()
    page.wait_for_url(lambda address: "sort=newest" not in address)
    for _ in range(3):
        page.go_back()
    page.wait_for_url(re.compile(r"\?q="))
    answered(page)
    expect(page.locator("article.akin-paper").first).to_contain_text(title)


def test_a_paper_has_a_page_in_dark_and_on_a_phone(page: Page, sample_stack: RunningStack) -> None:
    found = json.loads(sample_stack.akin("search", "graphs", "-k", "1", "--json").stdout)["results"][0]
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{sample_stack.settings.ui_url}/paper/arXiv:{found['id']}v9?lang=de")
    assert page.url == f"{sample_stack.settings.ui_url}/paper/{found['id']}?lang=de"
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("heading", name="Ähnliche Arbeiten")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 23, 21)"


def test_results_are_exported_as_files(page: Page, sample_stack: RunningStack) -> None:
    visit(page, sample_stack)
    search(page, "language models")
    shown = [card.get_attribute("data-id") for card in page.locator("article.akin-paper").all()]
    page.locator(".akin-export summary").click()
    lines = page.locator(".akin-export p")
    for row, name, file, count in ((0, "CSV", "papers.csv", 10), (1, "JSON Lines", "papers.jsonl", 300)):
        with page.expect_download() as download:
            lines.nth(row).get_by_role("link", name=name).click()
        assert download.value.suggested_filename == file
        content = download.value.path().read_text("utf-8")
        places = [content.index(f'"{each}"') for each in shown]
        assert places == sorted(places)
        assert len(content.splitlines()) >= count
    feed = page.request.get(
        f"{sample_stack.settings.ui_url}/{page.locator('a[href^=feed]').first.get_attribute('href')}"
    )
    assert "<entry>" in feed.text()


def test_an_unknown_paper_leads_to_the_search(unchecked_page: Page, sample_stack: RunningStack) -> None:
    page = unchecked_page
    answer = page.goto(f"{sample_stack.settings.ui_url}/paper/hep-th%2F9912999")
    assert answer is not None
    assert answer.status == 404
    page.get_by_role("link", name="Search for it").click()
    page.wait_for_url(re.compile(r"\?q=hep-th"))


def test_the_page_is_light_and_a_search_is_measured(browser: Browser, sample_stack: RunningStack) -> None:
    url = sample_stack.settings.ui_url
    own, answers, _, of_gradio = (row.value for row in weigh(browser, url))
    assert 20 < own <= 150  # kB, with KaTeX
    assert answers > 0
    assert of_gradio > 100
    rows = {row.metric: row.value for row in measure(browser, url, ["language models"] * 8)}
    assert 0 < rows["p50"] <= rows["p95"]
    assert rows["layout shift"] < 0.1
