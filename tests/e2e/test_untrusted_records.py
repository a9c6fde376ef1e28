"""Hostile records in a real browser: nothing of them runs, loads or covers the page."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import VIOLATIONS
from tests.integration.hostile_records import FOREIGN, IDS, MARK, TEXTS, Hostile
from tests.integration.serving import page_and_service

pytestmark = pytest.mark.e2e

WATCH = "window.ran = []; window.pwned = (what) => window.ran.push(String(what)); window.alert = window.pwned;"

FOREIGN_ADDRESSES = """[...document.querySelectorAll("[href], [src], [action]")]
    .map((one) => new URL(one.href?.baseVal ?? one.href ?? one.src ?? one.action, document.baseURI))
    .filter((one) => !["http:", "https:", "data:"].includes(one.protocol)
        || ![location.host, "arxiv.org", "doi.org", ""].includes(one.host))
    .map(String)"""
TOO_WIDE = """[...document.querySelectorAll("main *")]
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && one.checkVisibility()
        && !one.closest("svg, pre, .akin-hidden"))
    .map((one) => one.outerHTML.slice(0, 200)).slice(0, 3)"""
COVERING = """[...document.querySelectorAll("article *")]
    .filter((one) => ["fixed", "sticky"].includes(getComputedStyle(one).position))
    .map((one) => one.outerHTML.slice(0, 99))"""


@pytest.fixture(scope="module")
def address(hostile: Hostile) -> Iterator[str]:
    with page_and_service(hostile.data, hostile.encoder) as (page, _):
        yield page


class Watched:
    """A page of the browser, with what went wrong on it."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.dialogs: list[str] = []
        self.requested: list[str] = []
        self.refused: list[str] = []
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: self.requested.append(request.url))
        page.on("popup", lambda popup: self.dialogs.append(popup.url))
        page.on("console", lambda said: self.refused.append(said.text) if "refused by" in said.text else None)
        page.add_init_script(WATCH)
        page.add_init_script(VIOLATIONS)

    def check(self) -> None:
        """Check that nothing ran or was loaded, no policy had to stop anything, and that the page fits its window."""
        self.page.wait_for_timeout(20)
        assert self.page.evaluate("window.ran") == []
        assert self.dialogs == []
        assert self.refused == []
        assert [url for url in self.requested if not url.startswith((self.address, "data:", "blob:"))] == []
        assert self.page.url.startswith(self.address)
        over = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, (self.page.url, self.page.evaluate(TOO_WIDE))
        assert (
            self.page.evaluate("document.querySelectorAll('iframe, object, embed, article base, article img').length")
            == 0
        )
        assert self.page.evaluate(FOREIGN_ADDRESSES) == []
        assert self.page.evaluate(COVERING) == []


@pytest.fixture(params=[1280, 320])
def watched(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Watched]:
    page = browser.new_page(viewport={"width": request.param, "height": 900})
    yield Watched(page, address)
    page.close()


def test_results_stay_text(watched: Watched, hostile: Hostile) -> None:
    page = watched.page
    for offset in (0, 50):
        page.goto(f"{watched.address}/?q={MARK}&mode=lexical&k=50&offset={offset}&lang=en")
        expect(page.locator("article.akin-paper").first).to_be_visible()
        for button in page.locator("article details > summary").all()[:3]:
            button.click()
        page.wait_for_function("!document.querySelector('.akin-tex')")
        watched.check()
        # Formulas are cut at their boxes, and a paper takes no more room than a long text does.
        heights = page.evaluate("[...document.querySelectorAll('.akin-formula')].map((one) => one.offsetHeight)")
        assert 0 < max(heights) < 600
        tall = page.evaluate("Math.max(...[...document.querySelectorAll('article')].map((one) => one.offsetHeight))")
        assert tall < 9000
        assert page.locator("#akin-query textarea").is_visible()
    page.locator("#akin-query textarea").fill("<img src=x onerror=pwned(1)>\"'><script>pwned(2)</script>")
    page.locator("#akin-search").click()
    page.wait_for_url(lambda url: "onerror" in url)
    page.wait_for_selector("#akin-results[aria-busy=false]", state="attached")
    watched.check()


def test_pages_of_papers_stay_text(watched: Watched, hostile: Hostile) -> None:
    page = watched.page
    assert page.viewport_size
    # All texts are among the results; here stands a third of them, another one at each width.
    texts = [f"2401.{number:05d}" for number in range(page.viewport_size["width"] % 3, len(TEXTS), 3)]
    for name in (*texts, *IDS):
        if name.endswith("/similar"):
            continue  # an address of the page
        answer = page.goto(f"{watched.address}/paper/{quote(name, safe='')}")
        assert answer is not None
        assert answer.status == 200, name
        expect(page.locator("h1").first).to_contain_text(MARK)
        page.wait_for_function("!document.querySelector('.akin-tex')")
        watched.check()


def test_lists_and_the_map_stay_text(watched: Watched, hostile: Hostile) -> None:
    page = watched.page
    ids = ",".join(quote(paper.id, safe="") for paper in hostile.papers if "," not in paper.id)
    page.goto(f"{watched.address}/list#name={quote('<img src=x onerror=pwned(3)>')}&ids={ids}")
    expect(page.get_by_text(MARK).first).to_be_visible()
    watched.check()
    page.goto(f"{watched.address}/map?q={MARK}")
    expect(page.locator("#akin-map")).to_have_attribute("data-points", str(len(hostile.papers)))
    page.locator("#akin-map").hover(position={"x": 100, "y": 100})
    page.keyboard.press("Tab")
    watched.check()


def test_the_watch_sees_what_it_looks_for(browser: Browser, address: str) -> None:
    page = browser.new_page()
    watched = Watched(page, address)
    page.goto(f"{address}/paper/2401.00000")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=pwned(1)>')")
    page.evaluate(f"document.body.insertAdjacentHTML('beforeend', '<img src={FOREIGN}/x.png>')")
    page.wait_for_timeout(300)
    # The page's second policy, of plain pages, stops what the escaping did not.
    assert page.evaluate("window.ran") == []
    with pytest.raises(AssertionError):
        watched.check()
    assert any("script-src" in line for line in watched.refused)
    assert any("img-src" in line for line in watched.refused)
    page.close()
