"""The page of the map: its HTML, what it passes on from the service, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from gradio_ui.client import SearchService
from gradio_ui.gate import Gate
from gradio_ui.pages import files
from gradio_ui.pages.routes import ROUTES
from gradio_ui.pages.site import Site
from gradio_ui.sessions import Sessions
from gradio_ui.settings import Settings

ABOUT = {
    "version": "0123456789abcdef",
    "papers": 1200,
    "placed": 1150,
    "added": 0,
    "groups": [
        {"code": "cs", "name": "<script>Computers</script>", "papers": 900},
        {"code": "q-bio", "name": "Biology", "papers": 0},
        {"code": "", "name": "Other", "papers": 300},
    ],
    "first_year": 1991,
    "last_year": 2026,
    "labels": [
        {"level": 0, "x": 0.5, "y": 0.5, "text": "<b>Computer & Science", "papers": 900, "category": "cs"},
        {"level": 1, "x": 0.1, "y": 0.5, "text": "<b>Computer & Science", "papers": 90, "category": "cs.OH"},
        {"level": 1, "x": 0.2, "y": 0.5, "text": "quantum dots, spin", "papers": 1},
        {"level": 3, "x": 0.2, "y": 0.5, "text": "too fine", "papers": 12},
    ],
    "tiles": [{"z": 0, "x": 0, "y": 0, "points": 2}],
}
FOUND = [
    {"id": "2001.00001", "title": "First </script><b>", "score": 1.0},
    {"id": "hep-th/9901001", "title": "Second", "score": 0.5},
]
PLACES = [
    {"id": "2001.00001", "title": "First", "x": 0.25, "y": 0.75},
    {"id": "hep-th/9901001", "title": "Second", "x": None, "y": None},
]
NO_MAP = {"error": {"code": "no_map", "message": "This corpus has no map <x>; build one with akin map build."}}


class Service:
    """A stand-in for the search service."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.has_map = True
        self.search: Any = httpx.Response(200, json={"results": FOUND, "k": 10, "snapshot": "s"})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url.raw_path, "ascii"))
        path = request.url.path
        if not self.has_map:
            return httpx.Response(404, json=NO_MAP)
        if path == "/search":
            return self.search  # type: ignore[no-any-return]
        if path.startswith("/map/tiles"):
            return httpx.Response(200, content=bytes(range(12)))
        return httpx.Response(200, json={"points": PLACES} if path != "/map" else ABOUT)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    site = Site(SearchService(Settings(), httpx.MockTransport(service)), ROUTES, "/below")
    gate = Gate(Starlette(routes=site.routes()), Sessions(None), {}, site)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://page") as client:
        yield client


async def test_the_page_lists_its_regions_with_counts_and_searches(client: httpx.AsyncClient) -> None:
    page = re.sub(r"<script.*?</script>", "", (await client.get("/map")).text)
    assert "1,150 papers" in page
    assert "50 more have no vector" in page
    regions = page[page.index("akin-map-regions") :]
    assert regions.count("Computer &amp; Science") == 1
    assert '<a href="/below/?q=cat%3Acs">&lt;b&gt;Computer &amp; Science</a> <small>900 papers</small>' in regions
    assert '<a href="/below/?q=quantum+dots+spin">quantum dots, spin</a> <small>1 paper</small>' in regions
    assert "too fine" not in page
    assert "&lt;script&gt;Computers" in page
    assert "Biology" not in page  # none of its papers
    assert 'data-near="/below/map/near"' in page


async def test_the_page_speaks_german(client: httpx.AsyncClient) -> None:
    page = (await client.get("/map?lang=de")).text
    assert "Karte des Korpus" in page
    assert "1.150 Arbeiten" in page
    assert 'data-near="/below/map/near?lang=de"' in page


async def test_results_are_listed_and_their_places_go_to_the_script(
    client: httpx.AsyncClient, service: Service
) -> None:
    page = (await client.get("/map?q=graphs")).text
    assert 'value="graphs"' in page
    assert '<a href="/below/paper/hep-th/9901001">Second</a> <small>not on the map</small>' in page
    assert 'href="/below/?q=graphs"' in page
    marks = re.search(r'id="akin-map-marks">(.*?)</script>', page)
    assert marks
    title = "First </script><b>"
    assert json.loads(marks[1]) == [{"id": "2001.00001", "title": title, "rank": 1, "x": 0.25, "y": 0.75}]
    assert "/map/points?ids=2001.00001%2Chep-th%2F9901001" in service.asked


async def test_the_description_is_asked_for_once_and_goes_to_the_script(
    client: httpx.AsyncClient, service: Service
) -> None:
    page = (await client.get("/map")).text
    assert service.asked.count("/map") == 1
    described = re.search(r'id="akin-map-about">([^<]*)</script>', page)
    assert described
    found = json.loads(described[1])
    assert found["groups"] == ABOUT["groups"]
    assert found["labels"][0] == ABOUT["labels"][0]  # type: ignore[index]
    assert found["tiles"] == [{"z": 0, "x": 0, "y": 0}]
    assert (found["version"], found["placed"], found["first_year"]) == ("0123456789abcdef", 1150, 1991)


async def test_a_failed_search_leaves_the_map(client: httpx.AsyncClient, service: Service) -> None:
    service.search = httpx.Response(400, json={"error": {"code": "invalid_query", "message": "No <such> query."}})
    answer = await client.get("/map?q=graphs")
    assert answer.status_code == 200
    assert "No &lt;such&gt; query." in answer.text
    assert 'id="akin-map"' in answer.text


async def test_without_a_map_the_page_says_how_to_build_one(client: httpx.AsyncClient, service: Service) -> None:
    service.has_map = False
    answer = await client.get("/map")
    assert answer.status_code == 404
    assert "This corpus has no map &lt;x&gt;" in answer.text
    assert "<code>akin map build</code>" in answer.text


async def test_tiles_and_places_are_passed_on(client: httpx.AsyncClient, service: Service) -> None:
    tile = await client.get("/map/tiles/0123456789abcdef/0/0/0")
    assert tile.content == bytes(range(12))
    assert "immutable" in tile.headers["cache-control"]
    assert (await client.get("/map/near?x=0.5&y=1")).json() == {"points": PLACES}
    assert service.asked[-1] == "/map/near?x=0.5&y=1"


@pytest.mark.parametrize(
    "address",
    [
        "/map/tiles/../../search",
        "/map/tiles/0123456789abcdef/0/0",
        "/map/tiles/x/0/0/0",
        "/map/near?x=0.5",
        "/map/near?x=1e-3&y=0",
        "/map/near?x=0.5&y=0%26k=100",
    ],
)
async def test_other_addresses_are_not_passed_on(client: httpx.AsyncClient, service: Service, address: str) -> None:
    assert (await client.get(address)).status_code == 404
    assert service.asked == []


async def test_the_link_to_the_map_is_asked_for_once(service: Service) -> None:
    async with SearchService(Settings(), httpx.MockTransport(service)) as asked:
        assert [await asked.has_map("s") for _ in range(3)] == [True] * 3
        assert len(service.asked) == 1
        service.has_map = False
        assert [await asked.has_map("t") for _ in range(3)] == [False] * 3
        assert len(service.asked) == 2


def test_script_and_style_are_small() -> None:
    packed = sum(len(files._files()[name].packed) for name in ("map.js", "map.css"))
    assert packed < 10_000
