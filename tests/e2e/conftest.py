"""A real browser for the tests of the pages, which share one stack over the sample papers."""

from __future__ import annotations

import io
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from gradio_ui.katex_files import npm_package
from tests.conftest import CACHE

if TYPE_CHECKING:
    from tests.conftest import RunningStack

expect.set_options(timeout=20_000)

CHROMIUM = shutil.which(os.environ.get("CHROMIUM", "chromium"))
# No sandbox, as root has none to give; nothing that would look for hosts outside.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
VIOLATIONS = """document.addEventListener("securitypolicyviolation",
    (event) => console.error(`refused by ${event.effectiveDirective}: ${event.blockedURI} ${event.sourceFile}`))"""
AXE_VERSION = "4.14.1"
AXE_SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the first test, which builds the snapshot and the map, the time that a corpus of another size needs."""
    if os.environ.get("E2E_CORPUS"):
        for item in items:
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield a browser that ends with the module: while its event loop runs, other tests cannot start theirs."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine: install Debian's package `chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """Return axe-core's script, which is kept for later runs."""
    kept = CACHE / f"axe-{AXE_VERSION}.js"
    if not kept.exists():
        with tarfile.open(fileobj=io.BytesIO(npm_package("axe-core", AXE_VERSION, AXE_SHA512))) as archive:
            content = archive.extractfile("package/axe.min.js")
            assert content is not None
            partial = Path(f"{kept}.partial")
            partial.write_bytes(content.read())
            partial.replace(kept)
    return kept.read_text("utf-8")


@pytest.fixture(scope="session")
def map_address(sample_stack: RunningStack) -> str:
    """Build the map of the sample papers, and return the address of its page."""
    pytest.importorskip("openTSNE")
    done = sample_stack.akin("map", "build")
    assert done.returncode == 0, done.stderr
    assert re.search(r"map of [0-9,]+ papers", done.stderr)
    return f"{sample_stack.settings.ui_url}/map"


@pytest.fixture
def unchecked_page(browser: Browser) -> Iterator[Page]:
    """Yield a page that shares nothing with those of other tests, for tests that provoke refusals."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    yield page
    page.close()


@pytest.fixture
def page(unchecked_page: Page, sample_stack: RunningStack) -> Iterator[Page]:
    """Yield such a page; then check that no request went to another host, was refused, or failed.

    A violation of the Content-Security-Policy is logged to the console, here with the text of the event too.
    """
    page = unchecked_page
    requested: list[str] = []
    failures: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda message: failures.append(message.text) if message.type == "error" else None)
    page.on(
        "response", lambda answer: failures.append(f"{answer.status} {answer.url}") if answer.status > 399 else None
    )
    page.add_init_script(VIOLATIONS)
    yield page
    own = (sample_stack.settings.ui_url, sample_stack.settings.service_url, "data:", "blob:")
    assert not [url for url in requested if not url.startswith(own)]
    assert failures == []
