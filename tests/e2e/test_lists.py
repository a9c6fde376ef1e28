"""Reading lists in a real browser, over the real stack and the sample papers."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

if TYPE_CHECKING:
    from tests.conftest import RunningStack

pytestmark = pytest.mark.e2e

BROKEN_STORAGE = (
    """if (!sessionStorage.seen) { sessionStorage.seen = "1"; localStorage.setItem("akin.lists", "{broken"); }"""
)


def ids(stack: RunningStack, count: int) -> list[str]:
    """Return the ids of papers of the sample."""
    found = json.loads(stack.akin("search", "language models", "-k", str(count), "--json").stdout)
    return [paper["id"] for paper in found["results"]]


def size(page: Page, text: str) -> None:
    expect(page.locator("#akin-list-size")).to_contain_text(text)


def test_papers_are_collected_asked_about_and_removed(page: Page, sample_stack: RunningStack) -> None:
    page.goto(f"{sample_stack.settings.ui_url}/?q=language+models")
    buttons = page.locator("article.akin-paper [data-akin-list]")
    expect(buttons.first).to_be_visible()
    for at in range(4):
        buttons.nth(at).click()
    expect(buttons.nth(3)).to_have_attribute("aria-pressed", "true")
    collected = [str(buttons.nth(at).get_attribute("data-akin-list")) for at in range(4)]
    page.goto(f"{sample_stack.settings.ui_url}/list")
    size(page, "4 papers")
    expect(page.locator(".akin-navigation a[aria-current]")).to_contain_text("4")
    assert [card.get_attribute("data-id") for card in page.locator("#akin-list-papers article").all()] == collected

    page.get_by_role("button", name="What is missing?").click()
    expect(page.locator("#akin-list-asked h2")).to_have_text("What is missing?")
    answers = page.locator("#akin-list-asked article")
    assert answers.count() == 20
    assert {card.get_attribute("data-id") for card in answers.all()}.isdisjoint(collected)
    expect(answers.first).to_contain_text("Near “")
    answers.first.locator("[data-akin-list]").click()
    size(page, "5 papers")

    page.locator("#akin-list-papers [data-akin-remove]").nth(1).click()
    size(page, "4 papers")
    page.locator("#akin-said").get_by_role("button", name="Undo").click()
    size(page, "5 papers")
    expect(page.locator("main")).to_be_focused()
    assert page.locator("#akin-list-papers article").nth(1).get_attribute("data-id") == collected[1]

    title = page.locator("#akin-list-papers h3").nth(2).inner_text()
    page.locator("#akin-list-query").fill(title)
    page.keyboard.press("Enter")
    expect(page.locator("#akin-list-asked h2")).to_contain_text("In this list")
    expect(page.locator("#akin-list-asked h3").first).to_have_text(title)

    page.locator("#akin-list-papers [data-akin-unlike]").first.click()
    expect(page.locator("#akin-list-papers [data-akin-unlike]").first).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#akin-list-papers [data-akin-unlike]").first).to_be_focused()
    page.get_by_role("button", name="Papers like this list").click()
    feed = page.locator(".akin-feed a")
    expect(feed).to_be_visible()
    answer = page.request.get(str(feed.get_attribute("href")))
    assert answer.headers["content-type"].startswith("application/atom+xml")
    assert f"unlike={quote(collected[0], safe='')}" in answer.text()


def test_a_list_is_exported(page: Page, sample_stack: RunningStack) -> None:
    page.goto(f"{sample_stack.settings.ui_url}/list#ids={','.join([*ids(sample_stack, 3), '9912.00001'])}")
    size(page, "4 papers. 1 is not in this corpus")
    page.locator("#akin-list-files summary").click()
    papers = {
        "bibtex": lambda content: re.findall(r"^@\w+\{", content, re.MULTILINE),
        "ris": lambda content: re.findall(r"^TY  - ", content, re.MULTILINE),
        "csl-json": json.loads,
        "csv": lambda content: list(csv.DictReader(io.StringIO(content))),
        "jsonl": lambda content: list(map(json.loads, content.splitlines())),
    }
    for form, read in papers.items():
        with page.expect_download() as download:
            page.locator(f"[data-akin-export={form}]").click()
        assert len(read(Path(download.value.path()).read_text(encoding="utf-8-sig"))) == 3, form
    expect(page.locator("#akin-said")).to_contain_text("1 paper is not in this corpus and not in the file")


def test_a_shared_list_is_a_copy_until_it_is_saved(page: Page, browser: Browser, sample_stack: RunningStack) -> None:
    own, shared = ids(sample_stack, 6)[:1], ids(sample_stack, 6)[1:]
    page.goto(f"{sample_stack.settings.ui_url}/list#name=Mine&ids={own[0]}")
    page.get_by_role("button", name="Save as a list of mine").click()
    size(page, "1 paper")
    address = (
        f"{sample_stack.settings.ui_url}/list#name=%3Cb%3ETheirs%3C%2Fb%3E&ids={','.join([*shared, shared[0]])},x%ZZ"
    )
    page.goto(address)
    expect(page.locator("#akin-list-shared")).to_contain_text("“<b>Theirs</b>”, with 6 papers")
    assert json.loads(page.evaluate("localStorage['akin.lists']"))["lists"][0]["papers"][0]["id"] == own[0]
    page.get_by_role("button", name="Share").click()
    given = page.locator("#akin-list-asked input").input_value()
    with browser.new_context() as fresh:
        other = fresh.new_page()
        other.goto(given)
        expect(other.locator("#akin-list-size")).to_contain_text("6 papers. 1 is not in this corpus")
        assert other.evaluate("localStorage.length") == 0
        other.get_by_role("button", name="Save as a list of mine").click()
        expect(other).to_have_url(re.compile(r"/list$"))
        expect(other.locator("#akin-list-choice")).to_contain_text("<b>Theirs</b> (6)")
        # Another tab takes the change over.
        third = fresh.new_page()
        third.goto(f"{sample_stack.settings.ui_url}/list")
        other.locator("[data-akin-remove]").first.click()
        expect(third.locator("#akin-list-size")).to_contain_text("5 papers")


def test_a_message_has_the_width_of_a_phone(page: Page, sample_stack: RunningStack) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{sample_stack.settings.ui_url}/list#ids={','.join(ids(sample_stack, 2))}")
    page.get_by_role("button", name="Save as a list of mine").click()
    expect(page.locator("#akin-list-papers time").first).to_be_visible()
    page.locator("[data-akin-remove]").first.click()
    said = page.locator("#akin-said").bounding_box()
    assert said
    assert said["x"] >= 16
    assert 250 < said["width"] <= 358
    page.evaluate("localStorage.clear()")


def test_the_language_of_the_address_stays_on_the_list(page: Page, sample_stack: RunningStack) -> None:
    known = ids(sample_stack, 4)
    page.goto(f"{sample_stack.settings.ui_url}/list?lang=de#name=Fremd&ids={','.join(known)}")
    card = page.locator("#akin-list-papers article").first
    expect(card.locator("time")).to_have_text(re.compile(r"^\d{1,2}\. [A-Z]\w+\.? \d{4}$"))
    page.get_by_role("button", name="Was fehlt?").click()
    expect(page.locator("#akin-list-asked article").first).to_contain_text("Nahe bei „")
    expect(page.locator("#akin-list-asked")).not_to_contain_text(re.compile(r"\band \d+ more\b|“[^„]*”"))
    page.get_by_role("button", name="Teilen").click()
    assert "lang=" not in page.locator("#akin-list-asked input").input_value()
    page.locator("#akin-list-papers h3 a").first.click()
    page.wait_for_url(re.compile(r"/paper/.*lang=de"))
    expect(page.get_by_role("heading", name="Ähnliche Arbeiten")).to_be_visible()
    page.go_back()
    # The other language keeps the list that is in the address only.
    page.get_by_role("link", name="English").click()
    expect(page.locator("#akin-list-shared")).to_contain_text("“Fremd”, with 4 papers")
    page.goto(f"{sample_stack.settings.ui_url}/list?lang=de")
    expect(page.get_by_role("button", name="Diese Liste löschen")).to_be_disabled()
    page.locator("#akin-list-import summary").click()
    page.locator("#akin-list-text").fill("@misc{a, title={Not closed")
    page.get_by_role("button", name="Nachschlagen").click()
    expect(page.locator("#akin-list-found")).to_contain_text("(nicht lesbar, oder ohne Titel und ID)")


def test_broken_storage_is_set_aside(page: Page, sample_stack: RunningStack) -> None:
    page.add_init_script(BROKEN_STORAGE)
    page.goto(f"{sample_stack.settings.ui_url}/list")
    expect(page.locator("#akin-list-trouble")).to_contain_text("could not be read")
    assert page.evaluate("localStorage['akin.lists.broken']") == "{broken"
    page.get_by_role("button", name="What is missing?").click()
    expect(page.locator("#akin-list-asked")).to_contain_text("This list is empty")


def test_references_are_imported_after_a_look(page: Page, sample_stack: RunningStack) -> None:
    known, twin = ids(sample_stack, 2)
    page.goto(f"{sample_stack.settings.ui_url}/list")
    page.locator("#akin-list-import summary").click()
    field, found = page.locator("#akin-list-text"), page.locator("#akin-list-found")
    field.fill("@misc{broken, title={Not closed")
    page.get_by_role("button", name="Look these up").click()
    expect(found).to_contain_text("1 reference was not found")
    library = (
        f"@misc{{a, title={{A}}, eprint={{{known}}}, archiveprefix={{arXiv}}}}\n"
        "@misc{b, title={<img src=x onerror=alert(1)> of none}}\n@misc{c, title={Not closed"
    )
    file = {"name": "thesis.bib", "mimeType": "text/plain", "buffer": library.encode()}
    page.locator("#akin-list-file").set_input_files(file)
    expect(found).to_contain_text("1 paper was found")
    expect(found).to_contain_text("<img src=x onerror=alert(1)> of none")
    size(page, "This list is empty")
    found.get_by_role("button", name="Add 1 paper").click()
    size(page, "1 paper")
    field.fill(f"{known}v1\narXiv:{twin}\n")
    page.get_by_role("button", name="Look these up").click()
    found.get_by_role("button", name="Add 2 papers").click()
    expect(page.locator("#akin-said")).to_contain_text("1 paper was added. 1 was on the list already")
    size(page, "2 papers")
    page.locator("#akin-list-file").set_input_files({**file, "buffer": b"x" * (5 << 20)})
    expect(found).to_contain_text("larger than 4 MB")
