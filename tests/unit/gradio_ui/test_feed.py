"""Feeds of the page: the service's, with the page's own addresses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import parse_qsl

import feedparser
import httpx
import pytest
from starlette.applications import Starlette

from gradio_ui.client import SearchService
from gradio_ui.pages.routes import ROUTES
from gradio_ui.pages.site import Site
from gradio_ui.settings import Settings

FEED = """<?xml version='1.0' encoding='utf-8'?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><id>urn:1</id><title>Akin: a &lt;b&gt;</title>
<link rel="self" href="http://service.test/feed?query=a" type="application/atom+xml" />
<link rel="alternate" href="http://service.test/search?query=a" type="application/json" />
<entry><id>urn:2</id><title>Ein Titel — ü</title></entry></feed>"""


class Service:
    def __init__(self) -> None:
        self.asked: list[list[tuple[str, str]]] = []
        self.text = FEED

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/feed"
        self.asked.append(parse_qsl(request.url.query.decode()))
        return httpx.Response(200, content=self.text.encode())


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    site = Site(SearchService(Settings(), httpx.MockTransport(service)), ROUTES, "/akin")
    transport = httpx.ASGITransport(Starlette(routes=site.routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        yield client


async def test_a_feed_has_the_addresses_of_the_page(client: httpx.AsyncClient, service: Service) -> None:
    answer = await client.get(
        "/feed?q=a+b&categories=cs.LG&categories=cs.CL&from=2020&sort=newest&offset=50&k=5&deep=1"
    )
    assert answer.headers["content-type"].startswith("application/atom+xml")
    feed = feedparser.parse(answer.content)
    assert not feed.bozo
    assert (feed.feed.title, feed.entries[0].title) == ("Akin: a <b>", "Ein Titel — ü")
    links = {link.rel: link for link in feed.feed.links}
    assert links["self"].href.startswith("http://page/akin/feed?q=a+b&categories=cs.LG")
    assert links["alternate"].href.startswith("http://page/akin/?q=a+b&")
    assert links["alternate"].type == "text/html"
    assert service.asked == [
        [
            ("mode", "hybrid"),
            ("query", "a b"),
            ("categories", "cs.LG"),
            ("categories", "cs.CL"),
            ("from", "2020"),
            ("sort", "newest"),
        ]
    ]


async def test_a_feed_of_papers_like_others(client: httpx.AsyncClient, service: Service) -> None:
    await client.get("/feed?like=1&like=2&unlike=3&varied=1")
    assert service.asked == [
        [("mode", "hybrid"), ("like", "1"), ("like", "2"), ("unlike", "3"), ("diversity", "0.3")],
    ]


@pytest.mark.parametrize("query", ["", "?q=", "?q=%20", "?q=a&mode=magic", "?q=a&from=x", "?" + "a=b&" * 300])
async def test_a_feed_of_no_search_is_refused(client: httpx.AsyncClient, service: Service, query: str) -> None:
    answer = await client.get(f"/feed{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "text/html; charset=utf-8")
    assert service.asked == []


@pytest.mark.parametrize("text", ["", "<feed", "{}", "\x00"])
async def test_what_is_no_feed_is_not_passed_on(client: httpx.AsyncClient, service: Service, text: str) -> None:
    service.text = text
    assert (await client.get("/feed?q=a")).status_code == 503
