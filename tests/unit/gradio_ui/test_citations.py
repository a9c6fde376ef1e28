"""Citations on the page are the service's, to the letter."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from gradio_ui.answers import FoundPaper
from gradio_ui.card import paper_card
from gradio_ui.citations import PATH, citation_route
from gradio_ui.client import SearchService
from gradio_ui.gate import Gate, _methods
from gradio_ui.pages.site import Site
from gradio_ui.sessions import Sessions
from gradio_ui.settings import Settings
from gradio_ui.state import PageState
from gradio_ui.words import words

EN = words("en")

TEXT = "TY  - UNPB\r\nTI  - Müller\r\nER  - \r\n"


def page_of(answer: httpx.Response | Exception, asked: list[httpx.URL]) -> TestClient:
    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        if isinstance(answer, Exception):
            raise answer
        return answer

    service = SearchService(Settings(), httpx.MockTransport(respond))
    app = Starlette(routes=[Route(PATH, citation_route(service))])
    return TestClient(Gate(app, Sessions(None), {}, Site(service, [])))  # type: ignore[arg-type]


def test_the_text_is_passed_on_unchanged() -> None:
    asked: list[httpx.URL] = []
    page = page_of(httpx.Response(200, text=TEXT), asked)
    answer = page.get("/citation/ris/hep-th%2F9901001")
    assert (answer.status_code, answer.content) == (200, TEXT.encode())
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert asked[0].raw_path == b"/papers/hep-th%2F9901001/citation?format=ris"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/citation/ris/hep-th/9901001", ("GET",)),
        ("/citation/csl-json/2401.00001", ("GET",)),
        *(
            (path, None)
            for path in ("/citation/word/2401.00001", "/citation/ris/", "/citation/ris", "/citation/ris/a\n")
        ),
    ],
)
def test_the_gate_lets_citations_through(path: str, methods: tuple[str, ...] | None) -> None:
    assert _methods(path) == methods


def test_an_unknown_paper_is_named_in_the_readers_language() -> None:
    error = {"code": "unknown_paper", "message": "There is no paper 'nope'.", "detail": {"id": "nope"}}
    page = page_of(httpx.Response(404, json={"error": error}), [])
    assert page.get("/citation/ris/nope").text == "There is no paper 'nope'."
    german = page.get("/citation/ris/nope?lang=de").text
    assert german.startswith("Die Arbeit „nope“ ist nicht in diesem Korpus. Prüfen Sie die ID")


def test_a_service_that_is_away_is_told_in_words() -> None:
    answer = page_of(httpx.ConnectError("away"), []).get("/citation/bibtex/2401.00001")
    assert (answer.status_code, answer.text.startswith("The search service does not answer.")) == (503, True)


def test_the_card_offers_every_format() -> None:
    card = paper_card(FoundPaper(id='2401.00001"<', title="T"), 1, 1.0, PageState(q="x"), {}, EN)
    assert 'data-akin-cite="2401.00001&quot;&lt;"' in card
    assert all(f'data-akin-format="{form}"' in card for form in ("bibtex", "ris", "csl-json"))
