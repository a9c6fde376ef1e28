"""Test both clients against a transport without a network: what they send, repeat, page through and raise."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import pickle
import struct
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

import akin_client
from akin_client import (
    AkinError,
    AnswerError,
    AsyncClient,
    CannotConnect,
    Client,
    CursorExpired,
    NotFound,
    RateLimited,
    Unavailable,
)
from akin_client.retries import Retries

Handler = Callable[[httpx.Request], httpx.Response]
BUSY = {"error": {"code": "overloaded", "message": "Come back later.", "detail": {"waiting": 3}}}


class Server:
    """Transport that gives prepared answers in their order, the last one again and again; keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception | Handler) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):  # a response can be sent once only
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return answer(request)

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.requests]


Run = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that calls a method of either client and returns its answer, or the list that it yields."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("akin_client.client.time.sleep", pauses.append)
    monkeypatch.setattr("akin_client.async_client.asyncio.sleep", sleep)

    def sync(server: Server, name: str, *arguments: Any, options: Any = None, **more: Any) -> Any:
        with Client("http://akin", transport=httpx.MockTransport(server), **(options or {})) as client:
            found = getattr(client, name)(*arguments, **more)
            return list(found) if inspect.isgenerator(found) else found

    def awaited(server: Server, name: str, *arguments: Any, options: Any = None, **more: Any) -> Any:
        async def go() -> Any:
            async with AsyncClient("http://akin", transport=httpx.MockTransport(server), **(options or {})) as client:
                found = getattr(client, name)(*arguments, **more)
                return [each async for each in found] if inspect.isasyncgen(found) else await found

        return asyncio.run(go())

    call = sync if request.param == "sync" else awaited
    call.pauses = pauses  # type: ignore[attr-defined]
    return call


def page(numbers: Sequence[int], cursor: str | None) -> httpx.Response:
    return httpx.Response(200, json={"results": [{"id": f"paper {n}"} for n in numbers], "next_cursor": cursor})


@pytest.mark.parametrize(
    ("name", "arguments", "more", "sent"),
    [
        (
            "search", ("graphs",), {"k": 3, "from_": 2020, "new": True},
            ("POST", "/v1/search", {"query": "graphs", "k": 3, "from": 2020, "new": True}),
        ),
        ("search", (), {"like": ["a/1"], "cursor": None}, ("POST", "/v1/search", {"like": ["a/1"]})),
        ("similar", ("hep-th/9901001",), {"k": 2}, ("GET", "/v1/papers/hep-th/9901001/similar?k=2", None)),
        ("references", ("hep-th/9901001",), {"k": 2}, ("GET", "/v1/papers/hep-th/9901001/references?k=2", None)),
        ("cited_by", ("2401.09032",), {"sort": "oldest"}, ("GET", "/v1/papers/2401.09032/cited-by?sort=oldest", None)),
        ("paper", ("a b?#é",), {}, ("GET", "/v1/papers/a%20b%3F%23%C3%A9", None)),
        ("neighbourhood", ("hep-th/9901001",), {}, ("GET", "/v1/papers/hep-th/9901001/neighbourhood?k=40", None)),
        ("corpus", (), {}, ("GET", "/v1/corpus", None)),
        ("map", (), {}, ("GET", "/v1/map", None)),
        ("map_tile", ("a/b", 3, 1, 7), {}, ("GET", "/v1/map/tiles/a/b/3/1/7", None)),
        ("map_points", (["a", "b/1"],), {}, ("GET", "/v1/map/points?ids=a%2Cb%2F1", None)),
        ("map_near", (0.25, 1.0), {"k": 3}, ("GET", "/v1/map/near?x=0.25&y=1.0&k=3", None)),
        ("papers", (("2401.1", "x/y"),), {}, ("POST", "/v1/papers", {"ids": ["2401.1", "x/y"]})),
        ("missing", (["2401.1"],), {"k": 3, "to": None, "from_": "2020"},
         ("POST", "/v1/lists/missing", {"ids": ["2401.1"], "k": 3, "from": "2020"})),
        ("citations", ("2401.1",), {"format": "ris"}, ("POST", "/v1/citations", {"ids": ["2401.1"], "format": "ris"})),
        ("resolve", ("@misc{a}",), {}, ("POST", "/v1/references/resolve", {"text": "@misc{a}"})),
        (
            "resolve", (({"title": "T", "year": 2020},),), {},
            ("POST", "/v1/references/resolve", {"references": [{"title": "T", "year": 2020}]}),
        ),
        (
            "export", ("a b",), {"format": "csv", "k": 5},
            ("POST", "/v1/export", {"format": "csv", "query": "a b", "k": 5}),
        ),
        ("export", (), {"ids": ["x"]}, ("POST", "/v1/export", {"format": "bibtex", "ids": ["x"]})),
        ("embed", ("text",), {}, ("POST", "/v1/embed", {"query": "text", "input_type": "query"})),
        ("feed", ("a b",), {"like": None, "ids": ["x", "y"]}, ("GET", "/v1/feed?query=a+b&ids=x&ids=y", None)),
        (
            "feedback", ("id", "2401.1", 2), {"useful": False},
            ("POST", "/v1/feedback", {"search": "id", "paper": "2401.1", "rank": 2, "useful": False}),
        ),
        (
            "feedback", ({"q": "a", "from_": 2020}, "x", 1), {"opened": True},
            ("POST", "/v1/feedback", {"request": {"q": "a", "from": 2020}, "paper": "x", "rank": 1, "opened": True}),
        ),
        ("health", (), {}, ("GET", "/v1/health/ready", None)),
    ],
)  # fmt: skip
def test_a_method_sends_one_request_and_returns_its_answer(
    run: Run, name: str, arguments: Any, more: Any, sent: Any
) -> None:
    answer = {"some": "thing", "new_field": [1]}
    server = Server(httpx.Response(200, json=answer))
    found = run(server, name, *arguments, **more)
    assert found == answer or json.loads(found) == answer
    [request] = server.requests
    body = json.loads(request.content) if request.content else None
    assert (request.method, request.url.raw_path.decode(), body) == sent
    assert request.headers["akin-timeout"] == "30"


def test_the_address_may_have_the_version_and_a_path(run: Run) -> None:
    for address in ("http://host/papers/", "http://host/papers/v1"):
        server = Server(httpx.Response(200, json={}))
        with Client(address, transport=httpx.MockTransport(server), timeout=2.5) as client:
            client.corpus()
        assert str(server.requests[0].url) == "http://host/papers/v1/corpus"
        assert server.requests[0].headers["akin-timeout"] == "2.5"


def test_results_come_page_by_page_up_to_the_end(run: Run) -> None:
    server = Server(page(range(100), "second"), page(range(100, 200), "third"), page([200], None))
    assert [each["id"] for each in run(server, "search_all", "graphs", mode="dense")] == [
        f"paper {n}" for n in range(201)
    ]
    asked = {"query": "graphs", "mode": "dense", "k": 100}
    assert server.bodies == [asked, {**asked, "cursor": "second"}, {**asked, "cursor": "third"}]


@pytest.mark.parametrize(("limit", "requests", "k"), [(0, 0, None), (7, 1, 7), (100, 1, 100), (150, 2, 100)])
def test_no_more_pages_are_fetched_than_a_limit_needs(run: Run, limit: int, requests: int, k: int | None) -> None:
    server = Server(lambda request: page(range(json.loads(request.content)["k"]), "next"))
    assert len(run(server, "search_all", "graphs", limit=limit)) == limit
    assert [body["k"] for body in server.bodies] == [k] * requests


def test_pages_begin_at_an_offset_and_an_empty_one_ends_them(run: Run) -> None:
    server = Server(page([1], "a"), page([], "b"))
    assert len(run(server, "search_pages", "graphs", offset=40, k=5)) == 2
    assert server.bodies == [{"query": "graphs", "k": 5, "offset": 40}, {"query": "graphs", "k": 5, "cursor": "a"}]


@pytest.mark.parametrize(
    ("failure", "pause"),
    [
        (httpx.Response(503, json=BUSY, headers={"retry-after": "2"}), 2),
        (httpx.Response(429, json=BUSY, headers={"retry-after": "0"}), 0),
        (httpx.Response(503, headers={"retry-after": "Fri, 01 Jan 2021 00:00:00 GMT"}), 0),
        (httpx.Response(502, text="<html>bad gateway</html>"), None),
        (httpx.DecodingError("cut"), None),
        (httpx.ConnectError("refused"), None),
        (httpx.RemoteProtocolError("closed"), None),
    ],
)
def test_what_may_succeed_later_is_repeated(run: Run, failure: Any, pause: float | None) -> None:
    server = Server(failure, failure, httpx.Response(200, json={"papers": 3}))
    assert run(server, "corpus") == {"papers": 3}
    first, second = run.pauses  # type: ignore[attr-defined]
    if pause is not None:
        assert first == second == pause
    else:
        assert 0.25 <= first <= 0.5 <= second <= 1.0


@pytest.mark.parametrize(
    ("failure", "kind", "message", "times"),
    [
        (httpx.Response(503, json=BUSY), Unavailable, "Come back later.", 4),
        (httpx.Response(503, json=BUSY, headers={"retry-after": "31"}), Unavailable, "Come back later.", 1),
        (
            httpx.Response(503, json=BUSY, headers={"retry-after": "Thu, 01 Jan 2099 00:00:00 GMT"}),
            Unavailable,
            "Come back later.",
            1,
        ),
        (httpx.Response(429, json=BUSY), RateLimited, "Come back later.", 4),
        (httpx.Response(404, json=BUSY), NotFound, "Come back later.", 1),
        (httpx.Response(410, json=BUSY), CursorExpired, "Come back later.", 1),
        (httpx.Response(400, json=BUSY), akin_client.BadRequest, "Come back later.", 1),
        (httpx.Response(500, json=BUSY), akin_client.ServiceError, "Come back later.", 1),
        (httpx.Response(401, json=BUSY), akin_client.NotAllowed, "Come back later.", 1),
        (httpx.Response(403, text="no"), akin_client.NotAllowed, "is 403, and not one of the service's errors", 1),
        (httpx.Response(502, json=["no"]), akin_client.ServiceError, "is 502, and not one", 4),
        (
            httpx.Response(200, text="<html>log in</html>"),
            AnswerError,
            "http://akin/v1/corpus is not Akin's service",
            1,
        ),
        (httpx.ReadTimeout("slow"), CannotConnect, "No answer from http://akin/v1/: slow", 1),
        (httpx.ConnectError("refused"), CannotConnect, "refused", 4),
    ],
)
def test_errors_are_typed_and_have_the_services_text(
    run: Run, failure: Any, kind: type[Exception], message: str, times: int
) -> None:
    server = Server(failure)
    with pytest.raises(kind, match=message.replace(".", r"\.")) as caught:
        run(server, "corpus")
    assert len(server.requests) == times
    if isinstance(caught.value, AnswerError) and message == "Come back later.":
        error = pickle.loads(pickle.dumps(caught.value))
        assert (error.code, error.detail, error.status) == ("overloaded", {"waiting": 3}, failure.status_code)


@pytest.mark.parametrize(
    "failure", [httpx.Response(200, text="<html>"), httpx.Response(403), httpx.ReadTimeout("slow")]
)
def test_errors_do_not_show_the_password_of_an_address(failure: Any) -> None:
    server = Server(failure)
    with Client("http://ada:secret@akin", transport=httpx.MockTransport(server)) as client:
        with pytest.raises(AkinError, match="http://akin/v1/") as caught:
            client.corpus()
        assert "secret" not in str(caught.value)
    assert server.requests[0].headers["authorization"].startswith("Basic ")


def test_repetitions_can_be_forbidden(run: Run) -> None:
    server = Server(httpx.Response(503, json=BUSY))
    with pytest.raises(Unavailable):
        run(server, "corpus", options={"retries": 0})
    assert len(server.requests) == 1
    with pytest.raises(Unavailable):
        run(server, "corpus", options={"retries": Retries(times=5, first=1, longest=2)})
    assert len(server.requests) == 7
    assert max(run.pauses) <= 2  # type: ignore[attr-defined]


def test_an_answer_that_was_not_ready_in_time_is_not_asked_for_again(run: Run) -> None:
    late = {"error": {"code": "deadline_exceeded", "message": "Not ready in time.", "detail": None}}
    server = Server(httpx.Response(503, json=late, headers={"Retry-After": "1"}))
    with pytest.raises(Unavailable, match="Not ready in time"):
        run(server, "corpus")
    assert len(server.requests) == 1


def test_searches_have_their_errors_in_place(run: Run) -> None:
    answers = [{"status": 200, "answer": {"k": 3}}, {"status": 404, **BUSY}]
    server = Server(httpx.Response(200, json={"answers": answers}))
    found, failed = run(server, "searches", [{"query": "a", "from_": 2020}, {"like": "b"}])
    assert found == {"k": 3}
    assert isinstance(failed, NotFound)
    assert failed.message == "Come back later."
    assert server.bodies == [{"searches": [{"query": "a", "from": 2020}, {"like": "b"}]}]


def test_many_texts_are_sent_in_several_requests(run: Run) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        texts = json.loads(request.content)["input"]
        data = [{"embedding": base64.b64encode(struct.pack("<2f", len(text), 0.5)).decode()} for text in texts]
        body = {"data": data, "model": "m", "usage": {"total_tokens": len(texts)}, "truncated": [0]}
        return httpx.Response(200, json=body)

    texts = ["a" * (n % 5) for n in range(514)] + ["b" * 600_000] * 3
    server = Server(answer)
    found = run(server, "embeddings", texts, input_type="query")
    assert [len(body["input"]) for body in server.bodies] == [256, 256, 3, 1, 1]
    assert {(body["encoding_format"], body["input_type"]) for body in server.bodies} == {("base64", "query")}
    assert found["vectors"] == [[float(len(text)), 0.5] for text in texts]
    assert found["truncated"] == [0, 256, 512, 515, 516]
    assert found["tokens"] == len(texts)
    assert run(Server(answer), "embeddings", []) == {"vectors": [], "model": "", "tokens": 0, "truncated": []}


@pytest.mark.parametrize(
    ("name", "arguments", "field"),
    [
        ("embeddings", ("abc",), "input"),
        ("rerank", ("q", "abc"), "documents"),
        ("citations", ("abc",), "ids"),
        ("missing", ("abc",), "ids"),
    ],
)
def test_one_text_is_not_taken_for_a_list_of_letters(
    run: Run, name: str, arguments: tuple[str, ...], field: str
) -> None:
    body = {"data": [], "results": [], "model": "m", "usage": {"total_tokens": 0}, "truncated": []}
    server = Server(httpx.Response(200, json=body))
    run(server, name, *arguments)
    assert [body[field] for body in server.bodies] == [["abc"]]


@pytest.mark.parametrize(
    ("paper_id", "path"),
    [("hep-th/9901001", "hep-th/9901001"), ("../corpus", "..%2Fcorpus"), ("a?b#c", "a%3Fb%23c")],
)
def test_an_id_is_never_the_address_of_another_route(run: Run, paper_id: str, path: str) -> None:
    server = Server(httpx.Response(200, json={}))
    run(server, "paper", paper_id)
    assert server.requests[0].url.raw_path.decode() == f"/v1/papers/{path}"


def test_a_limit_below_1_asks_for_nothing(run: Run) -> None:
    server = Server(page([1, 2, 3], None))
    assert run(server, "search_all", "x", limit=0) == run(server, "search_all", "x", limit=-1) == []
    assert not server.requests


def test_vectors_of_two_encoders_are_not_mixed(run: Run) -> None:
    bodies = [{"data": [], "model": name, "usage": {"total_tokens": 0}, "truncated": []} for name in "ab"]
    server = Server(*(httpx.Response(200, json=body) for body in bodies))
    with pytest.raises(ValueError, match="encoder was changed"):
        run(server, "embeddings", ["x" * 600_000] * 2)


def test_the_reranker_and_the_models(run: Run) -> None:
    ranked = [{"index": 1, "relevance_score": 0.5}]
    server = Server(httpx.Response(200, json={"results": ranked, "data": [{"id": "m"}]}))
    assert run(server, "rerank", "graphs", ["a", "b"], top_n=1) == ranked
    assert server.bodies == [{"query": "graphs", "documents": ["a", "b"], "top_n": 1}]
    assert run(server, "models") == [{"id": "m"}]


def test_both_clients_have_the_same_methods() -> None:
    for name, method in inspect.getmembers(Client, inspect.isfunction):
        other = getattr(AsyncClient, name.replace("__enter__", "__aenter__").replace("__exit__", "__aexit__"))
        assert inspect.signature(other).parameters.keys() == inspect.signature(method).parameters.keys()


def test_the_public_names_are_these() -> None:
    assert {"Client", "AsyncClient", "AkinError"} <= set(akin_client.__all__)
    assert all(hasattr(akin_client, name) for name in akin_client.__all__)


def test_a_key_is_sent_and_is_in_no_error(run: Run) -> None:
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("authorization"))
        return httpx.Response(200, json={"papers": 3})

    with akin_client.Client("http://akin", api_key="akin_x", transport=httpx.MockTransport(answer)) as client:
        client.corpus()
    assert asked == ["Bearer akin_x"]
    for wrong in ("akin_x\r\nHost: evil", "akin x", "\x00", "schlüssel"):
        with pytest.raises(ValueError, match="api_key") as caught:
            akin_client.AsyncClient("http://akin", api_key=wrong)
        assert wrong not in str(caught.value)
