"""The route `/feed`: the search of the same address, newest first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import feedparser
import pytest
from lxml import etree
from starlette.testclient import TestClient

from retrieval_service.errors import EncoderUnavailable
from tests.integration.service import client_of

SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).parents[2] / "data/atom.rng"))


def ids(written: bytes) -> list[str]:
    return [entry.id.rpartition("/")[2] for entry in feedparser.parse(written).entries]


@pytest.mark.parametrize(
    "query",
    [
        "q=some+words",
        "like=2001.10003&k=7&offset=3&mode=lexical",
        "like=2001.10001&k=100",
        "q=au%3AErd%C5%91s&categories=cs",
    ],
)
def test_it_has_the_papers_of_the_search_newest_first(client: TestClient, query: str) -> None:
    answer = client.get(f"/feed?{query}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/atom+xml"
    SCHEMA.assertValid(etree.fromstring(answer.content))
    found = client.get(f"/search?{query}{'' if '&k=' in query else '&k=50'}").json()["results"]
    assert len(found) > 5
    expected = sorted(found, key=lambda paper: paper["date"] or "", reverse=True)
    assert ids(answer.content) == [paper["id"] for paper in expected]
    links = {link.rel: link.href for link in feedparser.parse(answer.content).feed.links}
    assert links["self"] == f"http://testserver/feed?{query}"
    assert client.get(links["alternate"]).json()["results"]


@pytest.mark.parametrize(
    "address", ["/feed", "/feed?q=", "/feed?q=...", "/feed?k=3", "/feed?q=x&k=101", "/feed?q=x&z=1"]
)
def test_a_feed_of_nothing_is_refused_as_the_search_is(client: TestClient, address: str) -> None:
    answer, search = client.get(address), client.get(address.replace("/feed", "/search"))
    assert answer.status_code == search.status_code == 400
    assert answer.json() == search.json()
    assert "etag" not in answer.headers


def test_a_reader_that_has_the_feed_is_told_so_without_a_search(client: TestClient) -> None:
    first = client.get("/feed?q=some+words")
    tag = first.headers["etag"]
    again = client.get("/feed?q=some+words", headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert client.head("/feed?q=some+words").headers["etag"] == tag
    for other in ("/feed?q=some+words&k=9", "/search?q=some+words&k=50", "/feed?q=some+word"):
        assert client.get(other).headers["etag"] != tag
    # The feed has addresses of the server in it.
    elsewhere = client.get("/feed?q=some+words", headers={"host": "localhost", "if-none-match": tag})
    assert elsewhere.status_code in (200, 421)


def test_below_a_path_and_a_version_its_own_address_is_the_public_one(corpus: Any) -> None:
    with client_of(corpus.data, corpus.encoder, service_root_path="/akin") as client:
        for path in ("/feed", "/v1/feed"):
            links = feedparser.parse(client.get(f"{path}?q=some+words&k=1").content).feed.links
            assert links[0].href == "http://testserver/akin/feed?q=some+words&k=1"


class Away:
    """Encoder that is away when it is asked."""

    def __init__(self, encoder: Any) -> None:
        self.identity, self.away = encoder.identity, False

    async def embed_queries(self, texts: Any, input_type: Any) -> Any:
        raise EncoderUnavailable("The encoder is away.")


def test_half_a_search_is_no_feed(corpus: Any) -> None:
    with client_of(corpus.data, Away(corpus.encoder), watch_seconds=30) as client:
        answer = client.get("/feed?q=some+words")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "complete searches only" in answer.json()["error"]["message"]
        assert client.get("/feed?q=some+words&mode=lexical").status_code == 200
