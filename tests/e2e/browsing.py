"""Steps that people take on the page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from tests.conftest import RunningStack


def answered(page: Page) -> None:
    """Wait for the answer to the last search."""
    page.wait_for_selector("#akin-results[aria-busy=false]", state="attached")


def visit(page: Page, stack: RunningStack) -> None:
    """Open the page and wait for the size of the corpus, which it shows when its scripts have started."""
    page.goto(stack.settings.ui_url)
    expect(page.get_by_text(re.compile(r"[0-9,]+ papers")).first).to_be_visible()


def search(page: Page, text: str) -> None:
    page.locator("#akin-query textarea").fill(text)
    page.locator("#akin-search").click()
    page.wait_for_url(re.compile(r"[?&]q="))
    expect(page.locator("article.akin-paper").first).to_be_visible()
    answered(page)


def violations(page: Page, axe: str) -> list[str]:
    """Return the serious and critical violations on the page as it is."""
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(axe)
    found: Any = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    assert len(found["passes"]) > 10
    return [
        f"{one['id']}: {one['help']}: {node['html'][:200]} {' '.join(node['target'][:1])}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
