"""Test the Python client with the service itself, over a real connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import uvicorn

from akin.edge.serving import server_config
from akin_client import AsyncClient, BadRequest, Client, CursorExpired, NotFound, Unavailable
from retrieval_service.app import create_app
from retrieval_service.settings import Settings
from tests.integration.generated import OneEncoder, hashed


@pytest.fixture(scope="module")
def address(corpus: Any) -> Iterator[str]:
    app = create_app(Settings(data=corpus.data, search_threads=2), OneEncoder(corpus.encoder))
    server = uvicorn.Server(server_config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        threading.Event().wait(0.01)
    [own] = server.servers
    yield f"http://127.0.0.1:{own.sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address, timeout=20, retries=0) as client:
        yield client


def test_every_method_is_understood(client: Client, corpus: Any) -> None:
    paper = corpus.papers[7]
    assert client.corpus()["papers"] == len(corpus.papers)
    assert client.paper(paper.id)["title"] == paper.title
    assert client.similar(paper.id, k=3)["query"]["like"][0]["id"] == paper.id
    assert client.citations(paper.id).startswith("@")
    for linked in (client.references, client.cited_by):
        with pytest.raises(BadRequest, match="akin references import"):
            linked(paper.id, k=3, sort="newest")
    assert client.export("some words", format="csv", k=2, from_="1990").count("\r\n") == 3
    assert client.export(ids=[paper.id]) == client.citations(paper.id)
    assert client.health()["status"] == "ok"
    assert [each["id"] for each in client.models()] == ["text_encoder"]
    found = client.search(" ".join(paper.abstract.split()[:8]), k=3, categories=list(paper.categories), from_="1990")
    assert paper.published
    assert found["results"][0]["id"] == paper.id
    assert client.feed("some words", categories=["cs.LG", "cs.CL"], collapse=False).lstrip().startswith("<?xml")
    several = client.searches([{"query": "some words", "k": 1}, {"like": ["9999.99999"]}])
    assert several[0]["results"]  # type: ignore[index]
    assert isinstance(several[1], NotFound)


def test_all_results_are_those_of_the_pages(client: Client) -> None:
    every = [each["id"] for each in client.search_all("some words", mode="dense")]
    assert len(set(every)) == len(every) == 1300
    assert [each["id"] for each in client.search_all("some words", mode="dense", limit=250)] == every[:250]
    assert [each["id"] for each in client.search("some words", mode="dense", k=50, offset=150)["results"]] == every[
        150:200
    ]


def test_vectors_are_exact(client: Client) -> None:
    texts = [f"text number {number}" for number in range(100)]
    found = client.embeddings(texts)
    assert np.array_equal(np.asarray(found["vectors"], np.float32), [hashed(text) for text in texts])
    assert client.embed(texts[3])["embedding"] == pytest.approx(found["vectors"][3])


def test_errors_have_the_services_text(client: Client, address: str) -> None:
    with pytest.raises(NotFound, match="akin reranker promote"):
        client.rerank("graphs", ["a"])
    with pytest.raises(BadRequest, match="Did you mean mode") as caught:
        client.search("words", mod="dense")
    assert caught.value.code == "invalid_parameter"
    cursor = client.search("some words", k=1)["next_cursor"]
    assert cursor is not None
    with pytest.raises(CursorExpired, match="Begin again"):
        client.search("some words", cursor="A" * 32)
    with Client(address, timeout=1e-6, retries=0) as hasty, pytest.raises(Unavailable, match="not ready in time"):
        hasty.search("some words")


def test_many_searches_at_once(address: str) -> None:
    async def go() -> list[Any]:
        async with AsyncClient(address) as client:
            return await asyncio.gather(*(client.search(f"word {n}", k=1) for n in range(30)))

    assert [answer["query"]["text"] for answer in asyncio.run(go())] == [f"word {n}" for n in range(30)]
