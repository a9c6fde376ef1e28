"""Page of the reading lists: what it asks the service, and what it answers its script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from gradio_ui import pages
from gradio_ui.client import SearchService
from gradio_ui.gate import Gate
from gradio_ui.pages.routes import ROUTES
from gradio_ui.pages.site import Site
from gradio_ui.sessions import Sessions
from gradio_ui.settings import Settings
from gradio_ui.words import LANGUAGES, words

PAPER = {
    "id": "2401.1", "title": "A <b>", "authors": ["Ada", "Bo", "Cy"], "author_count": 7, "date": "2024-01-02",
    "categories": ["cs.LG"], "arxiv_id": "2401.1", "withdrawn": True, "abstract": "Not sent.",
    "links": {"abs": "https://arxiv.org/abs/2401.1", "pdf": "javascript:alert(1)"},
}  # fmt: skip
WHOLE = {"published": "2024-01-02", "updated": None, "versions": None}
NEAR = [{"id": "x", "title": "X", "similarity": 0.9}]


@pytest.fixture
def asked() -> list[tuple[str, Any]]:
    return []


@pytest.fixture
def client(asked: list[tuple[str, Any]]) -> Iterator[TestClient]:
    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        asked.append((path, json.loads(request.content) if request.content else str(request.url.query, "ascii")))
        if path == "/papers":
            return httpx.Response(200, json={"papers": [{**PAPER, **WHOLE, "named": ["2401.1v2"]}], "unknown": ["<x>"]})
        if path == "/lists/missing":
            found = {"results": [{**PAPER, "topic": 0, "near": NEAR}], "topics": [{"papers": 2, "near": NEAR}]}
            return httpx.Response(200, json=found)
        if path == "/references/resolve" and asked[-1][1]["text"] in ("?!", "many"):
            detail = {"parameter": "text"} | ({"limit": 2000} if asked[-1][1]["text"] == "many" else {})
            error = {"code": "invalid_parameter", "message": "The text is odd.", "detail": detail}
            return httpx.Response(400, json={"error": error})
        if path == "/references/resolve":
            lost = {"reference": "Nothing", "line": 3, "problem": "it has no title"}
            return httpx.Response(200, json={"references": [{"reference": "X", "paper": NEAR[0]}, lost], "found": 1})
        if path == "/export":
            return httpx.Response(200, text="TY  - JOUR", headers={"content-type": "application/x-ris; charset=utf-8"})
        if asked[-1][1].get("query") == "refused":
            return httpx.Response(400, json={"error": {"code": "blank_query", "message": "The query is blank."}})
        return httpx.Response(200, json={"results": [PAPER], "k": 20, "notes": ["A note."], "degraded": "Slow."})

    site = Site(SearchService(Settings(), httpx.MockTransport(answer)), ROUTES, "/akin")
    with TestClient(Gate(Starlette(routes=site.routes()), Sessions(None), {}, site)) as client:  # type: ignore[arg-type]
        yield client


def test_papers_are_looked_up_without_their_abstracts(client: TestClient, asked: Any) -> None:
    answer = client.post("/list/papers", json={"ids": ["2401.1v2", "<x>"]}).json()
    assert asked == [("/papers", {"ids": ["2401.1v2", "<x>"]})]
    assert answer["unknown"] == ["<x>"]
    assert answer["papers"] == [
        {
            "id": "2401.1", "title": "A <b>", "by": "Ada, Bo, Cy and 4 more", "date": "2024-01-02",
            "categories": ["cs.LG"], "withdrawn": True, "arxiv": "https://arxiv.org/abs/2401.1", "pdf": "",
            "named": ["2401.1v2"],
        }
    ]  # fmt: skip


def test_a_list_is_searched_by_within_and_for_what_it_lacks(client: TestClient, asked: Any) -> None:
    answer = client.post("/list/like", json={"ids": ["a"], "unlike": ["b"]}).json()
    assert asked[-1] == ("/search", {"like": ["a"], "unlike": ["b"], "k": 20})
    assert (answer["papers"][0]["id"], answer["notes"]) == ("2401.1", ["Slow.", "A note."])
    client.post("/list/within", json={"ids": ["a"], "text": "words"})
    assert asked[-1] == ("/search", {"query": "words", "ids": ["a"], "k": 20})
    answer = client.post("/list/missing", json={"ids": ["a"], "unlike": ["b"]}).json()
    assert asked[-1] == ("/lists/missing", {"ids": ["a"], "unlike": ["b"], "k": 20})
    # More are asked for where the script leaves out those of a list that is longer than a question.
    client.post("/list/like", json={"ids": [f"p{number}" for number in range(1000)], "unlike": []})
    assert asked[-1][1]["k"] == 100
    assert answer["papers"][0]["near"] == [{"id": "x", "title": "X"}]
    assert answer["topics"] == [{"papers": 2, "near": [{"id": "x", "title": "X"}]}]


def test_references_are_resolved_by_the_service(client: TestClient, asked: Any) -> None:
    answer = client.post("/list/resolve", json={"text": "@misc{x}"}).json()
    assert asked == [("/references/resolve", {"text": "@misc{x}"})]
    found, lost = answer["references"]
    assert (found["paper"], found["candidates"], found["problem"]) == ({"id": "x", "title": "X"}, [], None)
    assert (lost["paper"], lost["line"], lost["problem"]) == (None, 3, "it has no title")


@pytest.mark.parametrize(
    ("text", "english", "german"),
    [("?!", "no reference that can be read", "keine lesbare Angabe"), ("many", "more than 2,000", "mehr als 2.000")],
)
def test_a_text_without_references_is_refused_in_the_readers_language(
    client: TestClient, text: str, english: str, german: str
) -> None:
    for address, said in (("/list/resolve", english), ("/list/resolve?lang=de", german)):
        answer = client.post(address, json={"text": text})
        assert answer.status_code == 422
        assert said in answer.json()["error"]["message"]
        assert "The text is odd" not in answer.json()["error"]["message"]


def test_answers_are_in_the_language_of_the_address(client: TestClient) -> None:
    paper = client.post("/list/papers?lang=de", json={"ids": ["2401.1v2"]}).json()["papers"][0]
    assert paper["by"] == "Ada, Bo, Cy und 4 weitere"
    lost = client.post("/list/resolve?lang=de", json={"text": "@misc{x}"}).json()["references"][1]
    assert lost["problem"] == "nicht lesbar, oder ohne Titel und ID"


def test_an_export_is_the_file_of_the_service(client: TestClient, asked: Any) -> None:
    answer = client.post("/list/export", json={"ids": ["a"], "format": "ris"})
    assert asked == [("/export", {"ids": ["a"], "format": "ris"})]
    assert (answer.text, answer.headers["content-type"]) == ("TY  - JOUR", "application/x-ris; charset=utf-8")


@pytest.mark.parametrize(
    ("question", "body"),
    [
        ("papers", {"ids": []}),
        ("papers", {"ids": ["x"] * 1001}),
        ("like", {"ids": ["x" * 501]}),
        ("like", {"ids": ["a"], "k": 5}),
        ("missing", {"ids": [3]}),
        ("within", {"ids": ["a"], "text": ""}),
        ("export", {"ids": ["a"], "format": "word"}),
        ("resolve", {"text": ""}),
        ("resolve", {"text": "x" * 1_000_001}),
        ("within", {"ids": ["a"], "text": "refused"}),
    ],
)
def test_wrong_questions_are_refused_with_a_reason(client: TestClient, question: str, body: Any) -> None:
    answer = client.post(f"/list/{question}", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"]


def test_other_sites_and_other_methods_are_refused(client: TestClient, asked: Any) -> None:
    foreign = client.post("/list/papers", json={"ids": ["a"]}, headers={"origin": "https://elsewhere.example"})
    assert foreign.status_code == 403
    assert client.get("/list/papers").status_code == 405
    assert client.get("/list/other").status_code == 404
    assert (
        client.post("/list/papers", content=b"x" * 700_000, headers={"content-type": "application/json"}).status_code
        == 413
    )
    assert asked == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_has_a_name_for_every_control(client: TestClient, language: str) -> None:
    answer = client.get(f"/list?lang={language}")
    assert answer.status_code == 200
    assert f"<h1>{words(language)('list.title')}</h1>" in answer.text
    assert 'aria-current="page"' in answer.text
    script = (Path(pages.__file__).parent / "list.js").read_text()
    used = set(re.findall(r"\b(?:part|on)\(\"([a-z]+)\"", script))
    assert len(used) > 15
    assert [name for name in used if f'id="akin-list-{name}"' not in answer.text] == []


def test_every_text_of_the_scripts_is_there() -> None:
    folder = Path(pages.__file__).parent
    code = "".join((folder / name).read_text() for name in ("lists.js", "list.js", "list_import.js"))
    used = set(re.findall(r"[tT]ext\(\"(list\.[a-z_]+)\"", code))
    counted = {
        f"{key}.{form}" for key in re.findall(r"akinCount\(\"(list\.[a-z_]+)\"", code) for form in ("one", "other")
    }
    assert len(used) > 25
    assert [key for key in used | counted if f"script.{key}" not in words("en").texts] == []
