"""Test exports of searches and of ids, with parsers of others."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any

import bibtexparser
import pytest
import rispy
from starlette.testclient import TestClient

from akin.papers import Author, Paper, read_papers
from tests.integration.generated import Corpus, HashEncoder, build
from tests.integration.service import client_of

QUERY = {"query": "some words", "mode": "dense"}
KINDS = {
    "bibtex": ("application/x-bibtex", "papers.bib"),
    "ris": ("application/x-research-info-systems", "papers.ris"),
    "csl-json": ("application/vnd.citationstyles.csl+json", "papers.json"),
    "csv": ("text/csv", "papers.csv"),
    "jsonl": ("application/jsonl", "papers.jsonl"),
}


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def found(client: TestClient, **asked: Any) -> list[str]:
    """Return the ids of the results of a search, page by page."""
    ids: list[str] = []
    for offset in range(0, 1000, 100):
        page = client.post("/search", json={**QUERY, **asked, "k": 100, "offset": offset}).json()["results"]
        ids += [one["id"] for one in page]
    return ids


@pytest.mark.parametrize("path", ["/export", "/v1/export"])
@pytest.mark.parametrize("form", KINDS)
def test_every_format_is_a_file_of_the_same_papers(client: TestClient, path: str, form: str) -> None:
    answer = client.get(path, params={**QUERY, "format": form, "k": 3})
    kind, name = KINDS[form]
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    ids = [one["id"] for one in client.get("/search", params={**QUERY, "k": 3}).json()["results"]]
    assert len(ids) == 3
    assert answer.headers["akin-papers"] == "3"
    places = [answer.text.index(one) for one in ids]
    assert places == sorted(places)
    assert client.post(path, json={**QUERY, "format": form, "k": 3}).text == answer.text
    head = client.head(path, params={**QUERY, "format": form, "k": 3})
    assert (head.status_code, head.content, head.headers["content-type"]) == (200, b"", answer.headers["content-type"])


def test_the_first_thousand_are_those_of_the_pages_and_each_key_is_there_once(client: TestClient) -> None:
    ids = found(client)
    assert len(set(ids)) == 1000
    assert [row["id"] for row in rows_of(client.get("/export", params={**QUERY, "format": "csv"}).text)] == ids
    library = bibtexparser.parse_string(client.get("/export", params=QUERY).text)
    assert not library.failed_blocks
    assert [entry["eprint"] for entry in library.entries] == ids
    assert len({entry.key for entry in library.entries}) == 1000
    references = rispy.loads(client.get("/export", params={**QUERY, "format": "ris"}).text)
    assert [one["accession_number"] for one in references] == [f"arXiv:{one}" for one in ids]
    items = json.loads(client.get("/export", params={**QUERY, "format": "csl-json"}).text)
    assert [item["number"] for item in items] == [f"arXiv:{one}" for one in ids]
    lines = client.get("/export", params={**QUERY, "format": "jsonl"}).text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ids


def test_a_page_is_exported_by_its_offset_or_cursor(client: TestClient) -> None:
    first = client.get("/search", params={**QUERY, "k": 5}).json()
    second = client.get("/search", params={**QUERY, "k": 5, "offset": 5}).json()["results"]
    for place in ({"offset": 5}, {"cursor": first["next_cursor"]}):
        text = client.get("/export", params={**QUERY, "k": 5, **place, "format": "csv"}).text
        assert [row["id"] for row in rows_of(text)] == [one["id"] for one in second]


def test_ids_keep_their_order_and_are_there_once(client: TestClient) -> None:
    ids = ["2001.10003", "arXiv:2001.10001v2", "https://arxiv.org/abs/2001.10003", "2001.10002"]
    text = client.post("/export", json={"ids": ids, "format": "csv"}).text
    assert [row["id"] for row in rows_of(text)] == ["2001.10003", "2001.10001", "2001.10002"]
    assert client.post("/export", json={"ids": ids}).text == client.post("/citations", json={"ids": ids}).text
    among = client.post("/export", json={"ids": ids, "query": "some words", "format": "csv", "from": "1900"}).text
    assert {row["id"] for row in rows_of(among)} <= {"2001.10003", "2001.10001", "2001.10002"}


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"ids": ["2001.10001", "9912.00001"]}, 404, "unknown_paper"),
        ({"ids": ["2001.10001"], "from": "2020"}, 400, "invalid_parameter"),
        ({"ids": ["x"] * 1001}, 400, "invalid_parameter"),
        ({}, 400, "blank_query"),
        ({"query": "words", "k": 1001}, 400, "invalid_parameter"),
        ({"query": "words", "format": "word"}, 400, "invalid_parameter"),
        ({"query": "x" * 20_001}, 400, "query_too_long"),
    ],
)
def test_wrong_requests_are_refused(client: TestClient, asked: dict[str, Any], status: int, code: str) -> None:
    answer = client.post("/export", json=asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert "content-disposition" not in answer.headers


@pytest.mark.parametrize("form", KINDS)
def test_nothing_found_is_an_empty_file(client: TestClient, form: str) -> None:
    answer = client.get("/export", params={**QUERY, "from": "2090", "format": form})
    assert answer.status_code == 200
    if form == "csv":
        assert (rows_of(answer.text), answer.text[:11]) == ([], '"id","title')
    elif form == "csl-json":
        assert answer.json() == []
    else:
        assert answer.text == ""


def test_the_longest_query_is_exported(client: TestClient) -> None:
    assert len(rows_of(client.post("/export", json={"query": "dust " * 4000, "k": 5, "format": "csv"}).text)) == 5


def test_a_search_that_fails_by_half_or_is_late_is_no_file(corpus: Corpus) -> None:
    encoder = HashEncoder()
    with client_of(corpus.data, encoder, watch_seconds=60) as client:
        late = client.get("/export", params=QUERY, headers={"Akin-Timeout": "0.000001"})
        assert (late.status_code, late.json()["error"]["code"]) == (503, "deadline_exceeded")
        encoder.away = True
        answer = client.get("/export", params={"query": "some words"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
        assert "mode=lexical" in answer.json()["error"]["message"]
        words = client.get("/export", params={"query": corpus.papers[0].title, "mode": "lexical", "format": "csv"})
        assert rows_of(words.text)[0]["id"] == corpus.papers[0].id


def test_many_papers_count_as_several_requests(corpus: Corpus) -> None:
    with client_of(corpus.data, corpus.encoder, rate_limit=0.1, rate_burst=12) as client:
        assert client.get("/export", params=QUERY).status_code == 200
        assert [client.get("/corpus").status_code for _ in range(3)] == [200, 200, 429]


async def test_a_client_that_takes_nothing_more_holds_no_snapshot(corpus: Corpus) -> None:
    with client_of(corpus.data, corpus.encoder, bulk_seconds=1) as client:
        app: Any = client.app
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)
            if message.get("body"):
                await asyncio.Event().wait()

        async def receive() -> Any:
            await asyncio.Event().wait()

        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
            "path": "/export", "raw_path": b"/export", "query_string": b"query=some+words&mode=dense&format=csv&k=3",
            "headers": [(b"host", b"testserver")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
            "scheme": "http", "root_path": "",
        }  # fmt: skip
        await asyncio.wait_for(app(scope, receive, send), 10)
        assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
        assert app.state.service.live.current._holders == 0


HOSTILE = [
    Paper("hep-th/9901001", '=HYPERLINK("http://x","y")', '@SUM(1)\n\n- a, "b"; c\r\n', versions=3),
    Paper("2401.00002", "-1+2 cells", "", (Author("+Plus", "=Equal"), Author("The @ Group", collaboration=True))),
    Paper("2401.00003", "A </script><script>alert(1)</script> title", "$\\def\\a{\\a\\a}\\a$ text", withdrawn=True),
    Paper("W1;,\"'", "Same title", "\ttab", categories=("cs.LG", "machine learning")),
    Paper("W2", "Same title", "Same"),
]


@pytest.fixture
def hostile(tmp_path: Path) -> Any:
    encoder = HashEncoder()
    build(HOSTILE, encoder, tmp_path)
    with client_of(tmp_path, encoder) as client:
        yield client


def test_no_cell_of_the_table_is_a_formula(hostile: TestClient) -> None:
    rows = rows_of(hostile.post("/export", json={"ids": [one.id for one in HOSTILE], "format": "csv"}).text)
    assert len(rows) == len(HOSTILE)
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell and cell[0] in "=+-@\t\r\n"]
    assert rows[0]["title"] == '\'=HYPERLINK("http://x","y")'
    assert (rows[1]["authors"], rows[1]["abstract"], rows[2]["withdrawn"]) == (
        "'=Equal +Plus; The @ Group", "", "withdrawn",
    )  # fmt: skip
    assert [rows[0]["versions"], rows[3]["categories"]] == ["3", "cs.LG; machine learning"]


def test_lines_can_be_indexed_again(hostile: TestClient, client: TestClient, corpus: Corpus, tmp_path: Path) -> None:
    for service, papers in ((hostile, HOSTILE), (client, corpus.papers[:300])):
        file = tmp_path / "papers.jsonl"
        file.write_bytes(service.post("/export", json={"ids": [one.id for one in papers], "format": "jsonl"}).content)
        again = list(read_papers(file))
        assert len(again) == len(papers)
        for one, other in zip(again, papers, strict=True):
            assert (one.id, one.authors, one.versions, one.withdrawn) == (
                other.id, other.authors, other.versions, other.withdrawn,
            )  # fmt: skip
            assert (one.title, one.abstract.split(), one.published) == (
                other.title, other.abstract.split(), other.published,
            )  # fmt: skip
