"""axe-core finds no serious violation on any page, and everything works by keyboard."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import answered, search, violations, visit

if TYPE_CHECKING:
    from tests.conftest import RunningStack

pytestmark = pytest.mark.e2e

SEARCH = "?q=question+answering"
# Every page there is, with what must be on it before it is checked.
PAGES = {
    "empty": ("", ".akin-welcome"),
    "results": (SEARCH, "article.akin-paper"),
    "second page": (f"{SEARCH}&offset=10&sort=newest&from=2015", "article.akin-paper"),
    "nothing found": (f"{SEARCH}&from=1980&to=1981", ".akin-problem"),
    "notes": (f"{SEARCH}&mode=magic&k=0", ".akin-notice"),
    "refused": ("?like=9999.99999", ".akin-problem"),
    "German": (f"{SEARCH}&lang=de", "article.akin-paper"),
    "no such page": ("nowhere", ".akin-problem"),
    "paper": ("paper/{id}", "main h1"),
    "no such paper": ("paper/9999.99999", ".akin-problem"),
    "list": ("list", "article.akin-listed a"),
    "shared list": ("list#ids={id},9912.00001", ".akin-unknown"),
    "map": ("map", "#akin-map[data-points]"),
    "results on the map": (f"map{SEARCH}", ".akin-map-results a"),
    "German paper": ("paper/{id}?lang=de", "main h1"),
    "German list": ("list?lang=de", "article.akin-listed a"),
    "German map": (f"map{SEARCH}&lang=de", ".akin-map-results a"),
}
PRINTED = ("results", "paper", "list", "map")


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
@pytest.mark.usefixtures("map_address")
def test_no_page_has_a_serious_violation(browser: Browser, sample_stack: RunningStack, axe: str, look: str) -> None:
    width = 390 if look == "phone" else 1280
    context = browser.new_context(
        color_scheme="dark" if look == "dark" else "light", viewport={"width": width, "height": 900}, locale="en"
    )
    page = context.new_page()
    found: dict[str, list[str]] = {}
    page.goto(f"{sample_stack.settings.ui_url}/{SEARCH}")
    paper = page.locator("article.akin-paper").first.get_attribute("data-id") or ""
    for at in range(3):
        page.locator("[data-akin-list]").nth(at).click()
    for name, (address, shown) in PAGES.items():
        page.goto(f"{sample_stack.settings.ui_url}/{address.format(id=paper)}")
        page.wait_for_selector(shown)
        for summary in page.locator("article.akin-paper summary, #akin-try summary:visible").all()[:4]:
            summary.click()
        found[name] = violations(page, axe)
        if name in PRINTED:
            page.emulate_media(media="print")
            found[f"{name}, printed"] = violations(page, axe)
            page.emulate_media(media="screen")
    page.goto(f"{sample_stack.settings.ui_url}/{SEARCH}")
    page.wait_for_selector("article.akin-paper")
    page.locator("article.akin-paper").first.evaluate("(paper) => { paper.tabIndex = -1; paper.focus(); }")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    found["keys"] = violations(page, axe)
    context.close()
    assert {name: each for name, each in found.items() if each} == {}


def test_a_search_by_keyboard_alone(page: Page, sample_stack: RunningStack) -> None:
    visit(page, sample_stack)
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press("/")
    expect(page.locator("#akin-query textarea")).to_be_focused()
    page.keyboard.type("question j/k?")
    expect(page.locator("#akin-query textarea")).to_have_value("question j/k?")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"[?&]q="))
    answered(page)
    expect(page.locator("article.akin-paper").first).to_be_visible()
    page.locator("#akin-query textarea").evaluate("(box) => box.blur()")
    for key, at in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        expect(page.locator("article.akin-paper").nth(at)).to_be_focused()
    page.keyboard.press("c")
    expect(page.locator("article.akin-paper").nth(1).locator("pre")).to_contain_text("@")
    page.evaluate("document.addEventListener('click', (event) => { window.opened = event.target.closest('a')?.href; "
                  "event.preventDefault(); }, true)")  # fmt: skip
    title = page.locator("article.akin-paper").nth(1).locator(".akin-title a")
    for key in ("o", "Enter"):
        page.locator("article.akin-paper").nth(1).focus()
        page.evaluate("window.opened = ''")
        page.keyboard.press(key)
        assert page.evaluate("window.opened") == title.evaluate("(link) => link.href")
    for _ in range(9):
        page.keyboard.press("j")
    expect(page.locator("a[rel=next]")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("cite the paper")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_focus_goes_to_the_next_page_of_results(page: Page, sample_stack: RunningStack) -> None:
    page.goto(f"{sample_stack.settings.ui_url}/{SEARCH}")
    page.locator("a[rel=next]").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("offset=10"))
    expect(page.locator("#akin-results-title")).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator("article.akin-paper").first).to_be_focused()


def test_keys_move_on_all_pages(page: Page, sample_stack: RunningStack) -> None:
    page.goto(f"{sample_stack.settings.ui_url}/{SEARCH}")
    for at in range(2):
        page.locator("[data-akin-list]").nth(at).click()
    page.goto(f"{sample_stack.settings.ui_url}/list")
    listed = page.locator("article.akin-listed")
    expect(listed.locator("a").first).to_be_visible()
    # What is looked up replaces the cards.
    for at in range(2):
        expect(listed.nth(at).locator(".akin-chip, time").first).to_be_visible()
    for key, at in (("j", 0), ("j", 1), ("k", 0)):
        page.keyboard.press(key)
        expect(listed.nth(at)).to_be_focused()
    title = listed.first.locator("h3").inner_text()
    page.keyboard.press("o")
    page.wait_for_url(re.compile("/paper/"))
    expect(page.locator("main h1")).to_have_text(title)
    button = page.locator(".akin-actions [data-akin-list]")
    expect(button).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("l")
    expect(button).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("c")
    expect(page.locator(".akin-citations summary").first).to_be_focused()
    alike = page.locator(".akin-alike .akin-list > li").first
    expect(alike).to_be_visible()
    page.keyboard.press("j")
    expect(alike).to_be_focused()


@pytest.mark.usefixtures("map_address")
def test_nothing_is_cut_off_on_the_narrowest_screen(page: Page, sample_stack: RunningStack) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(f"{sample_stack.settings.ui_url}/{SEARCH}")
    page.locator("[data-akin-list]").first.click()
    paper = page.locator("article.akin-paper").first.get_attribute("data-id") or ""
    for address, shown in PAGES.values():
        if shown == ".akin-problem":
            continue
        page.goto(f"{sample_stack.settings.ui_url}/{address.format(id=paper)}")
        page.wait_for_selector(shown)
        page.evaluate("""() => {
            const long = ".akin-title a, .akin-heading, .akin-authors a, .akin-facts span, .akin-known dd";
            for (const place of document.querySelectorAll(long)) {
                place.textContent = "W".repeat(200);
            }
        }""")
        wide = page.evaluate("""() => [...document.querySelectorAll("main *")].filter((one) => {
            const edge = one.getBoundingClientRect();
            return edge.right > 321 && one.checkVisibility() && !one.closest(".akin-examples, svg, pre, .akin-hidden");
        }).map((one) => `${one.tagName}.${one.className} ${one.textContent.slice(0, 40)}`).slice(0, 5)""")
        assert (address, wide, page.evaluate("document.documentElement.scrollWidth")) == (address, [], 320)


def test_a_browser_without_scripts_is_told_what_works(browser: Browser, sample_stack: RunningStack) -> None:
    context = browser.new_context(java_script_enabled=False, locale="de")
    page = context.new_page()
    page.goto(sample_stack.settings.ui_url)
    expect(page.locator("noscript a")).to_be_visible()
    assert "Skripte sind abgeschaltet" in (page.locator("noscript").text_content() or "")
    page.goto(f"{sample_stack.settings.ui_url}/list")
    expect(page.locator("noscript p")).to_be_visible()
    context.close()


def test_the_focus_is_seen_on_a_box_that_is_checked(page: Page, sample_stack: RunningStack) -> None:
    visit(page, sample_stack)
    answered(page)
    page.locator("#akin-k input").focus()
    page.keyboard.press("Tab")
    box = page.locator("#akin-retracted input")
    expect(box).to_be_focused()
    expect(box).to_have_css("outline-style", "solid")


def test_single_keys_can_be_switched_off(page: Page, sample_stack: RunningStack) -> None:
    page.goto(f"{sample_stack.settings.ui_url}/list")
    page.get_by_role("button", name="Keys").click()
    page.get_by_role("checkbox").uncheck()
    page.get_by_role("button", name="Close").click()
    page.goto(f"{sample_stack.settings.ui_url}/{SEARCH}")
    expect(page.locator("article.akin-paper").first).to_be_visible()
    answered(page)
    page.get_by_role("button", name="Keys").click()
    # Gradio would draw the box, and a checked one like one that is not.
    box = page.get_by_role("dialog").get_by_role("checkbox")
    expect(box).to_have_css("appearance", "auto")
    page.get_by_role("button", name="Close").click()
    page.goto(f"{sample_stack.settings.ui_url}/list")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.reload()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.evaluate("localStorage.clear()")


def test_recent_searches_mark_what_is_new(page: Page, sample_stack: RunningStack) -> None:
    page.goto(f"{sample_stack.settings.ui_url}/{SEARCH}")
    expect(page.locator("article.akin-paper").first).to_be_visible()
    expect(page.locator("#akin-recent")).to_be_visible()
    assert page.locator(".akin-new").count() == 0
    # Two days ago the corpus ended in 2020, and all that is shown from before was shown.
    page.evaluate("""() => {
        const [one] = JSON.parse(localStorage.getItem("akin.recent"));
        const at = Date.now() - 2 * 864e5;
        localStorage.setItem("akin.recent", JSON.stringify([{ ...one, at, newest: "2021-01-01" }]));
    }""")
    page.reload()
    expect(page.locator("article.akin-paper").first).to_be_visible()
    expect(page.locator("#akin-recent")).to_be_visible()
    assert page.locator(".akin-new").count() == 0
    page.evaluate("""() => {
        const [one] = JSON.parse(localStorage.getItem("akin.recent"));
        const at = Date.now() - 2 * 864e5;
        localStorage.setItem("akin.recent", JSON.stringify([{ ...one, at, newest: "2021-01-01", now: [], old: [] }]));
    }""")
    page.reload()
    expect(page.locator(".akin-news")).to_contain_text("new since")
    dates = page.locator("article.akin-paper:has(.akin-new) time").evaluate_all(
        "(all) => all.map((one) => one.dateTime)"
    )
    assert dates
    assert all(date >= "2021-01-01" for date in dates)
    others = page.locator("article.akin-paper:not(:has(.akin-new)) time")
    assert all(date < "2021-01-01" for date in others.evaluate_all("(all) => all.map((one) => one.dateTime)"))
    page.locator("#akin-recent summary").click()
    page.locator("[data-akin-keep]").click()
    expect(page.locator("[data-akin-keep]")).to_have_attribute("aria-pressed", "true")
    page.goto(sample_stack.settings.ui_url)
    page.locator("#akin-recent summary").click()
    page.locator("#akin-recent ul a").click()
    page.wait_for_url(re.compile(r"q=question"))
    expect(page.locator("article.akin-paper").first).to_be_visible()
    page.locator("[data-akin-forget]").click()
    expect(page.locator("#akin-recent")).to_be_hidden()
    assert page.evaluate("localStorage.getItem('akin.recent')") is None


def test_recent_searches_are_named_in_the_readers_language(page: Page, sample_stack: RunningStack) -> None:
    page.goto(f"{sample_stack.settings.ui_url}/?q=language+models&from=2018&sort=newest&mode=lexical&lang=en")
    expect(page.locator("article.akin-paper").first).to_be_visible()
    expect(page.locator("#akin-recent ul a")).to_have_text("language models · 2018– · lexical · newest first")
    page.get_by_role("link", name="Deutsch").click()
    expect(page.locator("article.akin-paper").first).to_be_visible()
    expect(page.locator("#akin-recent ul a")).to_have_text("language models · 2018– · wörtlich · neueste zuerst")


BROKEN = [
    "{", "null", "[]", '"x"', "[1, null, {}]", '[{"address": "javascript:alert(1)", "text": "x"}]',
    json.dumps([{"address": "?q=x", "text": "<img src=x onerror=alert(1)>", "at": "soon", "old": 5, "newest": {}}]),
    json.dumps([{"address": "?q=x", "text": "x" * 5000}] * 500),
]  # fmt: skip


def test_a_broken_storage_does_no_harm(page: Page, sample_stack: RunningStack) -> None:
    for stored in BROKEN:
        page.goto(f"{sample_stack.settings.ui_url}/nowhere".replace("/nowhere", "/robots.txt"))
        page.evaluate("(text) => localStorage.setItem('akin.recent', text)", stored)
        page.goto(f"{sample_stack.settings.ui_url}/{SEARCH}")
        expect(page.locator("article.akin-paper").first).to_be_visible()
        expect(page.locator("#akin-recent")).to_be_visible()
        assert page.locator("img[src='x']").count() == 0
        assert page.locator("#akin-recent a[href^='javascript']").count() == 0
    page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('private'); } })")
    page.goto(f"{sample_stack.settings.ui_url}/{SEARCH}")
    expect(page.locator("article.akin-paper").first).to_be_visible()
    expect(page.locator("#akin-recent")).to_be_hidden()


def test_the_language_of_the_address_stays_on_the_way(page: Page, sample_stack: RunningStack) -> None:
    page.goto(f"{sample_stack.settings.ui_url}/?lang=de")
    expect(page.get_by_role("button", name="Suchen")).to_be_visible()
    expect(page.get_by_text("Neueste Arbeiten")).to_be_visible()
    search(page, "question answering")
    expect(page.get_by_text(re.compile("[0-9.]+ Arbeiten durchsucht")).first).to_be_visible()
    assert "lang=de" in page.url
    assert page.evaluate("document.documentElement.lang") == "de"
    page.locator("#akin-categories input").fill("cs.CL")
    page.keyboard.press("Enter")
    # Gradio's own texts too.
    page.locator("#akin-categories").get_by_role("button", name="Löschen").click()
    page.locator("a.akin-similar").first.click()
    page.wait_for_url(re.compile(r"like=.*lang=de"))
    expect(page.get_by_text("neu anfangen")).to_be_visible()
    page.get_by_role("link", name="English").click()
    expect(page.get_by_text("start over")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "en"


def test_the_feed_of_a_search(page: Page, sample_stack: RunningStack) -> None:
    page.goto(f"{sample_stack.settings.ui_url}/{SEARCH}&from=2020")
    link = page.get_by_role("link", name="Follow (Atom)")
    expect(link).to_be_visible()
    address = link.evaluate("(link) => link.href")
    page.wait_for_selector(f"head link[rel=alternate][href='{address}']", state="attached")
    answer = page.request.get(address)
    assert answer.headers["content-type"].startswith("application/atom+xml")
    assert answer.text().count("<entry>") >= 10
    assert sample_stack.settings.service_url not in answer.text().split("<entry>")[0]
