"""The page's gate in front of an application that answers all requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr
import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from akin.edge import refuse
from gradio_ui.client import SearchService
from gradio_ui.gate import LONGEST_BODY, Gate
from gradio_ui.pages.site import Site
from gradio_ui.sessions import NoAnswerPending, Sessions, TooManyPending, TooManyStreams
from gradio_ui.settings import Settings
from gradio_ui.streams import limit_stream
from gradio_ui.values import values_for

JOIN, DATA = "/gradio_api/queue/join", "/gradio_api/queue/data"
ASKED = {
    "data": ["graphs", "hybrid", ["cs.LG"], None, 2024, True, 10, "", False],
    "event_data": None,
    "fn_index": 0,
    "trigger_id": 7,
    "session_hash": "abc",
}


SEARCH = values_for(
    [
        gr.Textbox(),
        gr.Radio([("Hybrid", "hybrid"), ("Dense", "dense")]),
        gr.Dropdown([], multiselect=True),
        *(gr.Number(), gr.Number(), gr.Checkbox(), gr.Number(), gr.Textbox(), gr.Checkbox()),
    ]
)


SITE = Site(SearchService(Settings()), ())


class Queue:
    """The part of Gradio's queue that the gate reads."""

    def __init__(self) -> None:
        self.pending_event_ids_session: dict[str, set[str]] = {}
        self.pending_messages_per_session: dict[str, object] = {}
        self.cleaned: list[str] = []

    async def clean_events(self, *, session_hash: str) -> None:
        self.cleaned.append(session_hash)


class Behind:
    """Application behind the gate: records the requests that pass, and queues the events."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.came: list[tuple[str, str, bytes, bytes]] = []
        self.status = 200
        self.answer = asyncio.Event()
        self.answer.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"] if scope["method"] == "POST" else b""
        self.came.append((scope["method"], scope["path"], scope["query_string"], body))
        if scope["path"] == JOIN and self.status == 200:
            session = json.loads(body)["session_hash"]
            self.queue.pending_event_ids_session.setdefault(session, set()).add(str(len(self.came)))
        if scope["path"] == DATA:
            await self.answer.wait()
            self.queue.pending_event_ids_session.clear()
        await refuse(send, self.status, {"detail": "of Gradio"})


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def behind(queue: Queue) -> Behind:
    return Behind(queue)


@pytest.fixture
async def client(behind: Behind, queue: Queue) -> AsyncIterator[httpx.AsyncClient]:
    sessions = Sessions(queue, each=2, unread=3, streams=2)  # type: ignore[arg-type]
    transport = httpx.ASGITransport(Gate(behind, sessions, {0: SEARCH, 1: SEARCH[-1:]}, SITE))
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/upload"),
        ("POST", "/upload"),
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("GET", "/file=/etc/passwd"),
        ("GET", "/gradio_api/proxy=http://127.0.0.1:8080/corpus"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/run/search"),
        ("POST", "/gradio_api/call/search"),
        ("GET", "/gradio_api/heartbeat/abc"),
        ("POST", "/gradio_api/cancel"),
        ("GET", "/config"),
        ("GET", "/gradio_api/info"),
        ("GET", "/assets/%2e%2e/index.html"),
        ("GET", "/assets/%2e%2e%2findex.html"),
        ("GET", "/assets/a%2f..%2f..%2findex.html"),
        ("GET", "/assets/.env"),
        ("GET", "/assets/a.js%0a"),
        ("GET", "/static/js/other.js"),
        ("GET", "/static/js/iframeResizer.contentWindow.min.js%0a"),
        ("GET", "/theme.css/"),
        ("GET", "/robots.txt/../config"),
    ],
)
async def test_other_routes_are_not_found(client: httpx.AsyncClient, behind: Behind, method: str, path: str) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == 404
    assert behind.came == []
    if path.startswith("/gradio_api"):
        assert answer.json()["error"]["code"] == "not_found"
    else:
        assert "There is nothing at this address" in answer.text
        assert method != "GET" or '<a href="/">To the search page</a>' in answer.text


@pytest.mark.parametrize("path", ["/", "/assets/Index-a_b.c.js", "/theme.css", "/gradio_api/app_id", "/favicon.ico"])
async def test_the_pages_own_routes_pass_without_their_query(
    client: httpx.AsyncClient, behind: Behind, path: str
) -> None:
    assert (await client.get(path, params={"page": "x", "deep_link": "../x"})).status_code == 200
    assert behind.came == [("GET", path, b"", b"")]


@pytest.mark.parametrize(("method", "path"), [("POST", "/"), ("GET", JOIN), ("DELETE", DATA), ("HEAD", "/theme.css")])
async def test_other_methods(client: httpx.AsyncClient, behind: Behind, method: str, path: str) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"]
    assert behind.came == []


async def test_a_search_passes_unchanged(client: httpx.AsyncClient, behind: Behind) -> None:
    answer = await client.post(f"{JOIN}?q=graphs", json=ASKED)
    assert answer.status_code == 200
    [(_, path, address, body)] = behind.came
    assert (path, address, json.loads(body)) == (JOIN, b"", ASKED)


async def test_the_longest_query_passes(client: httpx.AsyncClient) -> None:
    asked = json.dumps({**ASKED, "data": ["\N{GRINNING FACE}" * 20_000, *ASKED["data"][1:]]})  # type: ignore[index]
    assert 240_000 < len(asked) < LONGEST_BODY
    answer = await client.post(JOIN, content=asked, headers={"content-type": "application/json"})
    assert answer.status_code == 200


def _file(**of: str) -> dict[str, Any]:
    return {
        **ASKED,
        "data": [{**of, "meta": {"_type": "gradio.FileData"}}, "hybrid", [], None, None, True, 10, "", False],
    }


@pytest.mark.parametrize(
    "asked",
    [
        _file(path="/etc/passwd"),
        _file(path="http://169.254.169.254/", url="http://169.254.169.254/"),
        {**ASKED, "data": [["a", ["b"]], *[None] * 8]},
        {**ASKED, "data": ["x"]},
        {**ASKED, "data": ["x"] * 500},
        {**ASKED, "data": ["x", "nomode", [], None, None, True, 10, "", False]},
        {**ASKED, "data": ["x", "hybrid", "cs", None, None, True, 10, "", False]},
        {**ASKED, "data": ["x", "hybrid", [["a"]], None, None, True, 10, "", False]},
        {**ASKED, "data": ["x", "hybrid", [], "1", None, True, 10, "", False]},
        {**ASKED, "data": ["x", "hybrid", [], True, None, True, 10, "", False]},
        {**ASKED, "data": ["x", "hybrid", [], 1e300, None, True, 10, "", False]},
        {**ASKED, "data": ["x", "hybrid", [], 10**30, None, True, 10, "", False]},
        {**ASKED, "data": [1, "hybrid", [], None, None, True, 10, "", False]},
        {**ASKED, "data": ["x", "hybrid", [], None, None, True, 10, "", 1]},
        {**ASKED, "fn_index": 2},
        {**ASKED, "fn_index": -1},
        {**ASKED, "fn_index": "0"},
        {**ASKED, "fn_index": True},
        {**ASKED, "session_hash": "../../x"},
        {**ASKED, "session_hash": "abc\n"},
        {**ASKED, "session_hash": None},
        {**ASKED, "event_data": {"index": 1}},
        {**ASKED, "batched": True},
        {**ASKED, "simple_format": True},
        [],
        0,
    ],
    ids=repr,
)
async def test_requests_that_the_page_does_not_send_are_refused(
    client: httpx.AsyncClient, behind: Behind, asked: Any
) -> None:
    answer = await client.post(JOIN, json=asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "not_of_this_page")
    assert answer.json()["detail"] == answer.json()["error"]["message"]
    assert behind.came == []


NOT_A_NUMBER = json.dumps(ASKED).replace("2024", "NaN").encode()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 100_000, b"\xff", NOT_A_NUMBER], ids=lambda each: each[:5].decode("latin-1")
)
async def test_bodies_that_are_not_json_are_refused(client: httpx.AsyncClient, behind: Behind, content: bytes) -> None:
    answer = await client.post(JOIN, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert behind.came == []


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
async def test_other_sites_cannot_send_events(client: httpx.AsyncClient, behind: Behind, kind: str) -> None:
    answer = await client.post(JOIN, content=json.dumps(ASKED), headers={"content-type": kind})
    assert answer.status_code == 415
    assert behind.came == []


async def test_long_bodies_are_refused_with_and_without_a_length(client: httpx.AsyncClient, behind: Behind) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b"x" * 65_536

    for content in (b"x" * 10_000_000, chunks()):
        answer = await client.post(JOIN, content=content, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert behind.came == []


async def test_refusals_of_gradio_get_the_pages_messages(client: httpx.AsyncClient, behind: Behind) -> None:
    for behind.status, status, code in ((503, 503, "queue_full"), (500, 500, "internal"), (422, 500, "internal")):
        answer = await client.post(JOIN, json=ASKED)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert "Gradio" not in answer.text
    behind.status = 503
    assert (await client.post(JOIN, json=ASKED)).headers["retry-after"] == "2"


async def test_one_session_has_a_limit_of_unfetched_answers(client: httpx.AsyncClient) -> None:
    statuses = [(await client.post(JOIN, json=ASKED)).status_code for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    assert (await client.get(DATA, params={"session_hash": "abc"})).status_code == 200
    assert (await client.post(JOIN, json=ASKED)).status_code == 200


async def test_sessions_that_fetch_nothing_are_removed_the_oldest_first(
    client: httpx.AsyncClient, queue: Queue
) -> None:
    for session in "abcde":
        await client.post(JOIN, json={**ASKED, "session_hash": session})
    assert queue.cleaned == ["a", "b"]
    assert set(queue.pending_event_ids_session) == {"c", "d", "e"}


async def test_a_session_that_has_fetched_all_leaves_nothing(client: httpx.AsyncClient, queue: Queue) -> None:
    await client.post(JOIN, json=ASKED)
    queue.pending_messages_per_session["abc"] = object()
    await client.get(DATA, params={"session_hash": "abc"})
    assert (queue.pending_event_ids_session, queue.pending_messages_per_session) == ({}, {})


async def test_a_session_is_removed_when_its_stream_fails(
    client: httpx.AsyncClient, queue: Queue, behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        queue.pending_event_ids_session.clear()
        raise RuntimeError("a mistake in Gradio")

    await client.post(JOIN, json=ASKED)
    queue.pending_messages_per_session["abc"] = object()
    monkeypatch.setattr("gradio_ui.gate.limit_stream", fails)
    with pytest.raises(RuntimeError, match="a mistake in Gradio"):
        await client.get(DATA, params={"session_hash": "abc"})
    assert queue.pending_messages_per_session == {}


@pytest.mark.parametrize(
    "address", ["", "?session_hash=nobody", "?session_hash=abc&session_hash=abc", "?session_hash="]
)
async def test_there_is_no_stream_without_an_event(client: httpx.AsyncClient, behind: Behind, address: str) -> None:
    await client.post(JOIN, json=ASKED)
    answer = await client.get(DATA + address)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "nothing_under_way")
    assert len(behind.came) == 1


async def test_streams_are_bounded(client: httpx.AsyncClient, behind: Behind) -> None:
    behind.answer.clear()
    for session in "abc":
        await client.post(JOIN, json={**ASKED, "session_hash": session})
    open_ones = [asyncio.create_task(client.get(DATA, params={"session_hash": session})) for session in "ab"]
    while len(behind.came) < 5:
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        answer = await client.get(DATA, params={"session_hash": "c"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["error"]["code"] == "too_many_readers"
    behind.answer.set()
    assert [answer.status_code for answer in await asyncio.gather(*open_ones)] == [200, 200]


def test_one_session_has_two_streams_at_most(queue: Queue) -> None:
    sessions = Sessions(queue, streams=9)  # type: ignore[arg-type]
    queue.pending_event_ids_session["abc"] = {"one"}
    with sessions.stream("abc"):
        with sessions.stream("abc"), pytest.raises(NoAnswerPending), sessions.stream("abc"):
            pass
        with sessions.stream("abc"):
            pass


def test_sessions_and_streams_have_limits(queue: Queue) -> None:
    queue.pending_event_ids_session["abc"] = {"one"}
    with pytest.raises(TooManyPending):
        Sessions(queue, each=1).check_pending("abc")  # type: ignore[arg-type]
    with pytest.raises(TooManyStreams), Sessions(queue, streams=0).stream("abc"):  # type: ignore[arg-type]
        pass


async def test_refusals_are_in_the_readers_language(client: httpx.AsyncClient) -> None:
    for language, text in (("en", "Reload the page"), ("de-CH, en;q=0.5", "Laden Sie die Seite neu")):
        answer = await client.post(JOIN, json=[], headers={"accept-language": language})
        assert text in answer.json()["detail"]


async def test_refusals_are_in_the_language_of_the_pages_address(client: httpx.AsyncClient) -> None:
    for page, text in (
        ("http://page.test/?q=x&lang=de", "Laden Sie die Seite neu"),
        ("http://[page?lang=..%2Fde#lang=de", "Reload the page"),
    ):
        answer = await client.post(JOIN, json=[], headers={"accept-language": "en", "referer": page})
        assert text in answer.json()["error"]["message"]


async def test_a_stream_that_lasts_too_long_is_ended() -> None:
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"data", "more_body": True})
        assert [await receive(), await receive()] == [{"type": "http.disconnect"}] * 2

    async def receive() -> Message:
        return await asyncio.Future()

    async def send(message: Message) -> None:
        sent.append(message)

    await limit_stream(app, {}, receive, send, 0.01)
    assert sent[-1] == {"type": "http.response.body", "body": b""}


async def test_websockets_are_closed(behind: Behind, queue: Queue) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await Gate(behind, Sessions(queue), {}, SITE)({"type": "websocket", "path": "/"}, None, send)  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["websocket.close"]
