"""The page as a Gradio app: its elements and handlers, and what it must not import or request."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from gradio_ui.app import SearchPage
from gradio_ui.client import SearchService
from gradio_ui.settings import Settings
from gradio_ui.theme import css, theme

SETTINGS = Settings(service_url="http://service.test")
ANSWER = {"results": [{"id": "a", "title": "A title", "score": 0.5}], "k": 10, "snapshot": "one", "searched": 3}
CORPUS = {
    "papers": 3,
    "snapshot": "one",
    "newest": "2024-03-05",
    "categories": [{"code": "cs.LG", "name": "Machine Learning", "papers": 2}],
}


class Service:
    """Service stub that records its requests and can be switched off."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, object]] = []
        self.paths: list[str] = []
        self.away = False
        self.without = ""
        self.health: dict[str, object] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("refused")
        self.paths.append(request.url.path)
        if request.url.path == self.without:
            return httpx.Response(503, json={"error": {"code": "overloaded", "message": "Later."}})
        if request.url.path == "/corpus":
            return httpx.Response(200, json=CORPUS)
        if request.url.path == "/map":
            return httpx.Response(404, json={"error": {"code": "no_map", "message": "No map."}})
        if request.url.path == "/health/ready":
            return httpx.Response(200, json=self.health)
        self.bodies.append(json.loads(request.content))
        return httpx.Response(200, json=ANSWER)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def page(service: Service) -> SearchPage:
    return SearchPage(SearchService(SETTINGS, httpx.MockTransport(service)))


async def test_a_search_shows_results_and_its_address(page: SearchPage) -> None:
    corpus, categories, status, results, address = await page.search("x", "dense", ["cs.LG"], 2020, None, True, 10, "")
    assert "3 papers" in corpus
    assert categories["choices"] == [("Machine Learning (cs.LG)", "cs.LG")]
    assert "value" not in categories
    assert "among 3 papers" in status
    assert "A title" in results
    assert address == "?q=x&mode=dense&categories=cs.LG&from=2020"


async def test_a_blank_search_sends_no_request(page: SearchPage, service: Service) -> None:
    *_, status, results, address = await page.search(" \n", "hybrid", None, None, None, None, None, "")
    assert "Write a question" in status
    assert (results, address) == ("", "")
    assert service.paths == []


async def test_a_blank_box_keeps_the_liked_paper_and_words_replace_it(page: SearchPage, service: Service) -> None:
    *_, address = await page.search("", "lexical", [], None, None, True, 10, "?like=a&offset=10")
    assert address == "?like=a&mode=lexical"
    await page.search("words", "hybrid", [], None, None, True, 10, "?like=a")
    assert [body.get("like") for body in service.bodies] == [["a"], None]


async def test_a_new_query_keeps_the_order_in_the_address(page: SearchPage, service: Service) -> None:
    *_, address = await page.search("y", "hybrid", [], None, None, True, 10, "?q=x&sort=newest&offset=10")
    assert address == "?q=y&sort=newest"
    await page.restore("?q=x")
    assert [body.get("sort") for body in service.bodies] == ["newest", None]


async def test_an_address_restores_the_inputs(page: SearchPage) -> None:
    shown = await page.restore("?q=x&mode=dense&categories=cs.LG&from=2020&to=2024&k=5&offset=5")
    assert shown[1]["value"] == ["cs.LG"]
    assert "A title" in shown[3]
    assert shown[4:-1] == (
        "?q=x&mode=dense&categories=cs.LG&from=2020&to=2024&k=5&offset=5",
        "x",
        "dense",
        2020,
        2024,
        True,
        5,
    )


async def test_withdrawn_papers_are_left_out(page: SearchPage, service: Service) -> None:
    *_, address = await page.search("x", "hybrid", [], None, None, False, 10, "")
    assert address == "?q=x&withdrawn=exclude"
    shown = await page.restore(address)
    assert shown[-3:-1] == (False, 10)
    await page.search("x", "hybrid", [], None, None, True, 10, address)
    assert [body.get("withdrawn") for body in service.bodies] == ["exclude", "exclude", None]


async def test_deep_is_offered_where_there_is_a_reranker(page: SearchPage, service: Service) -> None:
    assert (await page.restore(""))[-1]["visible"] is False
    service.health = {"components": {"reranker": {"status": "ok"}}}
    *_, address = await page.search("x", "hybrid", [], None, None, True, 10, "", True)
    assert address == "?q=x&deep=1"
    deep = (await page.restore(address))[-1]
    assert (deep["value"], deep["visible"]) == (True, True)
    assert (await page.restore("?q=x"))[-1]["value"] is False
    assert [body.get("rerank") for body in service.bodies if body["query"] == "x"] == [30, 30, None]


async def test_deep_is_not_kept_where_nobody_could_uncheck_it(page: SearchPage) -> None:
    deep = (await page.restore("?q=x&deep=1"))[-1]
    assert (deep["value"], deep["visible"]) == (False, False)


async def test_a_slow_answer_about_the_reranker_does_not_delay_the_page(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health/ready":
            await asyncio.sleep(60)
        return service(request)

    monkeypatch.setattr("gradio_ui.client._LOOK_SECONDS", 0.01)
    page = SearchPage(SearchService(SETTINGS, httpx.MockTransport(answer)))
    async with asyncio.timeout(30):
        shown = await page.restore("?q=x")
    assert "A title" in shown[3]
    assert shown[-1]["visible"] is False


async def test_the_bare_page_describes_the_corpus(page: SearchPage, service: Service) -> None:
    corpus, _, status, results, address, *_ = await page.restore("")
    assert "3 papers" in corpus
    assert (status, address) == ("", "")
    assert "A title" in results
    assert 'href="?q=cat%3Acs.LG&amp;sort=newest">Machine Learning</a> <span>2</span>' in results
    assert service.bodies == [{"query": "submittedDate:[20230305 TO 20240305]", "sort": "newest", "k": 5}]
    await page.restore("?lang=de")
    assert sorted(service.paths) == ["/corpus", "/corpus", "/health/ready", "/health/ready", "/search"]


async def test_the_bare_page_is_shown_without_newest_papers(page: SearchPage, service: Service) -> None:
    service.without = "/search"
    corpus, _, _, results, *_ = await page.restore("")
    assert "3 papers" in corpus
    assert "Machine Learning" in results
    assert "A title" not in results


async def test_the_language_of_the_address_counts_and_stays(page: SearchPage) -> None:
    *_, status, results, address = await page.search("x", "hybrid", [], None, None, True, 10, "?q=y&lang=de")
    assert "Sortieren" in results
    assert "3 Arbeiten durchsucht" in status
    assert address == "?q=x&lang=de"
    assert "&amp;lang=de" in results
    assert (await page.restore("?q=x&lang=../../x"))[4] == "?q=x"


async def test_the_page_recovers_when_the_service_comes_back(page: SearchPage, service: Service) -> None:
    service.away = True
    for shown in (
        await page.restore(""),
        await page.restore("?q=x"),
        await page.search("x", "hybrid", [], None, None, True, 10, ""),
    ):
        assert "The search service is unavailable" in shown[3]
    service.away = False
    shown = await page.search("x", "hybrid", [], None, None, True, 10, "?q=x")
    assert "3 papers" in shown[0]
    assert "A title" in shown[3]


def test_nothing_is_fetched_from_other_sites() -> None:
    look = theme()
    assert look._stylesheets == []
    assert "@import" not in css()
    assert "url(" not in css()


def test_the_page_has_its_elements(said: dict[str, Any]) -> None:
    assert {"akin-query", "akin-search", "akin-mode", "akin-status", "akin-results"} <= set(said["ids"])
    assert said["public"] == ["search"]


def test_searches_run_in_parallel_without_analytics(said: dict[str, Any]) -> None:
    assert said["limit"] == Settings().ui_searches
    assert said["analytics"] is False


def test_the_page_imports_no_other_room_and_no_heavy_library(said: dict[str, Any]) -> None:
    assert {".".join(name.split(".")[:2]) for name in said["modules"] if name.startswith("akin.")} == {
        "akin.edge", "akin.settings",
    }  # fmt: skip
    others = {"retrieval_service", "training"}
    heavy = {"faiss", "torch", "transformers", "tritonclient", "tantivy", "onnxruntime"}
    assert not (others | heavy) & set(said["modules"])
