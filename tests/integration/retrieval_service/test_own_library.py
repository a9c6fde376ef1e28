"""One's own library from its file to the page: built, searched, cited, opened, exported, and asked by an assistant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import bibtexparser
import httpx
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from akin.papers import Paper, read_papers
from gradio_ui.client import SearchService
from gradio_ui.gate import Gate
from gradio_ui.pages.routes import ROUTES
from gradio_ui.pages.site import Site
from gradio_ui.sessions import Sessions
from gradio_ui.settings import Settings
from tests.integration.generated import HashEncoder, build
from tests.integration.service import client_of

LIBRARY = r"""
@book{the:book+1, title={The {\TeX}book of kites}, author={van der Berg, Jane}, publisher={Kite \& Sons}, year={1984}}
@article{lind99, title={Wind and string}, author={Lind, Ann}, journal={J. Kites}, volume={3}, pages={1--9},
  year={1999}, doi={10.5555/Wind.9}, abstract={Strings of silk sing in the wind.}}
@misc{lanterns, title={Paper lanterns}, author={Zed, Alice}, eprint={2401.09032}, archivePrefix={arXiv}, year={2024}}
@phdthesis{zed02, title={Kites over dunes}, author={Zed, Alice}, school={Dune College}, year={2002}}
"""
KEY, DOI, ARXIV, THESIS = "the:book+1", "10.5555/wind.9", "2401.09032", "zed02"


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> list[Paper]:
    path = tmp_path_factory.mktemp("library") / "library.bib"
    path.write_text(LIBRARY)
    with read_papers(path) as found:
        return list(found)


@pytest.fixture(scope="module")
def client(papers: list[Paper], tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    data, encoder = tmp_path_factory.mktemp("data"), HashEncoder()
    build(papers, encoder, data)
    with client_of(data, encoder, search_threads=2, allowed_hosts="testserver") as client:
        yield client


def entry_of(text: str) -> Any:
    library = bibtexparser.parse_string(text)
    assert not library.failed_blocks
    [entry] = library.entries
    return entry


@pytest.mark.parametrize(
    ("query", "first"),
    [("silk strings in the wind", DOI), ("TeXbook kites", KEY), ("paper lanterns", ARXIV), ('au:"Zed" dunes', THESIS)],
)
def test_entries_are_found_by_their_words(client: TestClient, query: str, first: str) -> None:
    results = client.post("/search", json={"query": query}).json()["results"]
    assert results[0]["id"] == first


@pytest.mark.parametrize(
    ("paper", "kind", "key", "fields"),
    [
        (KEY, "book", KEY, {"publisher": r"Kite \& Sons", "year": "1984"}),
        (DOI, "article", "lind99", {"journal": "J. Kites", "volume": "3", "pages": "1--9"}),
        (THESIS, "phdthesis", THESIS, {"school": "Dune College"}),
    ],
)
def test_entries_are_cited_as_they_are_in_the_library(
    client: TestClient, paper: str, kind: str, key: str, fields: dict[str, str]
) -> None:
    text = client.get(f"/papers/{quote(paper)}/citation").text
    entry = entry_of(text)
    assert (entry.entry_type, entry.key) == (kind, key)
    assert {name: entry[name] for name in fields} == fields
    assert client.post("/citations", json={"ids": [paper]}).text == text


def test_an_export_is_the_same_library_again(client: TestClient, papers: list[Paper], tmp_path: Path) -> None:
    path = tmp_path / "papers.jsonl"
    ids = [paper.id for paper in papers]
    assert sorted(ids) == sorted([KEY, DOI, ARXIV, THESIS])
    path.write_bytes(client.post("/export", json={"ids": ids, "format": "jsonl"}).content)
    with read_papers(path) as again:
        assert list(again) == papers


@pytest.mark.parametrize(("paper", "title"), [(KEY, "The TeXbook of kites"), (DOI, "Wind and string")])
async def test_the_page_of_an_entry_is_opened_by_its_id(client: TestClient, paper: str, title: str) -> None:
    def ask(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        answer = client.request(request.method, f"http://testserver{path}", content=request.content,
                                headers={"content-type": "application/json"})  # fmt: skip
        return httpx.Response(answer.status_code, content=answer.content, headers={"content-type": "application/json"})

    service = SearchService(Settings(service_url="http://testserver"), httpx.MockTransport(ask))
    site = Site(service, ROUTES, "")
    app = Gate(Starlette(routes=site.routes()), Sessions(None), {}, site)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page") as page:
        answer = await page.get(f"/paper/{quote(paper, safe='')}")
        other = await page.get("/paper/no-such-key")
    assert answer.status_code == 200
    assert title in re.sub(r"<[^>]+>", "", answer.text)
    assert "arxiv.org" not in answer.text
    assert other.status_code == 404


def call(client: TestClient, tool: str, **arguments: Any) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    result = client.post("/mcp", json=body, headers=headers).json()["result"]
    assert not result["isError"], result
    return result["structuredContent"]


@pytest.mark.parametrize("paper", [KEY, DOI, ARXIV, THESIS])
def test_the_tools_of_assistants_take_the_ids_of_a_library(client: TestClient, papers: list[Paper], paper: str) -> None:
    known = next(each for each in papers if each.id == paper)
    found = call(client, "get_paper", id=paper)
    assert (found["id"], found["doi"], found["abstract"]) == (paper, known.doi, known.abstract)
    others = {KEY, DOI, ARXIV, THESIS} - {paper}
    assert {each["id"] for each in call(client, "similar_papers", id=paper)["results"]} == others
    assert {each["id"] for each in call(client, "papers_like_list", like=[paper])["results"]} == others
    assert paper in {each["id"] for each in call(client, "search_papers", query=known.title)["results"]}
    cited = entry_of(call(client, "export_citations", ids=[paper])["citations"])
    assert known.publication
    assert cited.key == known.publication.key
