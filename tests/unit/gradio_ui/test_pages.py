"""Plain pages beside the search page: routes, documents, files and errors, behind the gate."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gradio_ui.client import AnswerNotUnderstood, NoAnswer, NothingIndexed, RequestRefused, SearchService
from gradio_ui.gate import Gate
from gradio_ui.pages import files
from gradio_ui.pages.document import document
from gradio_ui.pages.site import Route, Site
from gradio_ui.pages.visit import Visit
from gradio_ui.sessions import Sessions
from gradio_ui.settings import Settings
from tests.unit.gradio_ui.elements import Elements

FAILURES = {
    "unknown": RequestRefused("There is no paper <x>.", "unknown_paper"),
    "refused": RequestRefused("Too long.", "query_too_long"),
    "away": NoAnswer("The search service does not answer."),
    "empty": NothingIndexed("No snapshot."),
    "odd": AnswerNotUnderstood("Something else."),
}


class Ids(BaseModel):
    ids: list[str] = Field(max_length=3)


async def show(request: Request, site: Site) -> Response:
    if error := FAILURES.get(request.path_params["name"]):
        raise error
    return site.page(request, "Tests & more", f"<h1>{site.visit(request).link('paper/a/b c')}</h1>")


async def take(request: Request, site: Site, body: Ids) -> Response:
    return JSONResponse(body.ids)


ROUTES = (Route("/test/{name:path}", show), Route("/take", take, body=Ids, longest_body=1024))


def gate(root: str = "") -> Gate:
    site = Site(SearchService(Settings()), ROUTES, root)
    return Gate(Starlette(routes=site.routes()), Sessions(None), {}, site)  # type: ignore[arg-type]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gate()), base_url="http://page") as client:
        yield client


async def test_a_page_has_landmarks_its_language_and_only_own_files(client: httpx.AsyncClient) -> None:
    answer = await client.get("/test/a", headers={"accept-language": "de-AT, en;q=0.5"})
    page = Elements(re.sub(r"<(meta|link)[^>]*>|<!doctype html>", "", answer.text))
    assert answer.status_code == 200
    assert page.all("html") == [{"lang": "de", "data-akin-root": "/"}]
    assert len(page.all("main")) == len(page.all("header")) == len(page.all("nav")) == len(page.all("h1")) == 1
    assert "Zum Inhalt springen" in page.text
    assert "<title>Tests &amp; more – Akin</title>" in answer.text
    assert answer.headers["vary"] == "Accept-Language"
    assert answer.headers["content-security-policy"] == "script-src 'self'"
    assert [script for script in page.all("script") if not script.get("src")] == [
        {"type": "application/json", "id": "akin-words"}
    ]
    named = re.findall(r'(?:src|href)="(/files/[^"]+)"', answer.text)
    assert len(named) >= 3
    for name in named:
        file = await client.get(name)
        assert file.status_code == 200
        assert "immutable" in file.headers["cache-control"]


async def test_the_address_chooses_the_language_and_links_keep_it(client: httpx.AsyncClient) -> None:
    answer = await client.get("/test/a", params={"lang": "de"}, headers={"accept-language": "en"})
    assert '<html lang="de"' in answer.text
    assert "<h1>/paper/a/b%20c?lang=de</h1>" in answer.text
    plain = await client.get("/test/a", headers={"accept-language": "de"})
    assert "<h1>/paper/a/b%20c</h1>" in plain.text


@pytest.mark.parametrize(
    "language",
    ["../../x", "de/../en", "DE", "x" * 5000, "\x00", "*", "de;q=2", "en-", ";;;q=,", "q=1", "<script>", "zz"],
)
async def test_odd_languages_give_the_default(client: httpx.AsyncClient, language: str) -> None:
    asked = await client.get("/test/a", params={"lang": language})
    assert (asked.status_code, '<html lang="en"' in asked.text) == (200, True)
    header = "".join(letter for letter in language if letter.isprintable())
    wished = await client.get("/test/a", headers={"accept-language": header})
    assert wished.status_code == 200


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        ("unknown", 404, "There is no paper &lt;x&gt;."),
        ("refused", 422, "Too long."),
        ("away", 503, "The search service is unavailable"),
        ("empty", 503, "There are no papers yet"),
        ("odd", 503, "Something else."),
    ],
)
async def test_failures_are_pages(client: httpx.AsyncClient, name: str, status: int, text: str) -> None:
    answer = await client.get(f"/test/{name}")
    assert (answer.status_code, text in answer.text, "<main" in answer.text) == (status, True, True)
    assert ("retry-after" in answer.headers) is (status == 503)


@pytest.mark.parametrize(
    "path", ["/nowhere", "/tests", "/test", "/files/page.js", "/files/../page.js", "/test/a%00", "/test/" + "a" * 601]
)
async def test_other_addresses_are_a_page_too(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is nothing at this address" in answer.text
    assert (await client.post(path)).json()["error"]["code"] == "not_found"


async def test_methods_are_those_of_the_route(client: httpx.AsyncClient) -> None:
    assert (await client.head("/test/a")).status_code == 200
    for method, path in (("POST", "/test/a"), ("GET", "/take"), ("DELETE", "/take")):
        answer = await client.request(method, path)
        assert (answer.status_code, bool(answer.headers["allow"])) == (405, True)


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({**JSON}, b'{"ids": ["a"]}', 200),
        ({**JSON, "sec-fetch-site": "same-origin", "origin": "http://page"}, b'{"ids": ["a"]}', 200),
        ({**JSON, "origin": "https://page"}, b'{"ids": ["a"]}', 200),
        ({**JSON, "origin": "https://evil.example"}, b'{"ids": ["a"]}', 403),
        ({**JSON, "origin": "null"}, b'{"ids": ["a"]}', 403),
        ({**JSON, "origin": "http://[::1"}, b'{"ids": ["a"]}', 403),
        ({**JSON, "sec-fetch-site": "cross-site"}, b'{"ids": ["a"]}', 403),
        ({**JSON, "sec-fetch-site": "same-site", "origin": "http://page"}, b'{"ids": ["a"]}', 403),
        ({"content-type": "text/plain"}, b'{"ids": ["a"]}', 415),
        ({}, b'{"ids": ["a"]}', 415),
        ({**JSON}, b'{"ids": ["a", "b", "c", "d"]}', 422),
        ({**JSON}, b"{", 422),
        ({**JSON}, b"\xff", 422),
        ({**JSON}, b"[" * 1000, 422),
        ({**JSON}, b" " * 1025, 413),
    ],
)
async def test_a_body_is_checked(
    client: httpx.AsyncClient, headers: dict[str, str], content: bytes, status: int
) -> None:
    answer = await client.post("/take", headers=headers, content=content)
    assert answer.status_code == status
    assert answer.json() == ["a"] if status == 200 else answer.json()["error"]["message"]


async def test_links_start_at_the_root_path() -> None:
    transport = httpx.ASGITransport(gate("/akin"))
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        page = (await client.get("/test/a")).text
    addresses = re.findall(r'(?:src|href)="([^"#?]*)', page)
    assert addresses
    assert all(address.startswith("/akin/") for address in addresses if address)
    assert '<html lang="en" data-akin-root="/akin/">' in page


async def test_a_file_is_sent_packed_or_not(client: httpx.AsyncClient) -> None:
    address = "/" + files.address("page.js")
    packed = await client.get(address)
    plain = await client.get(address, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])


def test_a_title_is_text() -> None:
    page: Any = document("</title><script>alert(1)</script>", "<h1>x</h1>", visit=Visit("en"))
    assert "<script>alert" not in page
