"""Test the buttons of feedback, and what the page's server passes on."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from gradio_ui.answers import Answer
from gradio_ui.client import SearchService, search_request
from gradio_ui.gate import Gate
from gradio_ui.pages.routes import ROUTES
from gradio_ui.pages.site import Site
from gradio_ui.render import results
from gradio_ui.sessions import Sessions
from gradio_ui.settings import Settings
from gradio_ui.state import PageState
from gradio_ui.words import words
from tests.unit.gradio_ui.elements import Elements

OFFER = {"search": 'id"<', "days": 180, "opened": False}
MARK = {"search": "id", "paper": "2401.1", "rank": 12, "useful": True}


def shown(language: str = "en", **answer: Any) -> str:
    found = {"results": [{"id": "a", "title": "A"}, {"id": "b", "title": "B"}], "k": 10, "offset": 10, **answer}
    return results(PageState(q="x", offset=10), Answer.model_validate(found), {}, words(language))


def test_buttons_are_there_only_where_the_service_offers_them() -> None:
    assert "akin-useful" not in shown()
    assert "akin-stored" not in shown()
    assert search_request(PageState(q="x"))["feedback"] is True


@pytest.mark.parametrize(("language", "useful"), [("en", "Useful"), ("de", "Nützlich")])
def test_each_result_has_two_buttons_that_are_not_pressed(language: str, useful: str) -> None:
    markup = shown(language, feedback=OFFER)
    found = Elements(markup).found
    buttons = [of for name, of in found if name == "button" and "data-akin-useful" in of]
    assert [of["data-akin-useful"] for of in buttons] == ["true", "false"] * 2
    assert {of["aria-pressed"] for of in buttons} == {"false"}
    groups = [of for _, of in found if of.get("role") == "group" and "data-akin-rank" in of]
    assert [of["data-akin-rank"] for of in groups] == ["11", "12"]
    assert all(of["aria-label"] and of["aria-describedby"] == "akin-stored" for of in groups)
    assert useful in markup
    [line] = [of for _, of in found if of.get("id") == "akin-stored"]
    assert line["data-akin-search"] == 'id"<'
    assert "data-akin-opened" not in line
    assert "180" in markup


def test_where_opened_papers_are_kept_the_line_says_so() -> None:
    markup = shown(feedback={**OFFER, "opened": True})
    assert "data-akin-opened" in markup
    assert "which papers you open" in markup


class Page:
    """Plain pages behind the gate, with a service that gives one answer."""

    def __init__(self, status: int = 200, body: Any = None) -> None:
        self.requests: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            return httpx.Response(status, json=body)

        service = SearchService(Settings(service_url="http://service.test"), httpx.MockTransport(answer))
        site = Site(service, ROUTES)
        self.app = Gate(Starlette(routes=site.routes()), Sessions(None), {}, site)  # type: ignore[arg-type]

    async def ask(self, method: str = "POST", **options: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://page") as client:
            return await client.request(method, "/feedback", **options)


async def test_a_mark_is_passed_on_without_anything_of_the_reader() -> None:
    page = Page()
    headers = {"user-agent": "Reader's browser", "cookie": "a=b", "x-forwarded-for": "203.0.113.9"}
    assert (await page.ask(json=MARK, headers=headers)).status_code == 204
    [request] = page.requests
    assert request.url == "http://service.test/feedback"
    assert json.loads(request.content) == MARK
    assert not any(text in str(request.headers).lower() for text in ("reader", "a=b", "203.0.113.9"))
    assert (await page.ask(json={**MARK, "useful": None, "withdraw": True})).status_code == 204
    assert json.loads(page.requests[1].content) == {"search": "id", "paper": "2401.1", "rank": 12, "withdraw": True}


async def test_a_refusal_of_the_service_is_passed_back() -> None:
    unknown = Page(404, {"error": {"code": "unknown_search", "message": "Search again.", "detail": None}})
    refused = await unknown.ask(json=MARK)
    assert (refused.status_code, refused.json()["error"]["message"]) == (422, "Search again.")
    full = Page(507, {"error": {"code": "feedback_full", "message": "No room.", "detail": None}})
    assert (await full.ask(json=MARK)).status_code == 503


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"json": {**MARK, "rank": "12"}}, 422),
        ({"json": {**MARK, "paper": "x" * 501}}, 422),
        ({"json": {**MARK, "address": "203.0.113.9"}}, 422),
        ({"content": b"x" * 10_000_000, "headers": {"content-type": "application/json"}}, 413),
        ({"content": json.dumps(MARK), "headers": {"content-type": "text/plain"}}, 415),
        ({"json": MARK, "headers": {"origin": "https://evil.example"}}, 403),
        ({"json": MARK, "headers": {"sec-fetch-site": "cross-site"}}, 403),
        ({"method": "GET"}, 405),
    ],
)
async def test_what_is_no_mark_of_the_page_is_not_passed_on(options: Any, status: int) -> None:
    page = Page()
    assert (await page.ask(**options)).status_code == status
    assert page.requests == []
