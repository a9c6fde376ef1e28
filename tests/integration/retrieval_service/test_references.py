"""References over HTTP, from a real snapshot: lists, conditions in both halves, chasing, and a corpus without any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from akin.indexing.references.importing import import_references
from tests.citation_dumps import Citations, write
from tests.integration import generated
from tests.integration.service import client_of


@pytest.fixture(scope="module")
def cited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, Citations]]:
    data = tmp_path_factory.mktemp("cited")
    papers, encoder, _ = generated.built(data, 80)
    citations = Citations([paper.id for paper in papers])
    citations.pairs |= {(place, 7) for place in range(80) if place not in (7, 9)}
    works, merged = citations.openalex(), citations.merged().splitlines()
    import_references([write(data / "works.jsonl", works), write(data / "merged.csv", merged)], data)
    with client_of(data, encoder, search_threads=2, allowed_hosts="testserver") as client:
        yield client, citations


def test_lists_of_references_and_citations_are_paged(cited: tuple[TestClient, Citations]) -> None:
    client, citations = cited
    citing = {citations.ids[one] for one, other in citations.pairs if other == 7}
    found: list[dict[str, object]] = []
    address = f"/v1/papers/arXiv:{citations.ids[7]}v1/cited-by?k=30&sort=newest"
    while True:
        page = client.get(f"{address}&offset={len(found)}").json()
        found += page["results"]
        if page["next_offset"] is None:
            break
        assert page["next_offset"] == len(found)
    assert {paper["id"] for paper in found} == citing
    assert page["total"] == page["citations"]["in_corpus"] == len(found) == len(citing)
    days = [str(paper["date"] or "") for paper in found]
    assert days == sorted(days, reverse=True)
    cites = client.get(f"/papers/{citations.ids[9]}/references?k=100").json()
    assert {each["id"] for each in cites["results"]} == {
        citations.ids[other] for one, other in citations.pairs if one == 9
    }
    totals = [each["citations"]["total"] for each in cites["results"]]
    assert totals == sorted(totals, reverse=True)
    assert client.get(f"/papers/{citations.ids[7]}").json()["citations"] == cites_of(citations, 7)
    assert client.get("/corpus").json()["references"]["pairs"] == len(citations.pairs)


def cites_of(citations: Citations, place: int) -> dict[str, int]:
    within = sum(1 for _, other in citations.pairs if other == place)
    of_its_own = sum(1 for one, _ in citations.pairs if one == place)
    return {"total": max(citations.totals[place], within), "in_corpus": within, "references": of_its_own}


def test_papers_of_lists_have_their_citations(cited: tuple[TestClient, Citations]) -> None:
    client, citations = cited
    places = {name: place for place, name in enumerate(citations.ids)}
    listed = client.post("/papers", json={"ids": citations.ids[:9]}).json()["papers"]
    missing = client.post("/lists/missing", json={"ids": citations.ids[:9]}).json()["results"]
    assert len(listed) == 9
    assert missing
    for paper in (*listed, *missing):
        assert paper["citations"] == cites_of(citations, places[paper["id"]])


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_conditions_hold_in_both_halves(mode: str, cited: tuple[TestClient, Citations]) -> None:
    client, citations = cited
    name = citations.ids[3]
    right = {citations.ids[one] for one, other in citations.pairs if other == 3}
    words = client.get(f"/papers/{name}").json()["title"]
    asked = {"k": 100, "mode": mode, "collapse": False}
    by_operator = client.post("/search", json={**asked, "query": f"{words} cites:{name}"}).json()
    by_parameter = client.post("/search", json={**asked, "query": words, "cites": [name]}).json()
    found = [each["id"] for each in by_operator["results"]]
    assert found == [each["id"] for each in by_parameter["results"]]
    assert by_operator["searched"] == by_parameter["searched"] == len(right)
    assert set(found) == right if mode != "lexical" else set(found) <= right
    without = client.post("/search", json={**asked, "query": f"{words} -cites:{name}"}).json()
    assert without["searched"] == 80 - len(right)
    assert not {each["id"] for each in without["results"]} & right
    only = client.post("/search", json={**asked, "query": f"cited-by:{name}", "sort": "citations"}).json()
    totals = [each["citations"]["total"] for each in only["results"]]
    assert {each["id"] for each in only["results"]} == {
        citations.ids[other] for one, other in citations.pairs if one == 3
    }
    assert totals == sorted(totals, reverse=True)


def test_many_rows_are_one_set_in_the_lexical_index(
    cited: tuple[TestClient, Citations], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, citations = cited
    asked = {"query": f"-ti:nothing cites:{citations.ids[7]}", "k": 100, "mode": "lexical", "collapse": False}
    before = client.post("/search", json=asked).json()
    assert len(before["results"]) == 78
    monkeypatch.setattr("retrieval_service.adapters.tantivy_filter._MOST_SINGLE_ROWS", 5)
    after = client.post("/search", json=asked).json()
    assert [each["id"] for each in after["results"]] == [each["id"] for each in before["results"]]


def test_chased_papers_are_linked_with_the_best_results(cited: tuple[TestClient, Citations]) -> None:
    client, citations = cited
    words = client.get(f"/papers/{citations.ids[3]}").json()["title"]
    asked = {"query": words, "k": 10, "collapse": False, "chase": True}
    answer = client.post("/search", json=asked).json()
    best = {each["id"] for each in answer["results"]}
    links = {(citations.ids[one], citations.ids[other]) for one, other in citations.pairs}
    assert 0 < len(answer["chased"]) <= 20
    for paper in answer["chased"]:
        assert paper["id"] not in best
        assert set(paper["cited_by"]) == {one for one in best if (one, paper["id"]) in links}
        assert set(paper["cites"]) == {one for one in best if (paper["id"], one) in links}
        assert paper["cited_by"] or paper["cites"]
        assert "of the 10 best results: " in paper["why"]
    scores = [paper["score"] for paper in answer["chased"]]
    assert scores == sorted(scores, reverse=True)
    cursor = client.post("/search", json={**asked, "k": 5, "chase": False}).json()["next_cursor"]
    assert client.post("/search", json={**asked, "cursor": cursor}).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/papers/9912.00001/references", 404, "unknown_paper"),
        ("/papers/2001.10001/cited-by?k=0", 400, "invalid_parameter"),
        ("/papers/2001.10001/cited-by?sort=best", 400, "invalid_parameter"),
        ("/papers/2001.10001/references?offset=-1", 400, "invalid_parameter"),
        ("/papers/2001.10001/references?page=2", 400, "invalid_parameter"),
        ("/search?q=cites:9912.00001", 404, "unknown_paper"),
        ("/search?q=cites:%22%20%22%20words", 200, None),
        ("/search?q=words&citation_boost=2", 400, "invalid_parameter"),
        ("/search?q=words&citation_boost=nan", 400, "invalid_parameter"),
        ("/search?q=words&cites=", 400, "invalid_parameter"),
    ],
)
def test_odd_requests(path: str, status: int, code: str | None, cited: tuple[TestClient, Citations]) -> None:
    answer = cited[0].get(path)
    assert answer.status_code == status
    assert code is None or answer.json()["error"]["code"] == code


def test_a_corpus_without_references_says_so(client: TestClient, tmp_path: Path) -> None:
    for path in (
        "/papers/2001.10001/references", "/papers/2001.10001/cited-by", "/search?q=w+cites:2001.10001",
        "/search?q=w&cited_by=2001.10001", "/search?q=w&chase=true", "/search?q=w&sort=citations",
    ):  # fmt: skip
        answer = client.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "no_references"), path
        assert "akin references import" in answer.json()["error"]["message"]
    assert "citations" not in client.get("/papers/2001.10001").json()
    assert "references" not in client.get("/corpus").json()
    assert all("citations" not in each for each in client.get("/search?q=words").json()["results"])
