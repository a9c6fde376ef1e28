"""The page and the API below paths of a proxy with TLS, which removes the paths or keeps them."""

from __future__ import annotations

import gzip
import json
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from akin.stack.processes import free_ports
from tests.integration.proxy import certificate, proxy
from tests.integration.service import start_service
from tests.servers import await_answer, started_page

WORDS = "gugipivu"


@pytest.fixture(scope="module")
def ports(corpus: Any) -> Iterator[dict[str, int]]:
    """Start the page and the service; yield their ports by the paths under which a proxy publishes them."""
    service, page = free_ports(2)
    address = f"http://127.0.0.1:{service}"
    with (
        start_service(corpus.data, service, AKIN_SERVICE_ROOT_PATH="/api") as serving,
        started_page(page, address, AKIN_UI_ROOT_PATH="/akin") as paging,
    ):
        try:
            await_answer(f"{address}/corpus", serving)
            await_answer(f"http://127.0.0.1:{page}/", paging)
            yield {"/api": service, "/akin": page}
        finally:
            serving.terminate()


@pytest.fixture(scope="module", params=[False, True], ids=["prefix removed", "prefix kept"])
def site(ports: dict[str, int], request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Yield a client of a proxy before both, which trusts the proxy's certificate alone."""
    key, signed = certificate(tmp_path_factory.mktemp("tls"))
    with (
        proxy(key, signed, ports, keep_prefix=request.param) as url,
        httpx.Client(base_url=url, verify=ssl.create_default_context(cafile=signed), timeout=20) as client,
    ):
        yield client


def config(html: str) -> dict[str, Any]:
    """Return Gradio's configuration in the page."""
    found: dict[str, Any] = json.JSONDecoder().raw_decode(html.partition("window.gradio_config = ")[2])[0]
    return found


def test_the_page_and_all_that_it_loads_are_below_the_path(site: httpx.Client) -> None:
    shown = site.get("/akin/")
    assert shown.status_code == 200
    assert config(shown.text)["root"] == f"{str(site.base_url).rstrip('/')}/akin"
    links = re.findall(r'<(?:link|script)[^>]* (?:href|src)="([^"]+)"', shown.text)
    loaded = [urljoin(str(shown.url), link) for link in [*links, "theme.css"]]
    assert {f"{shown.url}{name}" for name in ("favicon.ico", "manifest.json")} <= set(loaded)
    assert len(loaded) >= 5
    for url in loaded:
        assert urlsplit(url).path.startswith("/akin/")
        assert site.get(url).status_code == 200, url
    script = next(url for url in loaded if "/assets/" in url and url.endswith(".js"))
    # Gradio's scripts import further ones by relative names.
    further = re.search(r'"(\./[A-Za-z0-9_-]+\.js)"', site.get(script).text)
    assert further
    assert site.get(urljoin(script, further[1])).status_code == 200


def test_what_is_not_there_names_the_page(site: httpx.Client) -> None:
    nothing = site.get("/akin/nothing")
    assert nothing.status_code == 404
    assert '<a href="/akin/">To the search page</a>' in nothing.text


def test_the_path_without_its_slash_leads_to_the_page(ports: dict[str, int]) -> None:
    answer = httpx.get(f"http://127.0.0.1:{ports['/akin']}/akin")
    assert (answer.status_code, answer.headers["location"]) == (308, "/akin/")


def test_a_search_through_the_queue_shows_papers(site: httpx.Client) -> None:
    root = config(site.get("/akin/").text)["root"]
    event = {"fn_index": 0, "session_hash": "reader", "event_data": None, "trigger_id": None}
    asked = {"data": [WORDS, "lexical", [], None, None, True, 10, "", False], **event}
    site.post(f"{root}/gradio_api/queue/join", json=asked).raise_for_status()
    with site.stream("GET", f"{root}/gradio_api/queue/data", params={"session_hash": "reader"}) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        messages = [json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line]
    [done] = [message for message in messages if message["msg"] == "process_completed"]
    assert done["success"]
    *_, results, address = done["output"]["data"]
    titles = [paper["title"] for paper in site.get("/api/search", params=found_with()).json()["results"]]
    assert len(titles) > 3
    shown = re.sub(r"</?mark>", "", results)
    assert all(title in shown for title in titles)
    assert address == f"?q={WORDS}&mode=lexical"
    own = [link for link in re.findall(r' href="([^"]*)"', results) if not link.startswith("https://")]
    assert own
    assert all(link.startswith(("?", "paper/", "export/", "feed?", "map?")) for link in own)


@pytest.mark.parametrize("path", ["/api", "/akin"])
def test_both_servers_bound_hostile_clients_and_answer_the_others(ports: dict[str, int], path: str) -> None:
    address = ("127.0.0.1", ports[path])
    about = "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{}\r\n\r\n"
    place = "/search" if path == "/api" else "/gradio_api/queue/join"
    bomb = gzip.compress(b" " * 10_000_000)
    nested = b"[" * 200_000
    hostile = [
        (b"415", about.format(place, f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}").encode() + bomb),
        (b"431", about.format(place, "\r\n".join(["X: 1"] * 300)).encode()),
        (b"414", b"GET /?q=" + b"a" * 300_000 + b" HTTP/1.1\r\n\r\n"),
        (b"413", about.format(place, "Content-Length: 99999999").encode()),
        (b"400", b"BREW / HTTP/1.1\r\n\r\n"),
        (b"400" if path == "/api" else b"422", about.format(place, f"Content-Length: {len(nested)}").encode() + nested),
    ]
    with ExitStack() as held:
        for _ in range(300):
            idle = held.enter_context(socket.create_connection(address))
            idle.sendall(b"GET / HTTP/1.1\r\nX: ")
        for _ in range(100):
            unread = held.enter_context(socket.create_connection(address))
            unread.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        for status, sent in hostile:
            with socket.create_connection(address, timeout=20) as client:
                client.sendall(sent)
                assert client.recv(4096).split(b" ")[1] == status
        for _ in range(5):
            assert httpx.get(f"http://127.0.0.1:{ports[path]}/", timeout=20).status_code in (200, 404)


def found_with() -> dict[str, str]:
    return {"q": WORDS, "mode": "lexical"}


def test_the_api_describes_itself_below_its_path(site: httpx.Client) -> None:
    described = site.get("/api/docs")
    assert described.status_code == 200
    assert f"{str(site.base_url).rstrip('/')}/api/v1/search?q=" in described.text
    [link] = re.findall(r'<a href="([^"]+)"', described.text)
    document = site.get(urljoin(str(described.url), link)).json()
    [server] = document["servers"]
    search = urljoin(str(described.url), server["url"]) + next(path for path in document["paths"] if path == "/search")
    answer = site.get(search, params=found_with())
    assert answer.status_code == 200
    paper = answer.json()["results"][0]
    assert site.get(f"/api/papers/{paper['id']}").json()["title"] == paper["title"]
    tag = answer.headers["etag"]
    assert site.get(search, params=found_with(), headers={"if-none-match": tag}).status_code == 304
