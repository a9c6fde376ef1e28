"""Records of strangers, from their file through a snapshot and the service to everything that shows or writes them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

import bibtexparser
import feedparser
import pytest
import rispy
from starlette.testclient import TestClient

from akin.cli import search as search_command
from gradio_ui.app import SearchPage
from tests.integration.hostile_records import IDS, MARK, TEXTS, UNPRINTABLE_IDS, Hostile
from tests.integration.page import page_browser, page_client
from tests.integration.service import client_of

FIELDS = {
    "title", "author", "year", "month", "eprint", "archiveprefix", "primaryclass", "doi", "url", "journal", "volume",
    "number", "pages", "note", "publisher",
}  # fmt: skip
"""Fields of our BibTeX."""
OWN = {"sec-fetch-site": "same-origin"}
# What a terminal obeys, and what turns the direction of a line.
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
RUNS = {
    "script",
    "iframe",
    "object",
    "embed",
    "base",
    "style",
    "link",
    "meta",
    "img",
    "form",
    "math",
    "applet",
    "frame",
}
"""Elements that load or run something. A page has its own ones, and no paper may add one."""


@pytest.fixture(scope="module")
def client(hostile: Hostile) -> Iterator[TestClient]:
    with client_of(hostile.data, hostile.encoder, search_threads=2, allowed_hosts="testserver") as client:
        yield client


class Elements(HTMLParser):
    """Elements with their attributes, and the text that is shown."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_harmless(html: str, own: dict[str, int] | None = None) -> Elements:
    """Check that no element or attribute runs or loads anything, but the page's `own` elements, counted by name."""
    page = Elements(html)
    counts = {name: sum(tag == name for tag, _ in page.found) for name in RUNS}
    assert {name: count for name, count in counts.items() if count} == (own or {})
    for tag, attributes in page.found:
        assert [name for name in attributes if name.startswith("on") or name == "srcdoc"] == [], tag
        for name in ("href", "src", "action", "formaction", "xlink:href", "data"):
            address = urlsplit((attributes.get(name) or "").strip())
            assert address.scheme in {"", "http", "https", "data"}, (tag, attributes)
            assert address.scheme != "data" or attributes.get("rel") == "icon"
            assert address.netloc in {"", "arxiv.org", "doi.org", "localhost"}, (tag, attributes)
        assert "evil" not in (attributes.get("style") or "")
    return page


def own_elements(html: str) -> dict[str, int]:
    page = Elements(html)
    counts = {name: sum(tag == name for tag, _ in page.found) for name in RUNS}
    return {name: count for name, count in counts.items() if count}


def test_every_record_is_read_but_those_whose_id_cannot_be_shown(hostile: Hostile) -> None:
    assert len(hostile.papers) == len(TEXTS) + len(IDS)
    assert hostile.rejected == {"unprintable_id": len(UNPRINTABLE_IDS)}
    for paper in hostile.papers:
        names = [part for author in paper.authors for part in (author.family, author.given)]
        one_line = (paper.id, paper.title, paper.doi, paper.journal_ref, paper.comments, *names, *paper.categories)
        assert [text for text in one_line if text and (UNSAFE.search(text) or "\n" in text)] == []
        assert not UNSAFE.search(paper.abstract)
        assert MARK in paper.title


@pytest.mark.parametrize("mode", ["hybrid", "lexical"])
async def test_results_show_the_text_and_run_nothing(hostile: Hostile, mode: str) -> None:
    shown = ""
    async with page_client(hostile.data, hostile.encoder) as service:
        page = SearchPage(service)
        for offset in range(0, len(hostile.papers), 20):
            view = await page.restore(f"?q={MARK}&mode={mode}&k=20&offset={offset}")
            for html in view[:1] + view[2:4]:
                shown += assert_harmless(html).text
    for paper in hostile.papers:
        words = re.findall(r"\w{4,12}", paper.title)
        assert words[0] == MARK
        assert words[-1] in shown
    assert "<script>pwned('script')</script>" in shown
    assert "pwned('entities')" in shown


async def test_a_hostile_query_comes_back_as_text(hostile: Hostile) -> None:
    checked = 0
    async with page_client(hostile.data, hostile.encoder) as service:
        page = SearchPage(service)
        for text in TEXTS.values():
            written = text[:300].encode("utf-8", "replace").decode()
            for address in (f"?q={quote(written)}", f"?like={quote(written)}", f"?q=x&categories={quote(written)}"):
                view = await page.restore(address)
                for html in view[:1] + view[2:4]:
                    if isinstance(html, str):  # else it stays as it is on the page
                        assert_harmless(html)
                        checked += 1
    assert checked > 3 * len(TEXTS)


async def test_every_page_of_a_paper_shows_the_text_and_runs_nothing(hostile: Hostile) -> None:
    async with page_browser(hostile.data, hostile.encoder) as browser:
        plain = own_elements((await browser.get("/paper/9912.00001")).text)
        usual = own_elements((await browser.get("/paper/2401.00031")).text)
        assert usual["script"] == plain["script"] + 1
        for paper in hostile.papers:
            answer = await browser.get(f"/paper/{quote(paper.id, safe='')}", follow_redirects=False)
            if paper.id.endswith("/similar"):
                assert answer.status_code == 404
                continue
            assert answer.status_code == 200, paper.id
            shown = assert_harmless(answer.text, usual)
            assert MARK in shown.text
            assert "default-src" in answer.headers["content-security-policy"]
            assert any(part.strip() == "script-src 'self'" for policy in
                       answer.headers.get_list("content-security-policy") for part in policy.split(";"))  # fmt: skip


async def test_the_map_and_its_scripts_data_hold_the_text(hostile: Hostile) -> None:
    async with page_browser(hostile.data, hostile.encoder) as browser:
        bare = await browser.get("/map")
        found = await browser.get("/map", params={"q": MARK})
    own = own_elements(bare.text)
    assert_harmless(bare.text, own)
    assert_harmless(found.text, {**own, "script": own["script"] + 1})  # the places of the results
    # Data for scripts lies in elements that no text can end.
    for page in (bare.text, found.text):
        for data in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL):
            json.loads(data)
            assert "<" not in data


async def test_answers_for_the_pages_scripts_are_json_that_no_browser_takes_for_a_page(hostile: Hostile) -> None:
    ids = [paper.id for paper in hostile.papers]
    async with page_browser(hostile.data, hostile.encoder) as browser:
        answers = [
            await browser.post("/list/papers", json={"ids": ids}, headers=OWN),
            await browser.post("/list/like", json={"ids": ids[:20]}, headers=OWN),
            await browser.post("/list/missing", json={"ids": ids[:5]}, headers=OWN),
            await browser.post("/list/resolve", json={"text": "\n".join(TEXTS.values())}, headers=OWN),
        ]
        forms = [await browser.get(f"/export/{form}", params={"q": MARK}) for form in ("bibtex", "csv", "jsonl")]
    assert [answer.status_code for answer in (*answers, *forms)] == [200] * 7
    for answer in answers:
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()
    for answer in forms:
        assert answer.headers["content-disposition"].startswith("attachment")
        assert not answer.headers["content-type"].startswith(("text/html", "image/svg"))
    for answer in (*answers, *forms):
        assert answer.headers["x-content-type-options"] == "nosniff"


# --- what is written for other programs ---


def exported(client: TestClient, form: str, ids: list[str]) -> str:
    answer = client.post("/export", json={"ids": ids, "format": form})
    assert answer.status_code == 200, answer.text
    return answer.content.decode("utf-8-sig")


def test_no_cell_of_a_table_is_a_formula_or_breaks_its_row(client: TestClient, hostile: Hostile) -> None:
    text = exported(client, "csv", [paper.id for paper in hostile.papers])
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == len(hostile.papers)
    assert text.count("\r\n") == len(rows) + 1
    for row in rows:
        assert None not in row
        for name, cell in row.items():
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")), (name, cell)
            assert not UNSAFE.search(cell)
    assert "'=1+1" in {row["id"] for row in rows}


def test_no_field_of_a_citation_begins_another_entry(client: TestClient, hostile: Hostile) -> None:
    ids = [paper.id for paper in hostile.papers]
    bibtex, ris, csl = (exported(client, form, ids) for form in ("bibtex", "ris", "csl-json"))
    library = bibtexparser.parse_string(bibtex)
    assert library.failed_blocks == []
    assert len(library.entries) == len(ids) == len({entry.key for entry in library.entries})
    assert bibtex.count("\n@") + 1 == len(ids)
    for entry in library.entries:
        assert re.fullmatch(r"[^\s{}\\,%#~$&^_\"'()=]+|[\w:./+-]+", entry.key), entry.key
        assert {field.key.lower() for field in entry.fields} <= FIELDS
        assert not UNSAFE.search("".join(str(field.value) for field in entry.fields))
        url = entry.fields_dict.get("url")
        assert url is None or re.match(r"https://(arxiv\.org|doi\.org)/", str(url.value))
    entries = rispy.loads(ris)
    assert len(entries) == len(ids)
    assert [line for line in ris.splitlines() if line and not re.match(r"[A-Z][A-Z0-9]  - ", line)] == []
    items = json.loads(csl)
    assert len(items) == len(ids) == len({item["id"] for item in items})
    assert all(str(item.get("URL", "https://arxiv.org/")).startswith("https://") for item in items)


def test_latex_commands_of_a_title_do_not_reach_latex(client: TestClient) -> None:
    [number] = [number for number, name in enumerate(TEXTS) if name == "latex-input"]
    bibtex = exported(client, "bibtex", [f"2401.{number:05d}"])
    assert not re.search(r"\\(input|write18?|immediate|csname)(?![A-Za-z])", bibtex)
    assert "passwd" in bibtex


def test_a_feed_holds_the_text_as_text(client: TestClient, hostile: Hostile) -> None:
    answer = client.get("/feed", params={"query": MARK, "k": 100, "mode": "lexical"})
    assert answer.headers["content-type"].startswith("application/atom+xml")
    assert "<!DOCTYPE" not in answer.text
    root = ElementTree.fromstring(answer.content)
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names <= {"feed", "title", "subtitle", "id", "updated", "published", "link", "generator", "entry", "author",
                     "name", "summary", "category", "content", "rights", "doi", "journal_ref", "comment"}  # fmt: skip
    for element in root.iter():
        assert element.get("type") not in {"html", "xhtml"}
        assert urlsplit(element.get("href") or "").scheme in {"", "http", "https"}
    read = feedparser.parse(answer.content)
    assert not read.bozo
    assert len(read.entries) > 40
    titles = " ".join(entry.title for entry in read.entries)
    assert unescape(titles).count(MARK) >= len(read.entries)


def test_json_of_the_service_is_no_page_for_any_browser(client: TestClient, hostile: Hostile) -> None:
    for path in (
        "/search?q=Marked&k=100",
        f"/papers/{quote(IDS[0], safe='')}",
        "/corpus",
        "/map",
        "/search?q=<script>&k=x",
    ):
        answer = client.get(path)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        answer.json()


def test_ids_stay_within_their_part_of_an_address(client: TestClient, hostile: Hostile) -> None:
    for name in IDS:
        if "%" in name:
            continue  # the test's client decodes twice; the test of the page's client has these
        answer = client.get(f"/papers/{quote(name, safe='')}")
        if name.endswith("/similar"):
            assert answer.status_code == 404
            continue
        assert answer.status_code == 200, name
        assert answer.json()["id"] == name
    ids = [paper.id for paper in hostile.papers if "%" not in paper.id and not paper.id.endswith("/similar")]
    links = [link for name in ids for link in client.get(f"/papers/{quote(name, safe='')}").json()["links"].values()]
    assert len(links) > len(TEXTS)
    assert [
        link for link in links if not re.fullmatch(r"https://(arxiv\.org|doi\.org)/[\w/:().;%~-]+", link, re.A)
    ] == []


def test_a_terminal_obeys_no_text(client: TestClient, hostile: Hostile, capsys: pytest.CaptureFixture[str]) -> None:
    for offset in range(0, len(hostile.papers), 50):
        asked = {"query": MARK, "k": 50, "offset": offset, "mode": "lexical", "highlight": True, "facets": True}
        search_command.show(client.post("/search", json=asked).json())
    printed = capsys.readouterr()
    for line in (printed.out + printed.err).split("\n"):
        assert not UNSAFE.search(line.replace("\t", " ")), line
    assert printed.out.count(MARK) >= len(TEXTS)
    assert "[bold red]x[/]" in printed.out


def test_tools_of_assistants_return_the_text_as_data(client: TestClient, hostile: Hostile) -> None:
    def call(tool: str, **arguments: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
        headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
        return client.post("/mcp", json=body, headers=headers).json()["result"]

    found = call("search_papers", query=MARK, k=20)
    assert not found["isError"]
    assert len(found["structuredContent"]["results"]) > 5
    for paper in hostile.papers[:20]:
        whole = call("get_paper", id=paper.id)
        assert whole["structuredContent"]["id"] == paper.id
        for part in (*found["content"], *whole["content"]):
            assert part["type"] == "text"
            assert not UNSAFE.search(part["text"].replace("\r", ""))
