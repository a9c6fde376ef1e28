"""Overload, clients that close their connections, and bodies that do not arrive."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from retrieval_service.app import create_app
from retrieval_service.ports import EmbeddingBatch, InputType
from retrieval_service.settings import Settings
from tests.integration.service import asgi
from tests.servers import within

AT_ONCE, WAITING = 4, 8


class Hanging:
    """An encoder that waits for `may`; records its calls, and those that were given up."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.identity = inner.identity
        self.away = False
        self.may = asyncio.Event()
        self.asked: list[str] = []
        self.given_up: list[str] = []
        self.now = self.most = 0

    async def embed_queries(self, texts: Sequence[str], input_type: InputType = "query") -> EmbeddingBatch:
        self.asked += texts
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.may.wait()
        except asyncio.CancelledError:
            self.given_up += texts
            raise
        finally:
            self.now -= 1
        found: EmbeddingBatch = await self.inner.embed_queries(texts, input_type)
        return found


class Service:
    """The application over the shared corpus, with an encoder that hangs."""

    def __init__(self, app: Any, encoder: Hanging) -> None:
        self.app = app
        self.encoder = encoder
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver", timeout=30)

    async def search(self, text: str, **more: Any) -> httpx.Response:
        return await self.http.post("/search", json={"query": text, "operators": False}, **more)

    async def metric(self, name: str) -> float:
        return metric(self.app, name)

    async def until(self, name: str, value: float) -> None:
        async with asyncio.timeout(5):
            while await self.metric(name) != value:
                await asyncio.sleep(0.005)


def metric(app: Any, name: str) -> float:
    lines = app.state.metrics.text().decode().splitlines()
    found = [line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} ")]
    return float(found[0]) if found else 0.0


@pytest.fixture
async def service(corpus: Any, kit: Any) -> AsyncIterator[Service]:
    async with running(corpus, kit) as service:
        yield service


@asynccontextmanager
async def running(corpus: Any, kit: Any, **settings: Any) -> AsyncIterator[Service]:
    encoder = Hanging(corpus.encoder)
    limits = {"search_threads": 2, "search_concurrency": AT_ONCE, "search_queue": WAITING} | settings
    app = create_app(Settings(data=corpus.data, watch_seconds=30, **limits), kit.OneEncoder(encoder))
    encoder.may.set()
    async with app.router.lifespan_context(app):
        encoder.may.clear()
        encoder.asked.clear()
        service = Service(app, encoder)
        yield service
        encoder.may.set()
        await service.http.aclose()


@pytest.mark.parametrize("route", ["/search", "/embed"])
async def test_of_two_hundred_at_once_a_few_are_admitted_and_the_rest_refused_at_once(
    service: Service, route: str
) -> None:
    ask = [service.http.post(route, json={"abstract": f"words {number}"}) for number in range(200)]
    tasks = [asyncio.ensure_future(each) for each in ask]
    began = time.monotonic()
    await service.until('akin_requests_refused_total{reason="overloaded"}', 200 - AT_ONCE - WAITING)
    assert time.monotonic() - began < 5
    assert await service.metric("akin_requests_in_flight") == AT_ONCE + WAITING
    assert await service.metric("akin_requests_queued") == WAITING
    assert len(service.encoder.asked) == service.encoder.most == AT_ONCE
    # A full queue of searches does not delay other requests.
    for free in ("/health", "/health/ready", "/docs", "/corpus", "/papers/2001.10003"):
        assert (await service.http.get(free)).status_code == 200, free
    refused = [task.result() for task in tasks if task.done()]
    assert len(refused) == 200 - AT_ONCE - WAITING
    for answer in refused:
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["error"]["code"] == "overloaded"
    service.encoder.may.set()
    answers = [await task for task in tasks]
    assert [answer.status_code for answer in answers].count(200) == AT_ONCE + WAITING
    assert service.encoder.most == AT_ONCE
    assert await service.metric("akin_requests_in_flight") == 0


@pytest.mark.parametrize("path", ["/papers/2001.10003/similar", "/search?like=2001.10003", "/search?q=words&from=2001"])
async def test_every_route_that_searches_waits_for_its_turn(service: Service, path: str) -> None:
    tasks = [asyncio.ensure_future(service.search(f"words {number}")) for number in range(AT_ONCE + WAITING)]
    await service.until("akin_requests_queued", WAITING)
    answer = await service.http.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
    service.encoder.may.set()
    assert {(await task).status_code for task in tasks} == {200}
    assert (await service.http.get(path)).status_code == 200


@pytest.mark.parametrize("mode", ["hybrid", "dense"])
async def test_the_client_may_set_how_long_it_waits(service: Service, mode: str) -> None:
    asked = {"query": "some words", "mode": mode}
    began = time.monotonic()
    answer = await service.http.post("/search", json=asked, headers={"Akin-Timeout": "0.2"})
    assert 0.15 < time.monotonic() - began < 2
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "deadline_exceeded")
    assert int(answer.headers["retry-after"]) >= 1
    await asyncio.sleep(0.01)
    assert service.encoder.given_up == ["some words"]
    service.encoder.asked.clear()
    late = await service.http.post("/search", json=asked, headers={"Akin-Timeout": "0.000001"})
    assert (late.status_code, late.json()["error"]["code"]) == (503, "deadline_exceeded")
    assert service.encoder.asked == []
    for said in ("soon", "0", "-5", "nan", "inf", "5e-324", "0.0000009"):
        wrong = await service.http.post("/search", json=asked, headers={"Akin-Timeout": said})
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "invalid_parameter")
    assert await service.metric('akin_requests_refused_total{reason="deadline_exceeded"}') == 2
    service.encoder.may.set()
    assert (await service.http.post("/search", json=asked, headers={"Akin-Timeout": "5"})).status_code == 200


async def test_no_search_takes_longer_than_the_service_allows(corpus: Any, kit: Any) -> None:
    async with running(corpus, kit, search_seconds=0.1) as service:
        for path in ("/search", "/embed"):
            answer = await service.http.post(path, json={"abstract": "words"}, headers={"Akin-Timeout": "60"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "deadline_exceeded")


async def test_a_search_is_refused_before_anything_of_it_is_read(service: Service) -> None:
    def never() -> list[dict[str, Any]]:
        return [{"type": "http.request", "body": b'{"que', "more_body": True}]

    tasks = [asyncio.ensure_future(service.search(f"words {number}")) for number in range(AT_ONCE + WAITING)]
    await service.until("akin_requests_queued", WAITING)
    for path in ("/search", "/v1/search", "/embed"):
        start, body = await asyncio.wait_for(post(service.app, never(), asyncio.Event(), path), 5)
        assert (start["status"], json.loads(body["body"])["error"]["code"]) == (503, "overloaded")
        assert {b"retry-after", b"content-security-policy"} <= {name for name, _ in start["headers"]}
        assert (b"connection", b"close") not in start["headers"]
    assert await service.metric('akin_requests_total{method="POST",route="/search",status="503"}') == 2
    assert await service.metric('akin_requests_refused_total{reason="overloaded"}') == 3
    # What needs no turn is answered as before, and so is a wrong host.
    assert (await service.http.post("/papers", json={"ids": ["2001.10003"]})).status_code == 200
    wrong = await service.http.post("/search", json={"query": "a"}, headers={"host": "other.example"})
    assert wrong.status_code == 421
    service.encoder.may.set()
    assert {(await task).status_code for task in tasks} == {200}
    assert (await service.search("afterwards")).status_code == 200


async def post(app: Any, messages: Sequence[dict[str, Any]], leaves: asyncio.Event, path: str = "/search") -> list[Any]:
    return await asgi(app, "POST", path, leaves, messages=messages)


def body_of(text: str) -> list[dict[str, Any]]:
    return [{"type": "http.request", "body": json.dumps({"query": text}).encode(), "more_body": False}]


async def test_a_client_that_leaves_is_no_failure_and_its_work_is_cancelled(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    leaves = asyncio.Event()
    half = [{"type": "http.request", "body": b'{"que', "more_body": True}]
    sending = asyncio.ensure_future(post(service.app, half, leaves))
    begun = [asyncio.ensure_future(post(service.app, body_of(f"begun {n}"), leaves)) for n in range(AT_ONCE)]
    waiting = [asyncio.ensure_future(post(service.app, body_of(f"waiting {n}"), leaves)) for n in range(WAITING)]
    await service.until("akin_requests_queued", WAITING)
    leaves.set()
    await asyncio.gather(*begun, *waiting, sending)
    gone = 'akin_requests_total{method="POST",route="/search",status="499"}'
    assert await service.metric(gone) == AT_ONCE + WAITING + 1
    assert sorted(service.encoder.given_up) == [f"begun {n}" for n in range(AT_ONCE)]
    service.encoder.may.set()
    assert (await service.search("another")).status_code == 200
    assert not [text for text in service.encoder.asked if text.startswith("waiting")]
    assert await service.metric("akin_requests_in_flight") == 0
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_the_tool_of_a_client_that_leaves_gives_up_its_search(service: Service) -> None:
    params = {"name": "search_papers", "arguments": {"query": "some words"}}
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    message = {"type": "http.request", "body": json.dumps(asked).encode(), "more_body": False}
    leaves = asyncio.Event()
    call = asyncio.ensure_future(post(service.app, [message], leaves, "/mcp"))
    async with asyncio.timeout(20):  # the first request imports the SDK
        while not service.encoder.asked:
            await asyncio.sleep(0.01)
    leaves.set()
    await asyncio.wait_for(call, 5)
    assert service.encoder.given_up == ["some words"]


async def test_after_a_client_has_left_its_threads_start_no_more_searches(corpus: Any, kit: Any) -> None:
    async with running(corpus, kit, search_threads=1) as service:
        service.encoder.may.set()
        lexical, hold = service.app.state.service.live.current.lexical, threading.Event()
        asked: list[str] = []
        search = lexical.search

        def held(text: str, depth: int, **more: Any) -> Any:
            asked.append(text)
            hold.wait(10)
            return search(text, depth, **more)

        lexical.search = held
        try:
            leaves = asyncio.Event()
            first = asyncio.ensure_future(post(service.app, body_of("first"), asyncio.Event()))
            while not asked:
                await asyncio.sleep(0.005)
            leaving = [asyncio.ensure_future(post(service.app, body_of(f"leaving {n}"), leaves)) for n in range(3)]
            await asyncio.sleep(0.05)
            leaves.set()
            await asyncio.wait_for(asyncio.gather(*leaving), 5)
            hold.set()
            assert (await first)[0]["status"] == 200
            assert asked == ["first"]
        finally:
            hold.set()
            del lexical.search


async def test_a_body_that_does_not_arrive_is_given_up(corpus: Any, kit: Any) -> None:
    async with running(corpus, kit, body_seconds=0.1) as service:
        half = [{"type": "http.request", "body": b'{"que', "more_body": True}]
        for path in ("/search", "/embed"):
            start, body = await asyncio.wait_for(post(service.app, half, asyncio.Event(), path), 5)
            assert start["status"] == 408
            assert (b"connection", b"close") in start["headers"]
            assert json.loads(body["body"])["error"]["code"] == "body_timeout"


def test_over_a_real_connection(corpus: Any, kit: Any, caplog: pytest.LogCaptureFixture) -> None:
    encoder = Hanging(corpus.encoder)
    encoder.may.set()
    settings = Settings(data=corpus.data, watch_seconds=30, search_threads=1, body_seconds=0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = create_app(settings, kit.OneEncoder(encoder))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(base_url=url, timeout=10) as client:
                assert client.post("/search", json={"query": "some words"}).status_code == 200
                encoder.may.clear()
                with pytest.raises(httpx.ReadTimeout):
                    client.post("/search", json={"query": "left alone"}, timeout=0.2)
                gone = 'akin_requests_total{method="POST",route="/search",status="499"}'
                within(5, "the request is counted as gone", lambda: metric(app, gone) == 1)
                assert encoder.given_up == ["left alone"]
                with socket.create_connection(listener.getsockname()) as slow:
                    about = ("Host: localhost", "Content-Type: application/json", "Content-Length: 90")
                    slow.sendall("\r\n".join(("POST /search HTTP/1.1", *about, "", "{")).encode())
                    slow.settimeout(5)
                    answer = b""
                    while more := slow.recv(4096):
                        answer += more
                assert answer.startswith(b"HTTP/1.1 408 ")
                assert b"body_timeout" in answer
        finally:
            server.should_exit = True
            thread.join()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
