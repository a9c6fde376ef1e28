"""Look at the built site in a browser: nothing from other hosts, diagrams, search, and the cost calculator."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from akin.stack_settings import ROOT

pytestmark = pytest.mark.long

SITE = ROOT / "dist/docs"
CHROMIUM = shutil.which("chromium")
LOADS = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|link)\b[^>]*?\b(?:src|href)=["']?(https?:)?//[^"'> ]+"""
)
"""What a page loads from another host; links to follow are none of it."""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    assert (SITE / "index.html").is_file(), "run `make docs` first"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(SITE))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as browser,
    ):
        yield browser


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Return a page of the browser; it must not ask other hosts, nor report an error."""
    context = browser.new_context()
    page = context.new_page()
    wrong: list[str] = []
    page.on(
        "request",
        lambda asked: wrong.append(asked.url) if not asked.url.startswith((address, "data:", "blob:")) else None,
    )
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    assert wrong == []


def test_no_page_loads_anything_from_another_host() -> None:
    pages = list(SITE.rglob("*.html"))
    assert len(pages) > 40
    for path in pages:
        text = path.read_text("utf-8")
        assert LOADS.findall(text) == [], path
        assert "Content-Security-Policy" in text or path.name == "404.html", path
    for path in SITE.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", path.read_text("utf-8")), path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_diagrams_are_drawn(page: Page, address: str, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"{address}/architecture/")
    page.wait_for_function("document.querySelectorAll('div.mermaid').length === 3")
    heights = page.evaluate("[...document.querySelectorAll('div.mermaid')].map((each) => each.clientHeight)")
    assert min(heights) > 50


def test_the_search_finds_a_page(page: Page, address: str) -> None:
    page.goto(address)
    page.keyboard.press("Control+k")
    page.keyboard.type("AkinIndexIsOld")
    page.wait_for_selector("text=Runbook >> visible=true")


@pytest.mark.parametrize("path", ["", "reference/http/", "cost/", "settings/", "runbook/", "architecture/"])
def test_a_phone_shows_a_page_without_scrolling_sideways(page: Page, address: str, path: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/{path}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def result(page: Page, name: str) -> str:
    return (
        page.locator("article table tr", has=page.locator(f"td:first-child code:text-is('{name}')"))
        .locator("td")
        .nth(1)
        .inner_text()
    )


def test_the_cost_calculator_follows_its_inputs(page: Page, address: str) -> None:
    page.goto(f"{address}/cost/")
    papers = page.get_by_label("papers of the corpus")
    papers.wait_for()
    assert papers.input_value() == "2,500,000"
    assert (result(page, "machines"), result(page, "memory_fits")) == ("2", "yes")
    papers.fill("25,000,000")
    # 9 + 3.6 * 25 ms of a core for a search, 25,000,000 * (384 * 1.11 + 473) bytes * 1.46, 832 and 1,000 MB
    assert result(page, "search_ms_all") == "99"
    assert result(page, "memory_gb") == "34.7"
    assert result(page, "memory_fits").startswith("no")
    papers.fill("many")
    assert papers.get_attribute("aria-invalid") == "true"
    assert {result(page, name) for name in ("machines", "month_money")} == {"–"}
    page.get_by_role("button", name="Back to the defaults").click()
    assert result(page, "machines") == "2"
    assert papers.get_attribute("aria-invalid") == "false"


def test_inputs_say_what_they_are(page: Page, address: str) -> None:
    page.goto(f"{address}/cost/")
    page.get_by_label("papers of the corpus").wait_for()
    labels = page.eval_on_selector_all(
        "article input", "fields => fields.map((each) => each.getAttribute('aria-label'))"
    )
    assert len(labels) > 20
    assert all(labels)
    assert len(set(labels)) == len(labels)
