"""Follow one search from the page's client through the service into Triton, in one trace of a real stack."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from akin.edge import tracing
from gradio_ui.client import SearchService
from gradio_ui.settings import Settings as PageSettings
from gradio_ui.state import PageState
from tests.conftest import STARTS_SOON, RunningStack
from tests.integration.collector import running_collector

QUERY = "zebrafish regeneration kinetics"


@pytest.mark.long
def test_a_search_is_one_trace_from_the_page_to_triton(encoder_repository: Path, tmp_path: Path) -> None:
    with running_collector(tmp_path) as collector:
        own = STARTS_SOON | {"AKIN_TRACES": collector.url}
        with RunningStack.over(tmp_path / "data", encoder_repository, **own) as stack:
            url = stack.settings.service_url
            assert "akin-triton" not in {span["service"] for span in collector.spans()}  # probes begin no trace
            tracing.start("akin-page", collector.url, 1.0)

            async def ask() -> None:
                async with SearchService(PageSettings(service_url=url)) as page:
                    await page.search(PageState(q=QUERY))

            asyncio.run(ask())
            tracing.stop()
            collector.await_spans("akin-triton", "InferRequest", 120)
            collector.await_spans("akin-service", "POST /search")
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
