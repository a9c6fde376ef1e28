"""Measure the page in Chromium: time of a search until its results are painted, layout shifts, and weight.

The queries are titles of the papers, which a stack of its own serves. The weight is what a browser with an empty cache
receives, by response; files of Gradio, and the answers with results, count apart.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from akin.cli.index import build_index
from akin.cli.output import say
from akin.papers import read_papers
from akin.stack_settings import Settings
from benchmarks.report import Row, percentile_rows, write_and_print
from benchmarks.stack import await_snapshot, private_stack

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_WARM = 5
_OF_GRADIO = ("/assets/", "/static/", "/theme.css", "/manifest.json", "/favicon.ico")
_ANSWERS = "/gradio_api/"
_FONTS = "/katex/fonts/"
_COMMON_FONTS = ("KaTeX_Main-Regular", "KaTeX_Math-Italic")  # every formula needs them; others only a few signs
_FORMULA = "CO$_2$ and $\\alpha$"
# Results are painted when the second frame after their last change begins.
_SEARCH = """(query) => new Promise((done) => {
    const box = document.querySelector("#akin-query textarea");
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(box, query);
    box.dispatchEvent(new Event("input", { bubbles: true }));
    const results = document.querySelector("#akin-results");
    setTimeout(() => {
        const shiftsBefore = window.shifts.length;
        new MutationObserver((_, observer) => {
            if (results.getAttribute("aria-busy") !== "false") return;
            observer.disconnect();
            requestAnimationFrame(() => requestAnimationFrame(() => {
                performance.mark("painted");
                const { duration } = performance.measure("search", "submitted", "painted");
                const shift = window.shifts.slice(shiftsBefore).reduce((sum, one) => sum + one, 0);
                done({ seconds: duration / 1000, shift, cards: results.querySelectorAll("article").length });
            }));
        }).observe(results, { attributes: true });
        performance.mark("submitted");
        document.querySelector("#akin-search").click();
    }, 50);
})"""
_SHIFTS = """window.shifts = [];
new PerformanceObserver((list) => list.getEntries().forEach((one) => window.shifts.push(one.value)))
    .observe({ type: "layout-shift", buffered: true });"""


def main() -> None:
    """Measure, print the table and write it to `data/benchmarks/`."""
    parser = argparse.ArgumentParser(prog="make bench NAME=browser", description=__doc__)
    parser.add_argument("papers", help="a file of papers, which are indexed and whose titles are the queries")
    parser.add_argument("--queries", type=int, default=200, help="searches (default: %(default)s)")
    parser.add_argument("--running", action="store_true", help="measure the running stack instead, as it is")
    options = parser.parse_args()
    with read_papers(Path(options.papers)) as papers:
        titles = [paper.title for paper in islice(papers, options.queries + _WARM)]
    with _stack(options.papers, running=options.running) as settings, _chromium() as browser:
        rows = [*weigh(browser, settings.ui_url), *measure(browser, settings.ui_url, titles)]
    write_and_print("browser", rows, Settings.read().data / "benchmarks", say)


@contextmanager
def _stack(papers: str, *, running: bool) -> Iterator[Settings]:
    if running:
        yield Settings.read()
        return
    with private_stack("browser") as settings:
        await_snapshot(settings, build_index(settings, papers).id)
        yield settings


@contextmanager
def _chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    if path is None:
        raise SystemExit("there is no Chromium on this machine: install Debian's package `chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def measure(browser: Browser, url: str, queries: Sequence[str]) -> list[Row]:
    """Return the times of searches, and the layout shifts of loading and of a search.

    Raises:
        SystemExit: A search has no results.
    """
    page = _opened(browser, url)
    load = float(page.evaluate("window.shifts.reduce((sum, one) => sum + one, 0)"))
    seconds, shifts = [], []
    for number, query in enumerate(queries):
        found = page.evaluate(_SEARCH, query)
        if not found["cards"]:
            raise SystemExit(f"the page shows no result for {query!r}")
        if number >= _WARM:
            seconds.append(found["seconds"])
            shifts.append(found["shift"])
    page.close()
    return [
        *percentile_rows("page", "search until painted", [seconds], 50, 95),
        Row("page", "load", "layout shift", load),
        Row("page", "search until painted", "greatest layout shift", max(shifts)),
    ]


def weigh(browser: Browser, url: str) -> list[Row]:
    """Return the bytes that a browser with an empty cache receives for the page and a first search with formulas."""
    page = browser.new_page()
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    addresses: dict[str, str] = {}
    sizes: dict[str, float] = {}

    def received(event: dict[str, Any]) -> None:
        addresses[event["requestId"]] = event["response"]["url"]

    def finished(event: dict[str, Any]) -> None:
        path = urlsplit(addresses.get(event["requestId"], "")).path
        sizes[path] = sizes.get(path, 0) + event["encodedDataLength"]

    network.on("Network.responseReceived", received)
    network.on("Network.loadingFinished", finished)
    _open(page, url)
    page.evaluate(_SEARCH, _FORMULA)
    page.wait_for_load_state("networkidle")
    page.close()
    own = {path: size for path, size in sizes.items() if not path.startswith(_OF_GRADIO)}
    for path, size in sorted(own.items(), key=lambda item: -item[1]):
        say(f"{size / 1000:8.1f} kB  {path}")
    answers = sum(size for path, size in own.items() if path.startswith(_ANSWERS))
    rare = sum(size for path, size in own.items() if path.startswith(_FONTS) and not _is_common(path))
    figures = {
        "own weight": sum(own.values()) - answers - rare,
        "answers to the load and a search": answers,
        "fonts for rare signs in the results": rare,
        "files of Gradio": sum(sizes.values()) - sum(own.values()),
    }
    return [Row("page", "load and first search", name, size / 1000, "kB") for name, size in figures.items()]


def _is_common(path: str) -> bool:
    return path.removeprefix(_FONTS).startswith(_COMMON_FONTS)


def _opened(browser: Browser, url: str) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    _open(page, url)
    return page


def _open(page: Page, url: str) -> None:
    page.add_init_script(_SHIFTS)
    page.goto(url)
    # Shown when the page's scripts have started.
    page.locator("#akin-corpus").get_by_text(" papers").first.wait_for()
