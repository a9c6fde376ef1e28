"""Send traces of the page's client and of the service to a collector in a process of its own."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from akin.edge import tracing
from akin.edge.observed import JsonLines
from akin.stack.processes import free_ports
from gradio_ui.client import SearchService
from gradio_ui.settings import Settings as PageSettings
from gradio_ui.state import PageState
from tests.integration.collector import Collector, running_collector
from tests.integration.generated import words
from tests.integration.service import client_of, start_service

SECRET = " ".join(words(77, 5))


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    with running_collector(tmp_path) as running:
        yield running
    tracing.stop()


@pytest.fixture
def traced(collector: Collector) -> Iterator[Collector]:
    assert tracing.start("akin-service", collector.url, 1.0)
    yield collector
    tracing.stop()


def by_name(spans: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {span["name"]: span for span in spans}


def test_a_search_is_a_trace_of_its_steps_and_holds_no_text(corpus: Any, traced: Collector) -> None:
    parent = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    with client_of(corpus.data, corpus.encoder, watch_seconds=0.05, trusted_proxies="*") as client:
        answer = client.post(
            "/search",
            json={"query": SECRET, "facets": True},
            headers={"traceparent": parent, "X-Request-ID": "from-the-page"},
        )
        assert answer.headers["x-request-id"] == "from-the-page"
        refused = client.get("/search", params={"query": "x", "k": SECRET})
        assert refused.status_code == 400
        assert re.fullmatch("[0-9a-f]{16}", refused.headers["x-request-id"])
        exemplars = client.app.state.metrics.text("application/openmetrics-text; version=1.0.0").decode()
        plain = client.app.state.metrics.text().decode()
        client.get("/health/ready")
    tracing.stop()
    spans = traced.await_spans("akin-service", "POST /search")
    mine = by_name([span for span in spans if span["trace"] == "a" * 32])
    assert {"POST /search", "parse", "embed", "search vectors", "search words", "fuse", "fetch", "details"} <= set(mine)
    assert mine["POST /search"]["parent"] == "b" * 16
    assert all(span["parent"] == mine["POST /search"]["span"] for name, span in mine.items() if name == "embed")
    assert mine["POST /search"]["attributes"]["akin.request_id"] == "from-the-page"
    failed = by_name([span for span in spans if span["trace"] != "a" * 32])
    assert failed["parse"]["attributes"]["error.type"]
    assert "GET /health/ready" not in failed
    for text in (json.dumps(spans), exemplars):
        assert all(word not in text for word in SECRET.split())
    assert all(not span["events"] for span in spans)
    found = re.search(r'akin_request_seconds_bucket\{.*\} \S+ # \{trace_id="(\w+)"\}', exemplars)
    assert found is not None
    assert found[1] in {span["trace"] for span in spans}
    assert "trace_id" not in plain


def test_a_stranger_chooses_neither_trace_nor_id(corpus: Any, traced: Collector) -> None:
    given = {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "X-Request-ID": "mine"}
    with client_of(corpus.data, corpus.encoder, watch_seconds=0.05, trusted_proxies="10.0.0.1") as client:
        assert client.get("/corpus", headers=given).headers["x-request-id"] != "mine"
    tracing.stop()
    assert "a" * 32 not in {span["trace"] for span in traced.await_spans("akin-service", "GET /corpus")}


@pytest.mark.parametrize(
    "given",
    [
        {"traceparent": "nonsense", "X-Request-ID": "a\tb"},
        {"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "X-Request-ID": "x" * 65},
        {"traceparent": "ff-" + "a" * 32 + "-" + "b" * 16 + "-01", "X-Request-ID": ""},
    ],
)
def test_ids_that_are_none_are_replaced(corpus: Any, traced: Collector, given: dict[str, str]) -> None:
    with client_of(corpus.data, corpus.encoder, watch_seconds=0.05, trusted_proxies="*") as client:
        answer = client.get("/corpus", headers=given)
    assert answer.status_code == 200
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])


def test_page_and_service_share_a_trace_and_an_id(corpus: Any, collector: Collector) -> None:
    (port,) = free_ports(1)
    service = start_service(
        corpus.data, port, AKIN_TRACES=collector.url, AKIN_LOG_FORMAT="json", AKIN_LOG_REQUESTS="true"
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{url}/health/live", trust_env=False)
                break
            except httpx.HTTPError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        tracing.start("akin-page", collector.url, 1.0)

        async def ask() -> None:
            async with SearchService(PageSettings(service_url=url)) as page:
                await page.search(PageState(q=SECRET))

        asyncio.run(ask())
        tracing.stop()
    finally:
        service.terminate()
        _, log = service.communicate(timeout=60)
        assert service.returncode == 0
    spans = by_name(collector.await_spans("akin-service", "POST /search"))
    assert spans["page POST /search"]["trace"] == spans["POST /search"]["trace"]
    assert spans["POST /search"]["parent"] == spans["page POST /search"]["span"]
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    (logged,) = (line for line in lines if line.get("route") == "/search")
    assert logged["trace"] == spans["POST /search"]["trace"]
    assert logged["request"] == spans["POST /search"]["attributes"]["akin.request_id"]
    assert (logged["method"], logged["status"]) == ("POST", 200)
    assert SECRET.split()[0] not in log


def test_a_collector_that_is_away_delays_no_answer_and_no_end(corpus: Any, caplog: pytest.LogCaptureFixture) -> None:
    (port,) = free_ports(1)
    tracing.start("akin-service", f"http://127.0.0.1:{port}", 1.0)
    with client_of(corpus.data, corpus.encoder, watch_seconds=0.05) as client:
        assert client.post("/search", json={"query": SECRET}).status_code == 200
    started = time.monotonic()
    tracing.stop()
    assert time.monotonic() - started < 60


def test_nothing_is_imported_and_nothing_is_sent_by_default() -> None:
    code = (
        "import sys\n"
        "from akin.edge import tracing, observed\n"
        "import retrieval_service.app\n"
        "assert tracing.start('akin-service', '', 1.0) is False\n"
        "with tracing.span('x') as span:\n    span.set(a=1)\n"
        "assert tracing.headers() == {} and tracing.exemplar() is None\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "[]\n"


def test_traces_without_their_packages_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(tracing.TracingUnavailable, match=r"akin\[tracing\]"):
        tracing.start("akin-service", "http://127.0.0.1:4318", 1.0)


def test_a_line_of_json_has_the_error_and_stays_one_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "failed: %s", ("é\n",), sys.exc_info())
    line = JsonLines().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == "failed: é\n"
    assert "ValueError" in json.loads(line)["exception"]
