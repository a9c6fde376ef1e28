"""The route that resolves references, over a real catalogue and a real lexical index."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.integration.generated import Corpus
from tests.integration.service import client_of


def resolved(client: TestClient, **body: Any) -> Any:
    answer = client.post("/v1/references/resolve", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_bibliography_is_resolved_in_its_order(client: TestClient, corpus: Corpus) -> None:
    by_id, by_title = corpus.papers[3], corpus.papers[8]
    author, year = by_title.authors[0].family, by_title.published.year
    text = (
        f"@misc{{one, title={{Of no importance}}, eprint={{{by_id.id}v2}}}}\n"
        f"@article{{two, title={{{by_title.title.upper()}}}, author={{{author}, A.}}, year={year}}}\n"
        "@misc{three, title={Zyx wvu tsr qpo nml}}\n"
        "@misc{four, title={no end"
    )
    answer = resolved(client, text=text)
    assert [
        (each["line"], each["key"], each["paper"] and each["paper"]["id"], each["how"]) for each in answer["references"]
    ] == [
        (1, "one", by_id.id, "arxiv_id"),
        (2, "two", by_title.id, "title"),
        (3, "three", None, None),
        (4, "four", None, None),
    ]
    assert answer["references"][3]["problem"]
    assert (answer["found"], answer["format"]) == (2, "bibtex")
    again = client.post("/references/resolve", json={"text": text}).json()
    assert again == answer


def test_every_paper_of_a_corpus_is_found_by_its_title(client: TestClient, corpus: Corpus) -> None:
    papers = corpus.papers[:300]
    parts = [{"title": each.title, "authors": [each.authors[0].name], "key": each.id} for each in papers]
    answer = resolved(client, references=parts)
    assert answer["format"] is None
    found = [each for each in answer["references"] if each["paper"]]
    assert all(each["key"] == each["paper"]["id"] for each in found)
    assert len(found) > 290


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "either text or references"),
        ({"text": "x", "references": [{"title": "T"}]}, "either text or references"),
        ({"text": " \n"}, "has no reference"),
        ({"text": "T\n" * 2_001}, "more than 2000 references"),
        ({"text": 5}, "text"),
        ({"references": [{"title": "T"}, {"titel": "T"}]}, "no parameter 'references[1].titel'"),
        ({"references": [{"title": "T", "year": 10_000}]}, "references[0].year must be"),
        ({"references": [{"title": "T", "year": True}]}, "references[0].year must be a number"),
        ({"references": ["T"]}, "references must have objects only"),
        ({"text": "x" * 1_000_001}, "text"),
    ],
)
def test_what_is_refused(client: TestClient, body: Any, message: str) -> None:
    answer = client.post("/references/resolve", json=body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


def test_many_references_count_as_several_requests(corpus: Corpus) -> None:
    with client_of(corpus.data, corpus.encoder, rate_limit=0.1, rate_burst=4) as client:
        assert resolved(client, text="\n".join(paper.id for paper in corpus.papers[:21]))["found"] == 21
        assert [client.get("/corpus").status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(
    "text", ["@" * 50_000, "@a{" * 7_000, "\x00\x01", "{" * 50_000, "TY  - \n" * 1_500, "[{}]", "\ufffe"]
)
def test_rubbish_is_answered(client: TestClient, text: str) -> None:
    assert client.post("/references/resolve", json={"text": text}).status_code in (200, 400)
