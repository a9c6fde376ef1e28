"""The route `/mcp`: the transport as odd clients use it, and the limits that it shares with the other routes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.integration.generated import Corpus
from tests.integration.service import client_of

JSON = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@pytest.fixture(scope="module")
def client(corpus: Corpus) -> Iterator[TestClient]:
    with client_of(corpus.data, corpus.encoder, search_threads=2, allowed_hosts="testserver") as client:
        yield client


def rpc(client: TestClient, method: str, path: str = "/mcp", headers: Any = None, **params: Any) -> Any:
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    answer = client.post(path, json=body, headers={**JSON, **(headers or {})}, follow_redirects=False)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["id"] == 7
    return answer.json()["result"]


def call(client: TestClient, tool: str, headers: Any = None, **arguments: Any) -> Any:
    return rpc(client, "tools/call", name=tool, arguments=arguments, headers=headers)


def said(result: Any) -> str:
    return "\n".join(each["text"] for each in result["content"])


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
def test_both_spellings_of_the_address_answer_without_a_redirect_or_a_session(client: TestClient, path: str) -> None:
    begun = rpc(client, "initialize", path, protocolVersion="2025-06-18", capabilities={},
                clientInfo={"name": "t", "version": "1"})  # fmt: skip
    assert begun["serverInfo"]["name"] == "akin"
    assert "third parties" in begun["instructions"]
    # Another process may answer the next request, so nothing may depend on a session.
    tools = rpc(client, "tools/list", path, headers={"mcp-session-id": "of-another-process"})["tools"]
    assert len(tools) == 6
    told = client.post(path, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=JSON)
    assert (told.status_code, told.content) == (202, b"")


def test_the_newest_protocol_needs_no_handshake(client: TestClient) -> None:
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "corpus_info"}
    found = rpc(client, "tools/call", name="corpus_info", arguments={}, _meta=MODERN, headers=headers)
    assert found["structuredContent"]["papers"] == 1500


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "HEAD"])
def test_no_stream_is_offered(client: TestClient, method: str) -> None:
    answer = client.request(method, "/mcp", headers={"accept": "text/event-stream"})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    if method != "HEAD":
        assert answer.json()["error"]["code"] == "method_not_allowed"


def test_descriptions_tell_what_the_corpus_has(client: TestClient) -> None:
    for tool in rpc(client, "tools/list")["tools"]:
        assert "Corpus: 1500 papers of 2000 to 2024-" in tool["description"]
        for archive in ("cs", "math", "hep-th", "physics"):
            assert archive in tool["description"]
        assert tool["annotations"]["readOnlyHint"] is True
        assert tool["inputSchema"]["additionalProperties"] is False


def test_a_search_finds_what_the_api_finds(client: TestClient, corpus: Corpus) -> None:
    wanted = {"query": corpus.papers[3].title, "k": 7, "categories": ["cs"], "from": "2005", "offset": 2}
    by_api = client.post("/search", json=wanted).json()
    by_tool = call(client, "search_papers", **wanted)
    assert [each["id"] for each in by_tool["structuredContent"]["results"]] == [
        each["id"] for each in by_api["results"]
    ]
    assert by_tool["structuredContent"]["searched"] == by_api["searched"]
    assert by_tool["structuredContent"]["next_offset"] == 9
    for rank, result in enumerate(by_api["results"], 3):
        assert f"{rank}. {result['title']}" in said(by_tool)
    assert "call again with offset 9" in said(by_tool)


def test_the_best_matches_can_be_sorted_by_date(client: TestClient) -> None:
    found = call(client, "search_papers", query="some words", k=20, sort="newest", abstracts="none")
    by_api = client.post("/search", json={"query": "some words", "k": 20, "sort": "newest"}).json()["results"]
    results = found["structuredContent"]["results"]
    assert [each["id"] for each in results] == [each["id"] for each in by_api]
    days = [each["date"] for each in results if each["date"]]
    assert days == sorted(days, reverse=True)


def test_the_tools_about_papers(client: TestClient, corpus: Corpus) -> None:
    paper, other = corpus.papers[0], corpus.papers[1]
    found = call(client, "get_paper", id=f"https://arxiv.org/abs/{paper.id}v2")["structuredContent"]
    assert (found["id"], found["abstract"]) == (paper.id, paper.abstract)
    similar = call(client, "similar_papers", id=paper.id, k=5)["structuredContent"]["results"]
    by_api = client.get(f"/papers/{paper.id}/similar?k=5").json()["results"]
    assert [each["id"] for each in similar] == [each["id"] for each in by_api]
    listed = call(client, "papers_like_list", like=[paper.id], unlike=other.id, k=5)["structuredContent"]["results"]
    by_api = client.post("/search", json={"like": [paper.id], "unlike": [other.id], "k": 5}).json()["results"]
    assert [each["id"] for each in listed] == [each["id"] for each in by_api]
    cited = call(client, "export_citations", ids=[paper.id, other.id], format="ris")
    text = client.post("/citations", json={"ids": [paper.id, other.id], "format": "ris"}).text
    assert said(cited) == cited["structuredContent"]["citations"] == text


def test_an_answer_fits_the_length_that_was_asked_for(client: TestClient) -> None:
    for most, k in ((1000, 50), (3000, 50), (20_000, 50), (1000, 1)):
        found = call(client, "search_papers", query="some words", k=k, abstracts="full", max_characters=most)
        assert len(said(found)) <= most
        assert len(json.dumps(found["structuredContent"], ensure_ascii=False, separators=(",", ":"))) <= most
        content = found["structuredContent"]
        assert content["results"]
        assert len(content["results"]) + content["left_out"] == k
        assert content["next_offset"] == len(content["results"])
    first = call(client, "search_papers", query="some words", k=5)["structuredContent"]["results"]
    second = call(client, "search_papers", query="some words", k=5, offset=5)["structuredContent"]["results"]
    both = call(client, "search_papers", query="some words", k=10, abstracts="none")["structuredContent"]["results"]
    assert [each["id"] for each in first + second] == [each["id"] for each in both]
    assert all(each["abstract"] == "" for each in both)


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("search_papers", {"query": "x", "kk": 3}, "no argument 'kk'. Did you mean k?"),
        ("search_papers", {"query": "x", "k": 51}, "k must be less than or equal to 50."),
        ("search_papers", {"query": "x", "mode": "best"}, "mode must be 'hybrid', 'dense' or 'lexical'"),
        ("search_papers", {}, "The argument query is missing"),
        ("search_papers", {"query": "..."}, "The query has no letter and no digit"),
        ("search_papers", {"query": "x", "from": "last year"}, "from must be a day, month or year that exists"),
        ("search_papers", {"query": "x", "from": "2020", "to": "2019"}, "must not be after"),
        ("search_papers", {"query": "x", "categories": ["zz.ZZ"]}, "zz.ZZ"),
        ("search_papers", {"query": {"a": "b"}}, "query must be a valid string"),
        ("get_paper", {"id": "2999.12345"}, "There is no paper '2999.12345' in this corpus; search by title"),
        ("get_paper", {"id": "2001.10000/similar"}, "There is no paper"),
        ("get_paper", {"id": "../corpus"}, "There is no paper"),
        ("get_paper", {"id": "a\x00\ufffe/b?c#d"}, "There is no paper"),
        ("papers_like_list", {"like": []}, "like must have at least 1 item"),
        ("papers_like_list", {"like": ["2001.10000", "2999.12345"]}, "There is no paper '2999.12345'"),
        ("export_citations", {"ids": ["2001.10000"] * 101}, "ids must have at most 100 items"),
        ("export_citations", {"ids": [f"2001.1{n:04d}" for n in range(50)], "max_characters": 1000}, "at a time"),
        ("corpus_info", {"query": "x"}, "There is no argument 'query'. There are: none."),
    ],
)  # fmt: skip
def test_wrong_arguments_are_explained_to_the_model(client: TestClient, tool: str, arguments: Any, told: str) -> None:
    body = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    headers = {**JSON, "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": tool}
    for more, sent in ((JSON, body), (headers, {**body, "params": {**body["params"], "_meta": MODERN}})):
        answer = client.post("/mcp", content=json.dumps(sent).encode(), headers=more)
        result = answer.json()["result"]
        assert result["isError"] is True
        assert told in said(result)
        assert "structuredContent" not in result or result["structuredContent"] is None


@pytest.mark.parametrize(
    "arguments",
    [
        {"categories": "cs.LG", "authors": None},
        {"categories": '["cs.LG"]', "k": "10", "offset": 0.0},
        {"categories": ["cs.LG", "cs.LG"], "from": "", "to": None},
    ],
)
def test_what_models_write_in_place_of_lists_and_nothing_is_understood(client: TestClient, arguments: Any) -> None:
    plain = call(client, "search_papers", query="some words", categories=["cs.LG"])["structuredContent"]
    assert call(client, "search_papers", query="some words", **arguments)["structuredContent"] == plain


def test_an_unknown_tool_is_an_error_of_the_protocol(client: TestClient) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "download\n", "arguments": {}}}
    error = client.post("/mcp", json=body, headers=JSON).json()["error"]
    assert error["message"].startswith("There is no tool 'download\\n'. There are: search_papers, ")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"7", b'"x"', b'{"jsonrpc": "2.0"}', b"[" * 50_000, b"\xff", b"1" * 9000, rb'{"id": "\ud800"}'],
)
@pytest.mark.parametrize("version", ["2025-06-18", "2026-07-28", "1999", ""])
def test_what_is_no_message_is_refused(client: TestClient, body: bytes, version: str) -> None:
    answer = client.post("/mcp", content=body, headers={**JSON, "mcp-protocol-version": version})
    assert answer.status_code == 400
    assert "error" in answer.json()


def test_bodies_hosts_and_origins_are_checked_as_elsewhere(client: TestClient, corpus: Corpus) -> None:
    assert client.post("/mcp", content=b" " * (1 << 21), headers=JSON).status_code == 413
    assert client.post("/mcp", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    assert client.post("/mcp", json={}, headers={**JSON, "host": "evil.example"}).status_code == 421
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    for origin in ("https://evil.example", "null", "http://testserver.evil.example", "", "http://"):
        refused = client.post("/mcp", json=body, headers={**JSON, "origin": origin})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "origin_not_allowed"), origin
    for origin in ("http://testserver", "https://TESTSERVER"):
        assert client.post("/mcp", json=body, headers={**JSON, "origin": origin}).status_code == 200
    with client_of(corpus.data, corpus.encoder, cors_origins="https://site.example") as open_to_site:
        asked = {"origin": "https://site.example", "access-control-request-method": "POST"}
        asked["access-control-request-headers"] = "content-type,mcp-protocol-version,mcp-method,mcp-name"
        assert open_to_site.options("/mcp", headers=asked).status_code == 200
        answer = open_to_site.post("/mcp", json=body, headers={**JSON, "origin": "https://site.example"})
        assert answer.headers["access-control-allow-origin"] == "https://site.example"


def test_the_rate_limit_counts_a_call_once(corpus: Corpus) -> None:
    with client_of(corpus.data, corpus.encoder, rate_limit=0.001, rate_burst=2) as client:
        for _ in range(2):
            assert call(client, "search_papers", query="some words")["structuredContent"]["results"]
        refused = client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers=JSON)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0


def test_the_deadline_of_a_search_holds(client: TestClient) -> None:
    late = call(client, "search_papers", query="some words", headers={"akin-timeout": "0.000001"})
    assert late["isError"] is True
    assert "not ready in time" in said(late)
    assert "Repeat the call after 1 s." in said(late)
    wrong = call(client, "search_papers", query="some words", headers={"akin-timeout": "soon"})
    assert "Akin-Timeout must be a number of seconds" in said(wrong)


def test_it_can_be_switched_off_and_without_the_package_says_so(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client_of(corpus.data, corpus.encoder, mcp=False) as client:
        assert client.post("/mcp", json={}, headers=JSON).json()["error"]["code"] == "not_found"
    monkeypatch.setattr("retrieval_service.routes.mcp.find_spec", lambda name: None)
    with client_of(corpus.data, corpus.encoder) as client:
        answer = client.post("/mcp", json={}, headers=JSON)
        assert answer.status_code == 404
        assert "install akin[mcp]" in answer.json()["error"]["message"]


def test_an_internal_error_shows_nothing_of_the_service(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr("akin.mcp.answers.found", fail)
    failed = call(client, "search_papers", query="some words")
    assert failed["isError"] is True
    assert said(failed) == "Internal error of the service. Its log has the details."


def test_many_calls_at_once_are_all_answered(client: TestClient) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: call(client, "search_papers", query="some words"), range(24)))
    alone = call(client, "search_papers", query="some words")["structuredContent"]
    assert alone["results"]
    assert [each["structuredContent"] for each in found] == [alone] * 24
