"""Tools of the Model Context Protocol: what clients are told of them, and the length of their answers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from akin.cli.mcp import mcp
from akin.mcp import answers
from akin.mcp.arguments import ExportCitations, GetPaper, PapersLikeList, SearchPapers
from akin.mcp.asking import Reply, ToolError
from akin.mcp.server import make_server
from akin.mcp.tools import TOOLS

PINNED = Path(__file__).with_name("mcp_tools.json")
CORPUS = {
    "papers": 1234, "created": "2026-01-02T03:04:05+00:00", "first": "1992-05-01", "newest": "2025-12-31",
    "snapshot": "s1", "categories": [
        {"code": "cs.LG", "name": "Machine Learning", "papers": 9}, {"code": "hep-th", "name": "HEP", "papers": 2},
    ],
}  # fmt: skip


async def tell_corpus(path: str, body: Any = None) -> Reply:
    return Reply(200, json.dumps(CORPUS).encode())


def paper(number: int = 1, **fields: Any) -> dict[str, Any]:
    known = {
        "id": f"2401.{number:05d}", "title": "On dust", "abstract": "Dust is fine. " * 100, "authors": ["Ada Verne"],
        "author_count": 1, "date": "2024-01-02", "categories": ["cs.LG"], "score": 0.5, "withdrawn": False,
        "links": {"abs": "https://arxiv.org/abs/1", "pdf": "https://arxiv.org/pdf/1"}, "doi": None,
        "journal_ref": None, "comments": None, "sources": {"dense": 1.0}, "duplicates": [],
    }  # fmt: skip
    return known | fields


def answer(*results: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"results": results, "searched": 99, "mode": "hybrid", "degraded": None, "snapshot": "s1"} | fields


def size(one: answers.Answer) -> int:
    return max(len(one.model_dump_json()), len(one.text()))


def test_names_and_schemas_are_those_that_clients_know() -> None:
    async def listed() -> list[Any]:
        async with Client(make_server(lambda request: tell_corpus)) as client:
            tools = (await client.list_tools()).tools
            return [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]

    tools = asyncio.run(listed())
    # A change of these breaks clients: add, but do not rename or remove. To accept one, write `told` to the file.
    told = json.dumps(tools, indent=1, ensure_ascii=False) + "\n"
    assert told == PINNED.read_text("utf-8")


def test_every_object_is_closed_and_every_argument_bounded() -> None:
    def objects(schema: Any) -> Any:
        if isinstance(schema, dict):
            yield from [schema] if "properties" in schema else []
            for each in schema.values():
                yield from objects(each)

    for tool in json.loads(PINNED.read_text("utf-8")):
        assert all(each["additionalProperties"] is False for each in objects(tool["inputSchema"]))
        assert all(each["additionalProperties"] is False for each in objects(tool["outputSchema"]))
        assert "$ref" not in json.dumps(tool["inputSchema"])  # some clients do not resolve it
        for name, field in tool["inputSchema"]["properties"].items():
            assert field["description"], name
            bounds = {"integer": "maximum", "array": "maxItems", "string": "maxLength", "number": "maximum"}
            assert "enum" in field or field["type"] == "boolean" or bounds[field["type"]] in field, name


@pytest.mark.parametrize("most", [1000, 2500, 12_000])
def test_results_that_do_not_fit_are_left_out_and_asked_for_next(most: int) -> None:
    asked = SearchPapers(query="dust", k=30, offset=5, abstracts="full", max_characters=most)
    found = answers.found(answer(*map(paper, range(30))), asked)
    assert 1 <= len(found.results) < 30
    assert size(found) <= most
    assert len(found.results) + found.left_out == 30
    assert found.next_offset == 5 + len(found.results)
    assert f"{found.left_out} more did not fit" in found.text()


def test_a_paper_of_any_size_fits() -> None:
    large = {
        "title": 'A "title" \\alpha ' * 100, "abstract": "\n\\beta " * 20_000, "comments": "pages " * 500,
        "authors": [f"Author {n} of a long name indeed" for n in range(3000)], "author_count": 3000,
    }  # fmt: skip
    for most in (1000, 5000):
        one = answers.details(paper(**large), GetPaper(id="x", max_characters=most))
        assert len(one.model_dump_json()) <= most
        assert one.author_count == 3000
        found = answers.found(answer(paper(**large)), SearchPapers(query="x", abstracts="full", max_characters=most))
        assert size(found) <= most
    assert answers.details(paper(), GetPaper(id="x")).abstract == paper()["abstract"]


def test_abstracts_are_cut_at_a_word() -> None:
    short = answers.found(answer(paper()), SearchPapers(query="x")).results[0].abstract
    assert short.endswith(("Dust is fine.…", "Dust is…", "Dust…"))
    assert 300 < len(short) <= 401
    assert answers.found(answer(paper()), SearchPapers(query="x", abstracts="none")).results[0].abstract == ""
    assert answers.cut("x" * 50, 20) == "x" * 20 + "…"


def test_the_end_of_the_results_is_said() -> None:
    last = answers.found(answer(paper()), SearchPapers(query="x", k=2))
    assert last.next_offset is None
    assert "offset" not in last.text()
    none = answers.found(answer(searched=0), SearchPapers(query="x"))
    assert "corpus_info" in none.text()
    assert "No paper matches" in answers.found(answer(), SearchPapers(query="x")).text()
    assert answers.found(answer(*map(paper, range(9))), SearchPapers(query="x", k=9, offset=995)).next_offset is None


def test_notes_and_what_is_missing_are_told() -> None:
    found = answers.found(
        answer(paper(withdrawn=True, author_count=20), degraded="No encoder.", notes=["jr: is not searched."]),
        SearchPapers(query="x"),
    )
    text = found.text()
    assert "Note: No encoder." in text
    assert "Note: jr: is not searched." in text
    assert "On dust (withdrawn)" in text
    assert "Ada Verne and 19 more" in text


def test_counts_and_reasons_are_told_and_fit() -> None:
    why = {"title": [], "abstract": [], "sentence": [0, 13], "why": "near in meaning"}
    counts = {
        "years": [{"year": year, "papers": year - 1989} for year in range(1990, 2026)],
        "categories": [{"code": f"cs.{n}", "name": "A name", "papers": 90 - n} for n in range(50)],
        "papers": 200, "complete": False,
    }  # fmt: skip
    told = answer(*(paper(n, highlights=why) for n in range(20)), facets=counts)
    for most in (1000, 3000, 12_000):
        asked = SearchPapers(query="x", k=20, facets=True, highlight=True, max_characters=most)
        assert asked.search_body().keys() == {"query", "k", "facets", "highlight"}
        found = answers.found(told, asked)
        assert found.results
        assert size(found) <= most
        assert (found.results[0].why, found.results[0].sentence) == ("near in meaning", "Dust is fine.")
        assert found.facets is not None
        assert found.facets.years[0].value == "2025"
        assert "near in meaning" in found.text()
        assert "Years: 2025 (36)" in found.text()
    assert answers.found(told, SearchPapers(query="x")).facets is None


def chased(number: int, **fields: Any) -> dict[str, Any]:
    more = {
        "score": 0.25, "cited_by": ["2401.00001"], "cites": [], "why": "cited by 1 of the 10 best results: On dust",
        "citations": {"total": 7, "in_corpus": 1}, "author_count": 40,
        "authors": [f"Author {n}" for n in range(40)],
    }  # fmt: skip
    return {name: value for name, value in paper(number, **more | fields).items() if name != "sources"}


@pytest.mark.parametrize("facets", [False, True])
def test_chased_papers_are_told_and_fit(facets: bool) -> None:
    counts = {
        "years": [{"year": year, "papers": 3} for year in range(1990, 2026)],
        "categories": [{"code": f"cs.{n}", "name": "A name", "papers": 90 - n} for n in range(50)],
        "papers": 200, "complete": True,
    }  # fmt: skip
    linked = [chased(n, title="Wind " * 200 if n == 2 else "On wind") for n in range(20)]
    told = answer(*map(paper, range(20)), chased=linked, facets=counts)
    for most in (1000, 3000, 12_000, 100_000):
        asked = SearchPapers(query="x", k=20, chase=True, facets=facets, abstracts="none", max_characters=most)
        assert asked.search_body()["chase"] is True
        found = answers.found(told, asked)
        assert found.results
        assert size(found) <= most
        assert found.chased is not None
        assert found.chased_left_out is not None
        assert len(found.chased) + found.chased_left_out == 20
        assert (f"{found.chased_left_out} more of these did not fit" in found.text()) == bool(found.chased_left_out)
    assert [each.id for each in found.chased] == [each["id"] for each in linked]
    first = found.chased[0]
    assert (first.authors, first.author_count, first.citations) == (["Author 0", "Author 1", "Author 2"], 40, 7)
    assert "- On wind; 2024-01-02; 2401.00000; cited by 7" in found.text()
    assert "Author 2 and 37 more; cited by 1 of the 10 best results: On dust" in found.text()


def test_papers_are_chased_on_request_only() -> None:
    found = answers.found(answer(paper()), SearchPapers(query="x"))
    assert (found.chased, found.chased_left_out) == (None, None)
    assert "references" not in found.text()
    none = answers.found(answer(paper(), chased=[]), SearchPapers(query="x", chase=True))
    assert (none.chased, none.chased_left_out) == ([], 0)
    assert "No paper was chased." in none.text()


def test_long_notes_leave_room_for_papers() -> None:
    told = answer(*map(paper, range(5)), notes=["note " * 100] * 10, degraded="away " * 100)
    for most in (1000, 3000):
        found = answers.found(told, SearchPapers(query="x", max_characters=most, abstracts="none"))
        assert found.results
        assert size(found) <= most


def test_citations_are_never_cut() -> None:
    asked = ExportCitations(ids=["a", "b", "c", "d"], max_characters=1000)
    assert answers.citations("x" * 1000, asked).citations == "x" * 1000
    with pytest.raises(ToolError, match="Ask for about 2 papers at a time"):
        answers.citations("x" * 2000, asked)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(400, b'{"error": {"code": "x", "message": "Too long."}}'), "Too long."),
        (Reply(503, b'{"error": {"message": "Busy."}}', "2"), "Busy. Repeat the call after 2 s."),
        (Reply(502, b"<html>"), "The service answered with HTTP status 502."),
        (Reply(500, b"[]"), "The service answered with HTTP status 500."),
        (Reply(200, b"<html>"), "What answers is not Akin's service: check its address."),
        (Reply(200, b"[]"), "What answers is not Akin's service: check its address."),
    ],
)
def test_errors_of_the_service_are_told(reply: Reply, told: str) -> None:
    with pytest.raises(ToolError) as error:
        reply.json()
    assert str(error.value) == told


def test_a_list_that_is_nested_too_deeply_is_refused_like_any_other_text() -> None:
    with pytest.raises(ToolError, match="like must have at most 500 characters"):
        PapersLikeList.read({"like": "[" * 200_000})


@pytest.mark.parametrize("name", ["similar", "citation", "neighbourhood"])
def test_an_id_is_not_taken_for_another_address(name: str) -> None:
    async def ask(path: str, body: Any = None) -> Reply:
        raise AssertionError(path)

    tool = next(tool for tool in TOOLS if tool.name == "get_paper")
    with pytest.raises(ToolError, match="There is no paper"):
        asyncio.run(tool.run(GetPaper(id=f"2401.00001/{name}"), ask))


def test_the_password_of_an_address_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("asyncio.run", lambda serving: serving.close())
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    mcp(url="https://ada:s@cret@papers.example/akin/")
    shown = capsys.readouterr().err
    assert "https://papers.example/akin;" in "".join(shown.split("\n"))
    assert "cret" not in shown
