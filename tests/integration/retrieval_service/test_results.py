"""Order, counts, highlights and suggestions over real indexes, and the answer without any of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from starlette.testclient import TestClient

from akin.papers import passage_text

FIELDS = {"sort", "facets", "suggestions"}
OF_RESULTS = {"highlights", "versions"}


def found(client: TestClient, **body: Any) -> dict[str, Any]:
    answer = client.post("/search", json=body)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def ids(answer: dict[str, Any]) -> list[str]:
    return [result["id"] for result in answer["results"]]


def test_an_answer_without_the_new_fields_is_as_before(client: TestClient, corpus: Any) -> None:
    query = corpus.papers[7].title
    plain = found(client, query=query)
    assert not FIELDS & plain.keys()
    assert not [result for result in plain["results"] if OF_RESULTS & result.keys()]
    rich = found(client, query=query, highlight=True, facets=True, suggest=True)
    assert FIELDS - {"sort"} <= rich.keys()
    bare = [{name: value for name, value in one.items() if name not in OF_RESULTS} for one in rich["results"]]
    assert bare == plain["results"]
    assert {name: value for name, value in rich.items() if name not in {*FIELDS, "results", "timings"}} == {
        name: value for name, value in plain.items() if name not in {"results", "timings"}
    }


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_places_are_in_the_texts_and_each_result_has_a_reason(client: TestClient, corpus: Any, mode: str) -> None:
    marked = 0
    for paper in corpus.papers[::400]:
        for result in found(client, query=passage_text(paper)[:80], mode=mode, highlight=True)["results"]:
            marks = result["highlights"]
            for name in ("title", "abstract"):
                assert all(0 <= start < end <= len(result[name]) for start, end in marks[name])
            assert marks["sentence"] is None or result["abstract"][slice(*marks["sentence"])].strip()
            assert marks["why"]
            marked += bool(marks["title"] and marks["abstract"] and marks["sentence"])
    assert marked >= len(corpus.papers[::400])


def test_counts_of_conditions_are_those_of_all_papers_that_meet_them(client: TestClient, corpus: Any) -> None:
    code = corpus.papers[0].categories[0]
    having = [paper for paper in corpus.papers if code in paper.categories]
    counted = found(client, query=f"cat:{code}", facets=True)["facets"]
    years = Counter(paper.published.year for paper in having if paper.published)
    assert {one["year"]: one["papers"] for one in counted["years"]} == years
    categories = Counter(other for paper in having for other in set(paper.categories))
    assert {one["code"]: one["papers"] for one in counted["categories"]} == categories
    assert (counted["papers"], counted["complete"]) == (len(having), True)


def test_cursors_reach_the_end_of_an_order_by_date(client: TestClient, corpus: Any) -> None:
    asked = {"query": corpus.papers[3].title, "sort": "oldest", "k": 40}
    answer = found(client, **asked)
    results = answer["results"]
    while answer["next_cursor"]:
        answer = found(client, **asked, cursor=answer["next_cursor"])
        results += answer["results"]
    days = [result["date"] for result in results if result["date"]]
    assert days == sorted(days)
    # The counts may be asked for with the first page only.
    first = found(client, **asked, facets=True)
    assert ids(found(client, **asked, cursor=first["next_cursor"])) == [result["id"] for result in results[40:80]]
    assert len({result["id"] for result in results}) == len(results) > 80
    assert len(results) <= answer["sort"]["papers"] <= 200


def test_papers_like_one_in_the_address_take_the_same_names(client: TestClient, corpus: Any) -> None:
    asked = {"sort": "newest", "highlight": "true", "facets": "true", "k": "5"}
    answer = client.get(f"/papers/{corpus.papers[5].id}/similar", params=asked).json()
    assert answer["sort"]["by"] == "newest"
    assert answer["facets"]["years"]
    assert all(result["highlights"]["why"] for result in answer["results"])
    refused = client.get(f"/papers/{corpus.papers[5].id}/similar", params={"suggest": "true"})
    assert refused.status_code == 400
