"""Routes of lists of papers."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient


def found(client: TestClient, path: str, **body: object) -> dict[str, object]:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    content: dict[str, object] = answer.json()
    return content


def test_papers_are_looked_up_in_their_order_and_unknown_ids_are_listed(client: TestClient) -> None:
    answer = found(
        client, "/v1/papers", ids=["2001.10003", "arXiv:2001.10001v2", "<i>x</i>", "2001.10001", "9912.00001"]
    )
    assert [(paper["id"], paper["named"]) for paper in answer["papers"]] == [
        ("2001.10003", ["2001.10003"]),
        ("2001.10001", ["arXiv:2001.10001v2", "2001.10001"]),
    ]
    assert answer["unknown"] == ["<i>x</i>", "9912.00001"]
    assert client.get("/papers/2001.10003").json() == {
        name: value for name, value in answer["papers"][0].items() if name != "named"
    }


def test_missing_papers_are_near_and_not_listed(client: TestClient) -> None:
    listed = [f"2001.{10000 + row}" for row in range(1, 30)]
    answer = found(client, "/v1/lists/missing", ids=[*listed, "9912.00001"], k=10)
    assert len(answer["results"]) == 10
    assert {paper["id"] for paper in answer["results"]}.isdisjoint(listed)
    assert all({near["id"] for near in paper["near"]} <= {*listed} for paper in answer["results"])
    assert (answer["papers"], answer["unknown"], len(answer["topics"])) == (29, ["9912.00001"], 4)
    assert answer == found(client, "/lists/missing", ids=[*reversed(listed), "9912.00001"], k=10)


@pytest.mark.parametrize("path", ["/papers", "/lists/missing"])
@pytest.mark.parametrize("body", [{}, {"ids": []}, {"ids": ["x"] * 1001}, {"ids": [3]}, {"ids": [" "]}, {"id": ["x"]}])
def test_wrong_requests_are_refused(client: TestClient, path: str, body: dict[str, object]) -> None:
    answer = client.post(path, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_parameter")


def test_days_in_the_wrong_order_are_refused(client: TestClient) -> None:
    answer = client.post("/lists/missing", json={"ids": ["2001.10001"], "from": "2020", "to": "2019"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "from (2020-01-01) must not be after to (2019-12-31)."
    assert client.post("/papers", json={}).json()["error"]["message"] == "The parameter ids is missing."


def test_a_list_of_other_papers_only_is_refused(client: TestClient) -> None:
    answer = client.post("/lists/missing", json={"ids": ["9912.00001"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_paper")
    assert found(client, "/papers", ids=["9912.00001"])["papers"] == []


def test_a_long_list_is_searched_by_and_within(client: TestClient) -> None:
    listed = [f"2001.{10000 + row}" for row in range(1, 251)]
    like = found(client, "/search", like=listed, unlike=["2001.10300"], k=20)
    assert len(like["query"]["like"]) == 250
    assert {paper["id"] for paper in like["results"]}.isdisjoint({*listed, "2001.10300"})
    title = client.get("/papers/2001.10007").json()["title"]
    for mode in ("hybrid", "dense", "lexical"):
        within = found(client, "/search", query=title, ids=[*listed, "9912.00001"], mode=mode, k=50, collapse=False)
        assert within["results"][0]["id"] == "2001.10007"
        assert {paper["id"] for paper in within["results"]} <= {*listed}
        assert within["searched"] == 250
