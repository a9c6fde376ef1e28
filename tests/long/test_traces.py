"""Follow one search from the page's client through the service into Triton, in one trace of a real stack."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from akin.edge import tracing
from akin.stack_settings import Settings
from gradio_ui.client import SearchService
from gradio_ui.settings import Settings as PageSettings
from gradio_ui.state import PageState
from tests.conftest import CACHE, RunningStack, environment_for
from tests.integration.collector import running_collector

QUERY = "zebrafish regeneration kinetics"


@pytest.mark.long
def test_a_search_is_one_trace_from_the_page_to_triton(encoder_repository: Path, tmp_path: Path) -> None:
    with running_collector(tmp_path) as collector:
        environment = environment_for(tmp_path / "data", encoder_repository) | {
            "AKIN_TRACES": collector.url,
            "AKIN_ENCODER_RUNTIME": "onnxruntime",  # it runs no shape before it is ready
        }
        stack = RunningStack(Settings.read(environment), environment)
        (tmp_path / "data" / "corpora").mkdir(parents=True)
        for cached in (CACHE / "data" / "corpora").glob("*"):
            (tmp_path / "data" / "corpora" / cached.name).write_bytes(cached.read_bytes())
        try:
            for arguments in (("up",), ("index", "build", "sample")):
                done = stack.akin(*arguments)
                assert done.returncode == 0, done.stderr
            url, deadline = stack.settings.service_url, time.monotonic() + 120
            while httpx.get(f"{url}/health/ready").json()["status"] != "ok":
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert "akin-triton" not in {span["service"] for span in collector.spans()}  # probes begin no trace
            tracing.start("akin-page", collector.url, 1.0)

            async def ask() -> None:
                async with SearchService(PageSettings(service_url=url)) as page:
                    await page.search(PageState(q=QUERY))

            asyncio.run(ask())
            tracing.stop()
            collector.await_spans("akin-triton", "InferRequest", 120)
            collector.await_spans("akin-service", "POST /search")
        finally:
            stack.akin("down")
        spans = collector.spans()
    (page,) = (span for span in spans if span["name"] == "page POST /search")
    mine = {span["name"]: span for span in spans if span["trace"] == page["trace"]}
    assert mine["POST /search"]["parent"] == page["span"]
    assert mine["embed"]["parent"] == mine["POST /search"]["span"]
    inferred = [span for span in spans if span["name"] == "InferRequest"]
    # The query, and the sentences of the results.
    assert {span["parent"] for span in inferred} == {mine["embed"]["span"], mine["POST /search"]["span"]}
    assert {(span["trace"], span["service"]) for span in inferred} == {(page["trace"], "akin-triton")}
    assert not [span for span in spans if any(word in str(span) for word in QUERY.split())]
