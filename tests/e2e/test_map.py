"""The map in a real browser, over the real stack and the sample papers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import VIOLATIONS

if TYPE_CHECKING:
    from tests.conftest import RunningStack

pytestmark = pytest.mark.e2e


@pytest.fixture
def address(map_address: str) -> str:
    return map_address


@pytest.fixture(scope="session")
def papers(sample_stack: RunningStack) -> int:
    """Return the number of papers in the corpus."""
    return int(httpx.get(f"{sample_stack.settings.service_url}/corpus").json()["papers"])


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Yield a page, then check that none of its scripts failed and nothing was refused."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000}, device_scale_factor=2)
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda message: failures.append(message.text) if "refused by" in message.text else None)
    page.add_init_script(VIOLATIONS)
    yield page
    page.close()
    assert failures == []


def opened(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("#akin-map")).to_have_attribute("data-points", re.compile("[1-9]"))


def at_the_first_result(page: Page) -> tuple[float, float]:
    """Return the place of the first result in the window."""
    box = page.locator("#akin-map").bounding_box()
    assert box
    mark = page.evaluate("JSON.parse(document.getElementById('akin-map-marks').textContent)[0]")
    side = min(box["width"], box["height"])
    across, down = ((mark[axis] - 0.5) * side for axis in ("x", "y"))
    return box["x"] + box["width"] / 2 + across, box["y"] + box["height"] / 2 + down


def test_the_map_opens_with_points_labels_and_regions(page: Page, address: str, papers: int) -> None:
    opened(page, address)
    expect(page.locator("#akin-map")).to_have_attribute("data-points", str(papers))
    expect(page.locator("h1")).to_have_text("Map of the corpus")
    # The picture is on the screen, in the pixels of the screen.
    drawn = page.evaluate(
        """() => {
            const canvas = document.querySelector("#akin-map canvas");
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            let inked = 0;
            for (let i = 3; i < pixels.length; i += 4) inked += pixels[i] > 0;
            return [canvas.width / canvas.clientWidth, inked];
        }"""
    )
    assert drawn[0] == pytest.approx(2, abs=0.01)
    assert drawn[1] > papers
    regions = page.locator(".akin-map-regions a")
    assert regions.count() > 3
    regions.first.click()
    expect(page.locator("article.akin-paper").first).to_be_visible()


def test_results_are_shown_and_a_point_opens_its_paper(page: Page, address: str, papers: int) -> None:
    opened(page, f"{address}?q=question+answering+over+knowledge+graphs")
    results = page.locator(".akin-map-results a")
    assert results.count() == 10
    place = at_the_first_result(page)
    page.mouse.move(*place)
    tip = page.locator("#akin-map-tip")
    expect(tip).not_to_be_empty()
    title = tip.inner_text()
    if papers < 1_000:  # in a larger corpus another paper may be nearer to the pointer
        assert results.first.inner_text() in title
    page.mouse.click(*place)
    page.wait_for_url(re.compile("/paper/"))
    assert title.startswith(page.locator("main h1").inner_text())


def test_the_keyboard_zooms_moves_and_opens(page: Page, address: str) -> None:
    opened(page, address)
    box = page.locator("#akin-map")
    box.focus()
    for _ in range(3):
        page.keyboard.press("+")
    expect(box).to_have_attribute("data-zoom", "2.10")
    page.keyboard.press("ArrowRight")
    page.wait_for_url(re.compile(r"#0\.5\d+,0\.5000,2\.10$"))
    expect(page.locator("#akin-map-tip")).not_to_be_empty()
    # The address restores the view.
    page.reload()
    expect(box).to_have_attribute("data-zoom", "2.10")
    box.focus()
    page.keyboard.press("0")
    expect(box).to_have_attribute("data-zoom", "0.00")
    expect(page.locator("#akin-map-tip")).not_to_be_empty()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/paper/"))


def test_colours_change_to_years_and_the_layout_stays(page: Page, address: str) -> None:
    opened(page, address)
    before = page.locator("h2").first.bounding_box()
    page.locator("#akin-map-colour").select_option("year")
    expect(page.locator("p.akin-map-legend")).to_be_visible()
    expect(page.locator("ul.akin-map-legend")).to_be_hidden()
    assert page.locator("h2").first.bounding_box() == before


def test_the_search_page_leads_to_the_map(page: Page, address: str) -> None:
    page.goto(address.removesuffix("map") + "?q=language+models")
    link = page.get_by_role("link", name="Show on the map")
    expect(link).to_be_visible()
    link.click()
    page.wait_for_url(re.compile(r"/map\?q=language\+models$"))
    expect(page.locator(".akin-map-results a").first).to_be_visible()


def test_a_phone_drags_the_map(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    opened(page, address)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.locator("#akin-map").bounding_box()
    assert box
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.locator("[data-map=in]").tap()
    expect(page.locator("#akin-map")).to_have_attribute("data-zoom", "0.70")
    page.close()
