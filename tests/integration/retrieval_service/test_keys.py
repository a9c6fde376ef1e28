"""Keys over the whole application: each way of searching, clients of other makers, streams, sites."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from akin.keys import KeyFile
from tests.integration.service import client_of


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFile:
    return KeyFile(tmp_path_factory.mktemp("keys") / "keys.json")


@pytest.fixture(scope="module")
def texts(keys: KeyFile) -> dict[str, str]:
    return {
        "search": keys.create("search", ["search"])[1],
        "shallow": keys.create("shallow", ["search"], nprobe=64)[1],
        "embed": keys.create("embed", ["embed"])[1],
    }


@pytest.fixture(scope="module")
def client(corpus: Any, keys: KeyFile, texts: dict[str, str]) -> Iterator[TestClient]:
    more = {"keys": str(keys.path), "cors_origins": "https://site.example", "allowed_hosts": "*"}
    with client_of(corpus.data, corpus.encoder, **more) as client:
        yield client


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_a_key_changes_nothing_of_an_answer(client: TestClient, corpus: Any, texts: dict[str, str]) -> None:
    asked = {"query": "gugipivu", "k": 5}
    answer = client.post("/search", json=asked, headers=bearer(texts["search"]))
    with client_of(corpus.data, corpus.encoder) as without:
        assert without.post("/search", json=asked).json()["results"] == answer.json()["results"] != []
        assert without.get("/search?q=gugipivu&api_key=x").status_code == 400  # no such parameter
    assert client.post("/search", json=asked).status_code == 401
    counted = client.app.state.metrics.requests.collect()  # type: ignore[attr-defined]
    labels = [(each.labels["route"], each.labels["status"]) for family in counted for each in family.samples]
    assert ("/search", "200") in labels
    assert ("none", "401") in labels


@pytest.mark.parametrize("name", ["nprobe", "search_effort"])
def test_a_search_deeper_than_the_key_allows_is_refused_in_words(
    client: TestClient, corpus: Any, texts: dict[str, str], name: str
) -> None:
    paper = corpus.papers[0].id
    for method, path, body in (
        ("GET", f"/search?q=a&{name}=65", None),
        ("POST", "/search", {"query": "a", name: 65}),
        ("GET", f"/papers/{paper}/similar?{name}=65", None),
        ("GET", f"/feed?q=a&{name}=65", None),
        ("POST", "/export", {"query": "a", name: 1024}),
    ):
        answer = client.request(method, path, json=body, headers=bearer(texts["shallow"]))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "effort_not_allowed"), path
        assert answer.json()["error"]["detail"] == {"parameter": "search_effort", "limit": 64}
        assert client.request(method, path, json=body, headers=bearer(texts["search"])).status_code == 200, path
    both = {"searches": [{"query": "a", name: 65}, {"query": "a", name: 64}]}
    first, second = client.post("/searches", json=both, headers=bearer(texts["shallow"])).json()["answers"]
    assert (first["status"], first["error"]["code"], second["status"]) == (403, "effort_not_allowed", 200)
    assert client.get(f"/search?q=a&{name}=1025", headers=bearer(texts["search"])).status_code == 400


def test_openai_and_cohere_send_their_key_as_a_bearer(client: TestClient, texts: dict[str, str]) -> None:
    openai = pytest.importorskip("openai")
    maker = {"base_url": "http://localhost/v1", "http_client": client, "max_retries": 0}
    vectors = openai.OpenAI(api_key=texts["embed"], **maker).embeddings.create(model="text_encoder", input=["a", "b"])
    assert len(vectors.data) == 2
    for wrong, error in ((texts["search"], openai.PermissionDeniedError), ("x", openai.AuthenticationError)):
        with pytest.raises(error, match="key"):
            openai.OpenAI(api_key=wrong, **maker).embeddings.create(model="text_encoder", input=["a"])


def test_the_tools_need_a_key_and_act_within_it(client: TestClient, texts: dict[str, str]) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "search_papers", "arguments": {"query": "gugipivu"}}}  # fmt: skip
    headers = {"accept": "application/json, text/event-stream"}
    assert client.post("/mcp", json=call, headers=headers).status_code == 401
    answer = client.post("/mcp", json=call, headers=headers | bearer(texts["search"]))
    assert answer.status_code == 200, answer.text
    assert not answer.json()["result"].get("isError"), answer.text


def test_a_search_is_weighed_and_says_what_is_left(corpus: Any, keys: KeyFile) -> None:
    _, text = keys.create("weighed", ["search"], rate=0.01)
    with client_of(corpus.data, corpus.encoder, keys=str(keys.path), rate_burst=12, allowed_hosts="*") as client:
        left = []
        for asked in ({"k": 10}, {"k": 100}, {"chase": True}, {"highlight": True, "nearest_sentences": True}):
            answer = client.post("/search", json={"query": "a", **asked}, headers=bearer(text))
            # A corpus without references refuses `chase`, after it was weighed.
            assert answer.status_code == (400 if "chase" in asked else 200), answer.text
            left.append(int(answer.headers["ratelimit-remaining"]))
        assert left == [11, 9, 7, 5]
        twice = {"searches": [{"query": "a", "k": 51}, {"query": "b", "k": 100}]}
        answer = client.post("/searches", json=twice, headers=bearer(text))
        assert answer.headers["ratelimit-remaining"] == "1"
        assert client.get("/corpus", headers=bearer(text)).headers["ratelimit-remaining"] == "0"
        refused = client.get("/corpus", headers=bearer(text))
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")
        assert int(refused.headers["retry-after"]) == pytest.approx(100, abs=2)
        # Another key has an account of its own; without AKIN_RATE_LIMIT it is not limited.
        assert "ratelimit-limit" not in client.get("/corpus", headers=bearer(keys.create("b", ["search"])[1])).headers


def test_a_script_of_a_named_site_may_send_a_key_and_read_the_refusal(
    client: TestClient, texts: dict[str, str]
) -> None:
    site = {"origin": "https://site.example"}
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "x-api-key,content-type"}
    assert client.options("/search", headers=site | asks).is_success
    refused = client.get("/corpus", headers=site)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://site.example"
    assert client.get("/corpus", headers=site | {"x-api-key": texts["search"]}).status_code == 200


def test_health_says_that_keys_cannot_be_read(corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("akin.keys.ring._SECONDS_BETWEEN_LOOKS", 0)
    file = KeyFile(tmp_path / "keys.json")
    with client_of(corpus.data, corpus.encoder, keys=str(file.path)) as client:
        ready = client.get("/health/ready")
        assert ready.status_code == 200
        assert ready.json()["components"]["keys"] == {"status": "unreadable"}
        assert client.get("/corpus", headers=bearer("x")).status_code == 503
        _, text = file.create("a", ["search"])
        assert client.get("/health/ready").json()["components"]["keys"] == {"status": "ok"}
        assert client.get("/corpus", headers=bearer(text)).status_code == 200
    with client_of(corpus.data, corpus.encoder) as client:
        assert "keys" not in client.get("/health/ready").json()["components"]


async def test_a_stream_that_began_ends_whole_when_its_key_is_revoked(
    corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("akin.keys.ring._SECONDS_BETWEEN_LOOKS", 0)
    file = KeyFile(tmp_path / "keys.json")
    _, text = file.create("a", ["search"])
    with client_of(corpus.data, corpus.encoder, keys=str(file.path)) as client:
        asked = {"query": "gugipivu", "k": 1000, "format": "jsonl"}
        whole = client.post("/export", json=asked, headers=bearer(text))
        parts: list[bytes] = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                parts.append(message["body"])
                if len(parts) == 1:
                    await asyncio.to_thread(file.revoke, "a")

        messages = iter([{"type": "http.request", "body": json.dumps(asked).encode(), "more_body": False}])

        async def receive() -> Any:
            if (message := next(messages, None)) is None:
                await asyncio.Event().wait()
            return message

        headers = {"host": "localhost", "content-type": "application/json", "authorization": f"Bearer {text}"}
        scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "path": "/export", "raw_path": b"/export",
            "query_string": b"", "root_path": "", "client": ("127.0.0.1", 1), "server": ("localhost", 80),
            "scheme": "http", "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }  # fmt: skip

        async def ask() -> None:
            await client.app(scope, receive, send)  # type: ignore[arg-type]

        assert client.portal is not None
        await asyncio.to_thread(client.portal.call, ask)
        assert b"".join(parts) == whole.content
        assert len(parts) > 2
        assert client.post("/export", json=asked, headers=bearer(text)).status_code == 401
