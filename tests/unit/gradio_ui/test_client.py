"""Requests to the service, and the errors that its answers become."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gradio_ui import reader
from gradio_ui.client import (
    AnswerNotUnderstood,
    NoAnswer,
    NothingIndexed,
    RequestFailed,
    RequestRefused,
    SearchService,
    ServiceBusy,
    search_request,
)
from gradio_ui.settings import Settings
from gradio_ui.state import PageState

ANSWER = {
    "results": [{"id": "a", "title": "A title", "score": 0.5, "new_field": 1}],
    "query": {"text": "x", "like": [], "truncated": False, "tokens": None},
    "k": 10,
    "snapshot": "one",
    "timings": {"embed_ms": None, "total_ms": 3.5},
}

Respond = Callable[[httpx.Request], httpx.Response]


def service(respond: Respond) -> SearchService:
    return SearchService(Settings(service_url="http://service.test"), httpx.MockTransport(respond))


def refusal(status: int, code: str) -> Respond:
    return lambda _: httpx.Response(status, json={"error": {"code": code, "message": f"About {code}.", "detail": {}}})


def fails(error: type[httpx.TransportError]) -> Respond:
    def respond(_: httpx.Request) -> httpx.Response:
        raise error("the wire is cut")

    return respond


async def search(respond: Respond) -> RequestFailed:
    async with service(respond) as asked:
        with pytest.raises(RequestFailed) as caught:
            await asked.search(PageState(q="x"))
    return caught.value


@pytest.mark.parametrize(
    ("respond", "kind", "words"),
    [
        (fails(httpx.ConnectError), NoAnswer, "search service does not answer"),
        (fails(httpx.RemoteProtocolError), NoAnswer, "does not answer"),
        (fails(httpx.ReadTimeout), NoAnswer, "in time"),
        (refusal(503, "no_snapshot"), NothingIndexed, "About no_snapshot."),
        (refusal(503, "encoder_unavailable"), ServiceBusy, "About encoder_unavailable."),
        (refusal(429, "overloaded"), ServiceBusy, "About overloaded."),
        (refusal(404, "unknown_paper"), RequestRefused, "About unknown_paper."),
        (lambda _: httpx.Response(502, text="<h1>Bad gateway</h1>"), AnswerNotUnderstood, "502"),
        (lambda _: httpx.Response(200, text="hello"), AnswerNotUnderstood, "not Akin"),
        (lambda _: httpx.Response(200, json={"results": [{"id": 1}], "k": 10}), AnswerNotUnderstood, "not Akin"),
        (lambda _: httpx.Response(307, headers={"location": "/"}), AnswerNotUnderstood, "307"),
    ],
)
async def test_errors_are_translated(respond: Respond, kind: type[RequestFailed], words: str) -> None:
    error = await search(respond)
    assert type(error) is kind
    assert words in str(error)


async def test_a_refusal_keeps_the_code() -> None:
    error = await search(refusal(404, "unknown_paper"))
    assert isinstance(error, RequestRefused)
    assert error.code == "unknown_paper"


async def test_a_bug_is_not_reported_as_a_failed_request() -> None:
    def respond(_: httpx.Request) -> httpx.Response:
        raise ZeroDivisionError

    async with service(respond) as asked:
        with pytest.raises(ZeroDivisionError):
            await asked.search(PageState(q="x"))


async def test_a_search_sends_the_values_of_the_state() -> None:
    seen: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=ANSWER)

    async with service(respond) as asked:
        answer = await asked.search(
            PageState(q="x", mode="dense", categories=("cs.LG",), from_year=2020, k=5, offset=5)
        )
    assert (seen[0].method, seen[0].url.path) == ("POST", "/search")
    assert float(seen[0].headers["akin-timeout"]) == Settings().ui_answer_seconds
    assert seen[0].headers["accept-encoding"] == "identity"
    assert json.loads(seen[0].content) == {
        "query": "x",
        "mode": "dense",
        "categories": ["cs.LG"],
        "from": "2020",
        "k": 5,
        "offset": 5,
        "highlight": True,
        "nearest_sentences": True,
        "facets": True,
        "feedback": True,
        "suggest": True,
    }
    assert [paper.title for paper in answer.results] == ["A title"]


def test_a_liked_paper_replaces_the_query() -> None:
    body = search_request(PageState(like=("hep-th/9901001",), to_year=2001))
    assert body["like"] == ["hep-th/9901001"]
    assert body["to"] == "2001"
    assert {"query", "suggest"}.isdisjoint(body)
    assert "unlike" not in body
    assert "withdrawn" not in body
    assert search_request(PageState(q="x", withdrawn="exclude"))["withdrawn"] == "exclude"
    assert search_request(PageState(q="x", sort="newest"))["sort"] == "newest"
    assert {"sort", "diversity"}.isdisjoint(body)
    assert search_request(PageState(q="x", varied=True))["diversity"] == 0.3
    assert "diversity" not in search_request(PageState(q="x", varied=True, sort="newest"))
    assert search_request(PageState(like=("a",), unlike=("b",)))["unlike"] == ["b"]
    assert {"citation_boost", "chase"}.isdisjoint(body)
    linked = search_request(PageState(q="x", boosted=True, chase=True))
    assert (linked["citation_boost"], linked["chase"]) == (0.5, True)
    assert "citation_boost" not in search_request(PageState(q="x", boosted=True, sort="oldest"))


async def test_the_corpus_is_requested_again_only_for_another_snapshot() -> None:
    snapshots = iter(["one", "two", "three"])
    async with service(lambda _: httpx.Response(200, json={"papers": 5, "snapshot": next(snapshots)})) as asked:
        assert (await asked.corpus()).snapshot == "one"
        assert (await asked.corpus("one")).snapshot == "one"
        assert (await asked.corpus("two")).snapshot == "two"
        assert (await asked.corpus()).snapshot == "three"


async def test_the_reason_for_waiting_is_logged_whenever_it_changes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gradio_ui.client._LOOK_SECONDS", 0.0)
    answers = iter([None, None, 503, 503, 200])

    def respond(request: httpx.Request) -> httpx.Response:
        status = next(answers)
        if status is None:
            raise httpx.ConnectError("refused")
        return httpx.Response(status, json={})

    async with service(respond) as asked:
        await asked.await_ready()
    assert [record.getMessage() for record in caplog.records if record.name == "gradio_ui.client"] == [
        "waiting for http://service.test: nothing answers there",
        "waiting for http://service.test: it has nothing to search yet",
        "http://service.test is ready",
    ]
    assert next(answers, "asked no more") == "asked no more"


async def test_the_page_sends_its_key_and_the_address_of_the_reader_of_each_request() -> None:
    seen: list[tuple[str | None, str | None]] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers.get("authorization"), request.headers.get("akin-reader")))
        return httpx.Response(200, json=ANSWER)

    settings = Settings(service_url="http://service.test", api_key="akin_x")  # type: ignore[arg-type]
    asked = SearchService(settings, httpx.MockTransport(respond))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.gather(asked.search(PageState(q="x")), asked.search(PageState(q="y")))

    async def visit(client: tuple[str, int] | None) -> None:
        await reader.Reader(app)({"type": "http", "client": client}, None, None)

    # Several readers at once: each request is for its own.
    await asyncio.gather(
        *(asyncio.create_task(visit(client)) for client in (("192.0.2.1", 1), ("2001:db8::7", 2), None))
    )
    assert sorted(seen, key=str) == sorted(
        [("Bearer akin_x", address) for address in ("192.0.2.1", "2001:db8::7", None) for _ in range(2)], key=str
    )
    assert "akin_x" not in repr(settings)


@pytest.mark.parametrize("code", ["key_required", "key_not_accepted", "keys_unavailable", "scope_required"])
async def test_a_page_without_a_key_says_so_and_logs_the_reason(code: str, caplog: pytest.LogCaptureFixture) -> None:
    failed = await search(refusal(401, code))
    assert isinstance(failed, ServiceBusy)
    assert "AKIN_API_KEY" in str(failed)
    assert f"About {code}." in caplog.text


async def test_the_password_of_the_services_address_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(service_url="http://eva:s3cret@service.test:8080")
    service = SearchService(settings, httpx.MockTransport(refusal(401, "key_required")))
    with pytest.raises(ServiceBusy):
        await service.search(PageState(q="x"))
    assert "service.test:8080" in caplog.text
    assert service.url == "http://service.test:8080"
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("address", ["1\r\nX: 1", "ä", ""])
async def test_no_odd_address_becomes_a_header(address: str) -> None:
    reader.remember(address)
    assert reader.headers() == {}
