"""The page of a paper, over a stub of the service: what it shows, escapes and says where something is missing."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from starlette.applications import Starlette

from gradio_ui.client import SearchService
from gradio_ui.gate import Gate
from gradio_ui.pages.routes import ROUTES
from gradio_ui.pages.site import Site
from gradio_ui.sessions import Sessions
from gradio_ui.settings import Settings
from tests.unit.gradio_ui.elements import Elements

ID = "hep-th/9901001"
EVIL = "A </script><script>alert(1)</script> <b>title</b> with $x<y$"
PAPER = {
    "id": ID, "title": EVIL, "abstract": "One $\\alpha$.\nTwo <i>.", "authors": ["Ada Verne", 'O"Hara', "42"],
    "categories": ["hep-th", "machine learning"], "subjects": ["High Energy Physics - Theory (hep-th)"] * 2,
    "arxiv_id": ID, "published": "1999-01-02", "updated": "2001-02-03", "versions": 3, "doi": "10.5555/x",
    "journal_ref": "Acta <3>", "comments": "12 pages", "withdrawn": True,
    "links": {"abs": "https://arxiv.org/abs/hep-th/9901001", "pdf": "javascript:alert(1)"},
}  # fmt: skip
NEAR = [
    {"id": ID, "title": EVIL, "similarity": 1.0, "x": 0.0, "y": 0.0, "category": "hep-th", "author_count": 3},
    {"id": "2001.00001", "title": EVIL, "similarity": 0.714, "x": 1.0, "y": 0.5, "category": "cs.LG",
     "date": "2020-01-01", "authors": ["Ole Moss"], "author_count": 2},
    {"id": "a b?#", "title": "", "similarity": 0.5, "x": -1.0, "y": -1.0, "category": None, "withdrawn": True},
]  # fmt: skip
DRAWN = {"papers": NEAR, "edges": [{"one": 0, "other": 1}, {"one": 1, "other": 2}], "coverage": None}
FOUND = {
    "k": 10, "offset": 0, "next_cursor": "x", "facets": {"categories": [{"code": "cs.LG", "papers": 3}]},
    "results": [{"id": "a b?#", "title": EVIL, "authors": list("abcde"), "author_count": 9, "date": "2020-01-01"}],
}  # fmt: skip


class Service:
    """Stub of the service that answers by the end of a path, and keeps the requests."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {
            "paper": PAPER, "neighbourhood": DRAWN, "search": FOUND, "citation": "@misc{<key>}",
            "references": NONE, "cited-by": NONE,
        } | answers  # fmt: skip
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        end = request.url.path.rpartition("/")[2]
        answer = self.answers.get(end, self.answers["paper"])
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return answer
        return httpx.Response(200, text=answer) if isinstance(answer, str) else httpx.Response(200, json=answer)

    def asked(self, end: str) -> list[httpx.Request]:
        return [request for request in self.requests if request.url.path.endswith(end)]

    async def get(self, path: str, root: str = "", **headers: str) -> httpx.Response:
        settings = Settings(service_url="http://service.test")
        site = Site(SearchService(settings, httpx.MockTransport(self)), ROUTES, root)
        app = Gate(Starlette(routes=site.routes()), Sessions(None), {}, site)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page") as client:
            return await client.get(path, headers=headers)


def elements(answer: httpx.Response) -> Elements:
    return Elements(re.sub(r"<(meta|link|input|line|circle)[^>]*>|<!doctype html>", "", answer.text))


async def test_all_that_is_known_is_shown_and_escaped() -> None:
    answer = await Service().get(f"/paper/{ID}")
    page = elements(answer)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "<b>title" not in answer.text
    assert "javascript:" not in answer.text
    for shown in (
        "2 Jan 1999",
        "3 Feb 2001",
        "10.5555/x",
        "Acta <3>",
        "12 pages",
        "was withdrawn",
        "@misc{<key>}",
        "hep-th",
    ):
        assert shown in page.text, shown
    links = [each["href"] for each in page.all("a")]
    assert "/?q=au%3A%22Ada+Verne%22" in links
    assert "/?q=au%3A%22OHara%22" in links
    assert not [link for link in links if "42" in link]
    assert "https://arxiv.org/abs/hep-th/9901001" in links
    assert "/feed?like=hep-th%2F9901001" in links
    assert [each["data-akin-list"] for each in page.all("button") if "data-akin-list" in each] == [ID]
    assert len(page.all("h1")) == 1
    assert "akin-tex" in page.all("h1")[0]["class"]
    assert len(page.all("details")) == 3


async def test_the_drawing_and_its_list_have_the_same_papers() -> None:
    page = elements(await Service().get(f"/paper/{ID}"))
    numbered = [each for each in page.all("a") if each.get("data-akin-near")]
    assert [each["href"] for each in numbered] == ["/paper/2001.00001", "/paper/a%20b%3F%23"]
    assert "cosine 0.71" in numbered[0]["aria-label"]
    assert "Ole Moss and others · 2020 · cs.LG" in numbered[0]["aria-label"]
    assert "withdrawn" in numbered[1]["aria-label"]
    assert [each["data-akin-near"] for each in page.all("li") if each.get("data-akin-near")] == ["1", "2"]
    assert page.all("svg")[0]["role"] == "group"
    text = (await Service().get(f"/paper/{ID}")).text
    places = [tuple(map(int, found)) for found in re.findall(r'<circle cx="(\d+)" cy="(\d+)" r="1[12]"', text)]
    assert len(places) == 3
    assert {min(x for x, _ in places), max(x for x, _ in places)} == {22, 618}
    assert len(re.findall("<line ", text)) == 2
    # The first of two papers lies to the right and above.
    assert places[1][0] > places[0][0]
    assert places[1][1] < places[0][1]


@pytest.mark.parametrize(
    "asked", ["arXiv:hep-th/9901001v2", "hep-th%2F9901001v1", "https:%2F%2Farxiv.org%2Fabs%2Fhep-th%2F9901001"]
)
async def test_another_form_of_the_id_is_redirected_to_the_one_form(asked: str) -> None:
    answer = await Service().get(f"/paper/{asked}?sort=newest", root="/akin")
    assert (answer.status_code, answer.headers["location"]) == (302, "/akin/paper/hep-th/9901001?sort=newest")


async def test_the_percent_encoded_form_is_the_same_page() -> None:
    assert (await Service().get("/paper/hep-th%2F9901001")).status_code == 200


UNKNOWN = {"error": {"code": "unknown_paper", "message": "There is no paper 'x'."}}


@pytest.mark.parametrize(
    "path", ["9912.00001", "x/similar", "hep-th/9901001/neighbourhood", "..%2F..%2Fcorpus", "<b>", "x" * 590]
)
async def test_an_unknown_id_is_a_page_that_says_what_to_do(path: str) -> None:
    service = Service(paper=httpx.Response(404, json=UNKNOWN))
    answer = await service.get(f"/paper/{path}")
    assert answer.status_code == 404
    assert "This paper is not in the corpus" in answer.text
    assert "<b>" not in answer.text
    assert 'href="/?q=' in answer.text
    assert all("%2F" in str(request.url) or "/.." not in str(request.url) for request in service.requests)


@pytest.mark.parametrize("path", ["", "%20", "x" * 700, "a%00b", "a%0ab"])
async def test_what_can_be_no_id_does_not_reach_the_service(path: str) -> None:
    service = Service()
    assert (await service.get(f"/paper/{path}")).status_code == 404
    assert service.requests == []


async def test_a_service_that_is_away_is_said_with_the_next_step() -> None:
    answer = await Service(paper=httpx.ConnectError("no")).get(f"/paper/{ID}")
    assert answer.status_code == 503
    assert "akin up" in answer.text


@pytest.mark.parametrize(
    ("part", "others"), [("neighbourhood", "akin-alike"), ("search", "<svg"), ("citation", "<svg")]
)
async def test_a_part_that_fails_leaves_the_others(part: str, others: str) -> None:
    busy = httpx.Response(503, json={"error": {"code": "unavailable", "message": "The <encoder> is away."}})
    answer = await Service(**{part: busy}).get(f"/paper/{ID}")
    assert answer.status_code == 200
    assert "The &lt;encoder&gt; is away." in answer.text
    assert others in answer.text
    assert 'class="akin-text' in answer.text


async def test_a_paper_without_abstract_authors_and_neighbours_has_a_page() -> None:
    service = Service(paper={"id": ID}, neighbourhood={"papers": NEAR[:1]}, search={"k": 10, "results": []})
    answer = await service.get(f"/paper/{ID}")
    assert answer.status_code == 200
    for shown in ("gives no abstract", "No other paper can be drawn", "No paper meets these conditions", f">{ID}</h1>"):
        assert shown in answer.text


NONE = httpx.Response(422, json={"error": {"code": "no_references", "message": "This corpus has none."}})


async def test_citations_between_papers_are_listed_where_the_corpus_knows_them() -> None:
    cited = {"results": FOUND["results"], "total": 1200}
    answer = await Service(**{"cited-by": cited, "references": {"results": [], "total": 0}}).get(f"/paper/{ID}?lang=en")
    page = elements(answer)
    assert "Cited by (1,200)" in page.text
    assert "Cites (0)" in page.text
    links = [each["href"] for each in page.all("a")]
    assert "/?q=cites%3Ahep-th%2F9901001&lang=en" in links
    assert not [link for link in links if "cited-by" in link]
    assert "None in this corpus." in page.text
    without = await Service(**{"cited-by": NONE, "references": NONE}).get(f"/paper/{ID}")
    assert (without.status_code, "Cited by" in without.text, "has none" in without.text) == (200, False, False)


async def test_while_vectors_are_made_the_drawing_says_how_many_there_are() -> None:
    service = Service(neighbourhood=DRAWN | {"coverage": {"with_vectors": 1000, "papers": 20000}})
    assert "1,000 of 20,000 papers" in (await service.get(f"/paper/{ID}")).text


async def test_similar_papers_are_sorted_filtered_and_paged_by_the_address() -> None:
    service = Service()
    answer = await service.get(
        f"/paper/{ID}?sort=oldest&from=2019&to=2021&categories=cs.LG&offset=10&lang=de&q=x&like=y"
    )
    [request] = service.asked("/search")
    sent = httpx.Response(200, content=request.content).json()
    assert {
        "like": [ID],
        "sort": "oldest",
        "from": "2019",
        "to": "2021",
        "categories": ["cs.LG"],
        "offset": 10,
    }.items() <= sent.items()
    assert "query" not in sent
    page = elements(answer)
    assert page.all("html")[0]["lang"] == "de"
    assert "a, b, c, d und andere · 1. Jan. 2020" in page.text
    ways = {each["rel"]: urlsplit(each["href"]) for each in page.all("a") if each.get("rel") in ("prev", "next")}
    expected = {"sort": ["oldest"], "from": ["2019"], "to": ["2021"], "categories": ["cs.LG"], "lang": ["de"]}
    assert parse_qs(ways["next"].query) == expected | {"offset": ["20"]}
    assert parse_qs(ways["prev"].query) == expected
    assert ways["next"].path == f"/paper/{ID}"
    assert {"value": "oldest", "selected": None}.items() <= next(
        o for o in page.all("option") if "selected" in o
    ).items()
    assert [each["href"] for each in page.all("a") if each.get("class", "").startswith("akin-title")] == [
        "/paper/a%20b%3F%23?lang=de"
    ]


async def test_the_last_page_has_no_next_one() -> None:
    answer = await Service(search=FOUND | {"next_cursor": None}).get(f"/paper/{ID}")
    assert 'rel="next"' not in answer.text


@pytest.mark.parametrize("query", ["sort=upwards", "from=abc", "k=9999999", "&".join(["categories=x"] * 300)])
async def test_values_of_the_address_that_cannot_be_used_are_told(query: str) -> None:
    answer = await Service().get(f"/paper/{ID}?{query}")
    assert answer.status_code == 200
    assert "akin-notice" in answer.text.split('id="similar"')[1]
