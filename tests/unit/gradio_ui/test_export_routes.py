"""Files and feeds that the page's server passes on."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.unit.gradio_ui.test_paper_page import Service


def file() -> httpx.Response:
    headers = {"content-type": "text/csv; charset=utf-8", "content-disposition": "attachment; x", "x": "y"}
    return httpx.Response(200, content=b"a\r\n", headers=headers)


async def test_the_page_of_results_is_exported_with_its_filters() -> None:
    service = Service(export=file())
    answer = await service.get("/export/csv?q=dust&categories=cs.LG&from=2020&sort=newest&k=20&offset=40&varied=1")
    assert (answer.status_code, answer.content) == (200, b"a\r\n")
    assert answer.headers["content-disposition"] == "attachment; x"
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "x" not in answer.headers
    [request] = service.requests
    assert json.loads(request.content) == {
        "query": "dust", "k": 20, "offset": 40, "mode": "hybrid", "categories": ["cs.LG"], "from": "2020",
        "sort": "newest", "format": "csv",
    }  # fmt: skip


async def test_the_best_thousand_are_exported_from_the_first_on() -> None:
    service = Service(export=file())
    await service.get("/export/jsonl?like=a&like=b&offset=40&all=1")
    asked = json.loads(service.requests[0].content)
    assert (asked["k"], asked["offset"], asked["like"], asked["format"]) == (1000, 0, ["a", "b"], "jsonl")


@pytest.mark.parametrize("path", ["/export/csv", "/export/csv?q=+", "/feed", "/feed?from=2020"])
async def test_without_a_search_the_next_step_is_said(path: str) -> None:
    service = Service()
    answer = await service.get(path)
    assert (answer.status_code, service.requests) == (422, [])
    assert "Search first" in answer.text
    assert ("no search to follow" if path.startswith("/feed") else "no search to export") in answer.text


@pytest.mark.parametrize("path", ["export/csv", "feed"])
async def test_an_address_with_too_many_parts_is_refused_with_the_reason(path: str) -> None:
    service = Service()
    answer = await service.get(f"/{path}?{'&'.join(f'like={number}' for number in range(201))}")
    assert (answer.status_code, service.requests) == (422, [])
    assert "too many parts" in answer.text


@pytest.mark.parametrize(
    ("status", "code", "shown"),
    [(400, "invalid_parameter", 422), (503, "deadline_exceeded", 503), (404, "unknown_paper", 404)],
)
async def test_a_refusal_is_a_page_and_no_file(status: int, code: str, shown: int) -> None:
    refusal = httpx.Response(status, json={"error": {"code": code, "message": "Not <so>."}})
    answer = await Service(export=refusal).get("/export/word?q=x")
    assert answer.status_code == shown
    assert "Not &lt;so&gt;." in answer.text
    assert "content-disposition" not in answer.headers


async def test_the_longest_query_passes() -> None:
    service = Service(export=file())
    await service.get(f"/export/ris?q={'x' * 20_000}")
    assert len(json.loads(service.requests[0].content)["query"]) == 20_000


async def test_a_feed_leads_to_the_page() -> None:
    feed = (
        '<feed><link href="http://service.test/feed?query=a&amp;k=3" />'
        '<link href="http://service.test/search?query=a" /><link href="http://service.test/papers/W1" /><id>http://service.test/x</id></feed>'
    )
    service = Service(feed=feed)
    answer = await service.get("/feed?q=a%26b&categories=cs.LG&categories=hep-th&offset=20&k=50", root="/akin")
    assert answer.headers["content-type"].startswith("application/atom+xml")
    assert '"http://page/akin/feed?' in answer.text
    assert '"http://page/akin/paper/W1"' in answer.text
    assert "service.test/feed" not in answer.text
    asked = service.requests[0].url.params
    assert (asked["query"], asked.get_list("categories")) == ("a&b", ["cs.LG", "hep-th"])
    assert not {"k", "offset", "highlight", "facets", "suggest"} & set(asked)
