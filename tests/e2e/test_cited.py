"""The page in a real browser where the corpus has references, and where the service keeps what readers say."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from akin.feedback.store import FeedbackStore
from akin.stack.processes import free_ports
from tests.conftest import akin
from tests.e2e.browsing import answered, violations
from tests.integration.service import start_service
from tests.servers import await_answer, started_page

if TYPE_CHECKING:
    from tests.conftest import RunningStack

pytestmark = pytest.mark.e2e


@dataclass
class Cited:
    """A page and a service over a corpus with references.

    Attributes:
        url: The page's address.
        data: The service's data folder.
        found: Ids of the results of "language models" by words, best first.
        other: The id of a paper that the first two of them cite, and that is not among the best.
    """

    url: str
    data: Path
    found: list[str]
    other: str


@pytest.fixture(scope="module")
def cited(sample_stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cited]:
    """Serve the sample with references between some papers, by words alone."""
    data = tmp_path_factory.mktemp("cited")
    shutil.copytree(sample_stack.settings.data / "snapshots", data / "snapshots", copy_function=os.link)
    told = sample_stack.akin("search", "language models", "--mode", "lexical", "-k", "60", "--json").stdout
    found = [paper["id"] for paper in json.loads(told)["results"]]
    pairs = data / "pairs.csv"
    cited = [(found[0], found[-1]), (found[1], found[-1]), *((each, found[1]) for each in found[2:10])]
    pairs.write_text("citing,cited\n" + "".join(f"{one},{other}\n" for one, other in cited))
    done = akin("references", "import", str(pairs), environment={**sample_stack.environment, "AKIN_DATA": str(data)})
    assert done.returncode == 0, done.stderr
    service, page = free_ports(2)
    address, url = f"http://127.0.0.1:{service}", f"http://127.0.0.1:{page}"
    with start_service(data, service, AKIN_FEEDBACK="on") as serving, started_page(page, address) as paging:
        try:
            await_answer(f"{address}/corpus", serving)
            await_answer(f"{url}/list", paging)
            yield Cited(url, data, found[:10], found[-1])
        finally:
            serving.terminate()


def test_linked_papers_are_shown_and_citations_count(unchecked_page: Page, cited: Cited, axe: str) -> None:
    page = unchecked_page
    page.goto(f"{cited.url}/?q=language+models&mode=lexical")
    expect(page.locator("article.akin-paper").first).to_be_visible()
    order = page.locator(".akin-toolbar")
    order.get_by_role("link", name="Linked papers").click()
    page.wait_for_url(re.compile("chase=1"))
    linked = page.locator(".akin-chased article")
    expect(linked).to_have_count(1)
    assert linked.get_attribute("data-id") == cited.other
    expect(linked).to_contain_text("cited by 2 of the best results: “")
    linked.get_by_role("button", name="Add to list").click()
    expect(linked.get_by_role("button", name="In list")).to_be_visible()
    answered(page)
    assert violations(page, axe) == []
    order.get_by_role("link", name="Citations count").click()
    page.wait_for_url(re.compile("boosted=1&chase=1"))
    answered(page)
    expect(page.locator(".akin-line")).to_contain_text("citations count")
    shown = page.locator("article.akin-paper[data-id]").evaluate_all("(all) => all.map((one) => one.dataset.id)")
    assert shown.index(cited.found[1]) < cited.found.index(cited.found[1])  # cited often, and before not the first
    page.goto(f"{cited.url}/?q=language+models&mode=lexical&chase=1&lang=de")
    expect(page.locator(".akin-chased")).to_contain_text("zitiert von 2 der besten Treffer")


def test_a_mark_on_a_result_arrives_in_the_store(unchecked_page: Page, cited: Cited) -> None:
    page = unchecked_page
    store = FeedbackStore(cited.data / "feedback", days=180, most_bytes=1_000_000)
    page.goto(f"{cited.url}/?q=language+models&mode=lexical")
    second = page.locator("article.akin-paper").nth(1)
    second.get_by_role("button", name="Not useful").click()
    expect(page.locator("#akin-stored .akin-said")).to_have_text("Stored.")
    expect(second.get_by_role("button", name="Not useful")).to_have_attribute("aria-pressed", "true")
    (marked,) = store.read()
    (mark,) = marked.marks
    assert (marked.search.words, mark.paper, mark.rank, mark.useful) == ("language models", cited.found[1], 2, False)
    second.get_by_role("button", name="Not useful").click()
    expect(page.locator("#akin-stored .akin-said")).to_have_text("Taken back.")
    assert [each for each in store.read() if each.marks] == []
