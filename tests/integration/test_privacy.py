"""The service and the page as they are started by default: they store no query, and reach nothing but each other."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from akin.edge.observed import JsonLines
from akin.stack.processes import free_ports
from tests.integration.generated import built
from tests.integration.service import client_of, start_service

MARKER = "Quokkaprivatequery"
JSON = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
# Loaded by every Python process at its start: connections leave this machine only into a file, and fail.
NO_NETWORK = """
import os, socket
def outside(host):
    return str(host) not in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "", "None") and not str(host).startswith("/")
def watched(real, place):
    def call(*given, **more):
        at = given[place]
        host = at[0] if isinstance(at, tuple) else at
        if outside(host.decode() if isinstance(host, bytes) else host):
            with open(os.environ["ATTEMPTS"], "a") as file:
                file.write(f"{real.__name__} {at}\\n")
            raise OSError("no network")
        return real(*given, **more)
    return call
socket.getaddrinfo = watched(socket.getaddrinfo, 0)
class Socket(socket.socket):
    connect = watched(socket.socket.connect, 1)
    connect_ex = watched(socket.socket.connect_ex, 1)
socket.socket = Socket
"""


def wait_for(address: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while True:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        try:
            httpx.get(address, timeout=5, trust_env=False)
            return
        except httpx.HTTPError:
            time.sleep(0.1)


def ask_everything(service: str, page: str, paper: str) -> list[int]:
    """Send the marker in every kind of request; return the statuses."""
    body: dict[str, Any] = {"query": MARKER, "mode": "lexical"}
    call = {"name": "search_papers", "arguments": {"query": MARKER}}
    rpc = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    posts: list[tuple[str, Any]] = [
        ("/search", body), ("/search", {"query": f"{MARKER} ti:{MARKER} au:{MARKER}"}), ("/search", {"like": MARKER}),
        ("/search", {"query": MARKER, "k": 0}), ("/search", {MARKER: 1}), ("/search", {"query": MARKER * 3_000}),
        ("/searches", {"searches": [body, {"query": MARKER, "categories": [MARKER]}]}),
        ("/export", {**body, "format": "csv"}),
        ("/embed", {"query": MARKER}), ("/embeddings", {"input": [MARKER]}), ("/papers", {"ids": [MARKER]}),
        ("/rerank", {"query": MARKER, "documents": [MARKER]}), ("/references/resolve", {"text": MARKER}),
        ("/citations", {"ids": [MARKER]}), ("/lists/missing", {"ids": [MARKER]}), ("/feedback", {"search": MARKER}),
        ("/mcp", rpc),
    ]  # fmt: skip
    gets = [f"/search?q={MARKER}&mode=lexical", f"/feed?query={MARKER}&mode=lexical", f"/papers/{MARKER}", f"/{MARKER}",
            f"/papers/{paper}/similar?categories={MARKER}", f"/export?query={MARKER}&mode=lexical"]  # fmt: skip
    of_page = [f"/?q={MARKER}", f"/paper/{MARKER}", f"/paper/{paper}?q={MARKER}", f"/feed?q={MARKER}", f"/{MARKER}",
               f"/export/csv?q={MARKER}", f"/map?q={MARKER}", f"/citation/bibtex/{MARKER}"]  # fmt: skip
    event = {"data": [MARKER, "lexical", [], None, None, True, 10, "", False], "fn_index": 0, "session_hash": "reader",
             "event_data": None, "trigger_id": None}  # fmt: skip
    own = {"sec-fetch-site": "same-origin"}
    found: list[int] = []
    with httpx.Client(timeout=30, trust_env=False) as client:
        found += [client.post(service + path, json=sent, headers=JSON).status_code for path, sent in posts]
        found += [client.get(service + path).status_code for path in gets]
        found += [client.get(page + path).status_code for path in of_page]
        found.append(client.post(f"{page}/list/resolve", json={"text": MARKER}, headers=own).status_code)
        found.append(client.post(f"{page}/gradio_api/queue/join", json=event).status_code)
        said = client.get(f"{page}/gradio_api/queue/data", params={"session_hash": "reader"}).text
        assert MARKER in said
    return found


def test_no_query_is_stored_or_logged_and_nothing_is_downloaded(tmp_path: Path) -> None:
    data, attempts, hooks = tmp_path / "data", tmp_path / "attempts", tmp_path / "hooks"
    papers, _, _ = built(data, 80)
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(NO_NETWORK)
    ports = free_ports(2)
    service, page = (f"http://127.0.0.1:{port}" for port in ports)
    written = {
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    for folder in written.values():
        Path(folder).mkdir()
    watched = {**written, "PYTHONPATH": str(hooks), "ATTEMPTS": str(attempts), "PYTHONWARNINGS": "default"}
    serving = start_service(data, ports[0], **watched)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AKIN_")}
    paging = subprocess.Popen(
        [sys.executable, "-m", "gradio_ui"], cwd=Path(__file__).parents[2], text=True,
        env={**kept, **watched, "AKIN_UI_PORT": str(ports[1]), "AKIN_SERVICE_URL": service, "AKIN_DATA": str(data)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        wait_for(f"{service}/health/live", serving)
        wait_for(f"{page}/robots.txt", paging)
        statuses = ask_everything(service, page, papers[0].id)
    finally:
        for process in (serving, paging):
            process.terminate()
    logs = [text or "" for process in (serving, paging) for text in process.communicate(timeout=60)]
    # Requests were answered, refused, and failed for want of an encoder: none of these writes the query.
    assert {200, 400, 404, 503} <= set(statuses)
    for text in logs:
        assert MARKER.lower() not in text.lower()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path for path in files if MARKER.lower().encode() in path.read_bytes().lower()] == []
    assert not attempts.exists(), attempts.read_text()


def test_the_watch_on_the_network_sees_what_leaves(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK)
    code = "import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://example.org', timeout=3)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "ATTEMPTS": str(tmp_path / "attempts")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "example.org" in (tmp_path / "attempts").read_text()


FORGED = f"{MARKER}\nERROR forged\x1b[31m\u202e\u2028end"


@pytest.mark.parametrize("on", [False, True])
def test_the_text_of_searches_is_logged_only_where_the_operator_turns_it_on(
    corpus: Any, caplog: pytest.LogCaptureFixture, on: bool
) -> None:
    call = {"name": "search_papers", "arguments": {"query": f"{MARKER} tool"}}
    rpc = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    with (
        caplog.at_level(logging.DEBUG, logger="retrieval_service"),
        client_of(corpus.data, corpus.encoder, log_queries=on, log_requests=True, allowed_hosts="*") as client,
    ):
        asked = [
            client.post("/search", json={"query": FORGED}),
            client.get("/search", params={"query": f"{MARKER} get"}),
            client.post("/searches", json={"searches": [{"query": f"{MARKER} one"}, {"query": f"{MARKER} two"}]}),
            client.get("/feed", params={"query": f"{MARKER} feed"}),
            client.post("/export", json={"query": f"{MARKER} export", "format": "csv"}),
            client.post("/mcp", json=rpc, headers=JSON),
            client.post("/search", json={"query": f"{MARKER} {'long ' * 3_000}"}),
        ]
        assert {answer.status_code for answer in asked} == {200}
        assert client.get("/search", params={"like": corpus.papers[0].id}).status_code == 200
    lines = [record for record in caplog.records if record.name.startswith("retrieval_service")]
    assert len(lines) > 6  # of requests
    said = [record for record in lines if MARKER in record.getMessage()]
    if not on:
        assert said == []
        return
    assert {record.name for record in said} == {"retrieval_service.queries"}
    texts = [record.getMessage() for record in said]
    for word in ("forged", "get", "one", "two", "feed", "export", "tool"):
        assert sum(word in text for text in texts) == 1, word
    # One line that nothing in it can break or turn, and of bounded length.
    assert all(text.isprintable() and len(text) < 1_100 for text in texts)
    for record in said:
        line = JsonLines().format(record)
        assert "\n" not in line
        assert json.loads(line)["query"].startswith(MARKER)
