"""Host names, security headers, requests from other sites, and the metrics port."""

from __future__ import annotations

import json
import signal
import socket
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from starlette.testclient import TestClient

from akin.edge import api_headers
from akin.stack.processes import free_ports
from retrieval_service.metrics_app import create_metrics_app
from retrieval_service.routes.docs import STYLE_SOURCE
from retrieval_service.settings import Settings
from tests.integration.service import client_of, start_service
from tests.servers import await_answer

EVIL = {"origin": "https://evil.example"}
ASK_FIRST = {
    **EVIL,
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type,authorization",
}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/docs", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/corpus", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/papers/nothing", 404),
        ("GET", "/metrics", 404),
        ("DELETE", "/search", 405),
        ("POST", "/search", 415),
        ("GET", "/search?k=x", 400),
    ],
)
def test_every_answer_has_the_headers(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    for name, value in api_headers(STYLE_SOURCE).items():
        assert answer.headers.get_list(name) == [value]


def test_the_answer_to_an_unexpected_error_has_the_headers(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval_service.routes.health._status", None)
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "content-security-policy" in answer.headers


def test_on_loopback_only_loopback_names_are_allowed(corpus: Any) -> None:
    client = client_of(corpus.data, corpus.encoder, allowed_hosts="")
    for host in ("localhost", "127.0.0.1:8080", "[::1]:9"):
        assert client.get("/health/live", headers={"host": host}).status_code == 200
    refused = client.get("/health/live", headers={"host": "rebound.example:8080"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (421, "host_not_allowed")
    assert "content-security-policy" in refused.headers


def test_on_other_addresses_any_name_is_allowed_unless_some_are_set(corpus: Any) -> None:
    ask = {"host": "papers.example"}
    assert (
        client_of(corpus.data, corpus.encoder, service_host="0.0.0.0", allowed_hosts="")
        .get("/health/live", headers=ask)
        .is_success
    )
    listed = client_of(corpus.data, corpus.encoder, service_host="0.0.0.0", allowed_hosts="a.example, *.example.org")
    assert listed.get("/health/live", headers=ask).status_code == 421
    assert listed.get("/health/live", headers={"host": "x.example.org"}).is_success


def test_no_other_site_may_read_unless_it_is_named(corpus: Any) -> None:
    closed = client_of(corpus.data, corpus.encoder)
    for answer in (closed.get("/health/live", headers=EVIL), closed.options("/search", headers=ASK_FIRST)):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    named = client_of(corpus.data, corpus.encoder, cors_origins="https://site.example, http://localhost:3000")
    for answer in (named.get("/health/live", headers=EVIL), named.options("/search", headers=ASK_FIRST)):
        assert "access-control-allow-origin" not in answer.headers
    site = {"origin": "https://site.example"}
    for answer in (
        named.get("/health/live", headers=site),
        named.get("/nowhere", headers=site),
        named.options("/search", headers={**ASK_FIRST, **site}),
    ):
        assert answer.headers["access-control-allow-origin"] == "https://site.example"
        assert "access-control-allow-credentials" not in answer.headers
    assert answer.is_success


def test_errors_and_tags_can_be_read_by_a_named_site(corpus: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    named = client_of(corpus.data, corpus.encoder, cors_origins="https://site.example", rate_limit=0.001, rate_burst=1)
    site = {"origin": "https://site.example", "host": "localhost"}
    asks = {"access-control-request-method": "HEAD", "access-control-request-headers": "if-none-match,akin-timeout"}
    asked_first = named.options("/search", headers={**site, **asks})
    assert asked_first.is_success
    assert int(asked_first.headers["access-control-max-age"]) >= 300
    monkeypatch.setattr("retrieval_service.routes.health._status", None)
    answers = [
        named.get("/health", headers=site),
        named.get("/nowhere", headers=site),
        named.get("/nowhere", headers=site),
        named.get("/health/live", headers={**site, "host": "evil.example"}),
    ]
    assert [answer.status_code for answer in answers] == [500, 404, 429, 421]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == site["origin"]
        readable = "ETag, Retry-After, Akin-Papers, Content-Disposition, X-Request-ID"
        limits = "RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"
        assert answer.headers["access-control-expose-headers"] == f"{readable}, {limits}"
        assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-origin" not in named.get("/nowhere", headers={"origin": "null"}).headers


def test_metrics_are_at_a_port_of_their_own(client: TestClient) -> None:
    answer = client.get("/metrics")
    assert answer.status_code == 404
    assert "AKIN_SERVICE_METRICS_PORT" in answer.json()["error"]["message"]
    assert "/metrics" not in client.get("/openapi.json").json()["paths"]
    metrics = TestClient(create_metrics_app(Settings(allowed_hosts=""), client.app.state.metrics))  # type: ignore[attr-defined]
    assert metrics.get("/metrics").status_code == 421
    answer = metrics.get("/metrics", headers={"host": "127.0.0.1:8081"})
    assert answer.is_success
    assert 'akin_requests_total{method="GET",route="/metrics",status="404"} 1.0' in answer.text
    other = metrics.get("/search", headers={"host": "localhost"})
    assert (other.status_code, other.json()["error"]["code"]) == (404, "not_found")
    # What the operators' port has is nowhere else.
    assert metrics.get("/v1/drift", headers={"host": "localhost"}).json()["error"]["code"] == "no_drift_report"
    for path in ("/drift", "/v1/drift", "/v1/metrics"):
        assert client.get(path).json()["error"]["code"] in ("not_found", "not_here"), path


def test_health_names_no_path_and_no_address(tmp_path: Path, kit: Any) -> None:
    _, encoder, manifest = kit.built(tmp_path, 60)
    (tmp_path / "snapshots" / manifest.id / "vectors.faiss").write_bytes(b"nothing")
    with client_of(tmp_path, encoder) as client:
        answers = [client.get("/health/ready"), client.post("/search", json={"query": "x"})]
    for answer in answers:
        assert answer.status_code == 503
        assert f"{manifest.id}/vectors.faiss" in answer.text
        assert str(tmp_path) not in answer.text
        assert '"/' not in answer.text


def test_the_corpus_names_its_source_without_its_folder(tmp_path: Path, kit: Any) -> None:
    _, encoder, manifest = kit.built(tmp_path, 60)
    path = tmp_path / "snapshots" / manifest.id / "manifest.json"
    path.write_text(path.read_text().replace('"generated"', '"/home/me/papers.jsonl"'))
    with client_of(tmp_path, encoder) as client:
        assert client.get("/corpus").json()["source"] == "papers.jsonl"


def error_of(port: int, address: str) -> tuple[int, str]:
    """Return the status and the code of an error; httpx sends no address of this length."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", address)
        answer = connection.getresponse()
        return answer.status, json.load(answer)["error"]["code"]
    finally:
        connection.close()


@pytest.mark.parametrize("on", [True, False])
def test_one_process_serves_two_ports_and_stops_at_once(tmp_path: Path, on: bool) -> None:
    service, metrics = free_ports(2)
    with start_service(tmp_path, service, AKIN_SERVICE_METRICS_PORT=str(metrics) if on else "0") as running:
        try:
            await_answer(f"http://127.0.0.1:{service}/health/live", running)
            text = "δίκτυα γράφων 图 " * 1_250
            assert error_of(service, f"/search?q={quote(text)}") == (503, "no_snapshot")
            assert error_of(service, f"/search?q={quote(text * 3)}") == (414, "address_too_long")
            if on:
                assert "akin_requests_total" in await_answer(f"http://127.0.0.1:{metrics}/metrics").text
            else:
                with pytest.raises(httpx.ConnectError):
                    httpx.get(f"http://127.0.0.1:{metrics}/metrics", timeout=5)
        finally:
            running.send_signal(signal.SIGTERM)
        assert running.wait(10) == 0


def test_a_taken_metrics_port_is_reported_before_anything_is_opened(tmp_path: Path) -> None:
    [service] = free_ports(1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start_service(tmp_path, service, AKIN_SERVICE_METRICS_PORT=str(port)) as running:
            _, said = running.communicate(timeout=60)
    assert running.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "AKIN_SERVICE_METRICS_PORT" in said
    assert "snapshot" not in said
