"""What the second service of a comparison is asked, and when."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from retrieval_service.feedback.second_service import SecondService
from retrieval_service.routes.search import SEARCH
from retrieval_service.search.request import Mode, SearchRequest, Sort


def service(transport: httpx.AsyncBaseTransport | None = None) -> SecondService:
    return SecondService("http://second", 1.0, 5.0, SEARCH.values, transport)


@pytest.mark.parametrize(
    ("asked", "drawn"),
    [
        ({}, True),
        ({"chase": True}, True),
        ({"offset": 10}, False),
        ({"mode": Mode.LEXICAL}, False),
        ({"sort": Sort.CITATIONS}, False),
        ({"diversity": 0.5}, False),
        ({"citation_boost": 0.5}, False),
    ],
)
def test_first_pages_in_the_order_of_relevance_are_compared(asked: dict[str, Any], drawn: bool) -> None:
    assert service().draws(SearchRequest(text="words", **asked), "seed") is drawn


def test_what_stands_beside_the_results_is_not_asked_for() -> None:
    received: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        received.append(json.loads(request.content))
        return httpx.Response(503)

    wanted = SearchRequest(text="words", k=7, highlight=True, facets=True, suggest=True, chase=True, feedback=True)
    assert asyncio.run(service(httpx.MockTransport(answer)).search(wanted)) is None
    assert received == [{"query": "words", "k": 7, "highlight": True}]
