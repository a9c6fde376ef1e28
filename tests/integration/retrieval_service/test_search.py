"""Searching real indexes: what is found, what filters admit, what the answer says."""

from __future__ import annotations

from datetime import date
from itertools import product
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from papers import passage_text
from retrieval_service.ports import Filter


def found(client: TestClient, **body: Any) -> dict[str, Any]:
    answer = client.post("/search", json=body)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def ids(answer: dict[str, Any]) -> list[str]:
    return [result["id"] for result in answer["results"]]


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_a_paper_is_found_by_its_own_words(client: TestClient, corpus: Any, mode: str) -> None:
    for paper in corpus.papers[::300]:
        answer = found(client, query=passage_text(paper), mode=mode)
        assert ids(answer)[0] == paper.id
        scores = [result["score"] for result in answer["results"]]
        assert scores == sorted(scores, reverse=True)
        assert answer["searched"] == len(corpus.papers)
        assert answer["snapshot"] == corpus.manifest.id


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_a_paper_is_never_like_itself(client: TestClient, corpus: Any, mode: str) -> None:
    for paper in corpus.papers[::250]:
        by_body = found(client, like=paper.id, mode=mode, k=25)
        by_query = found(client, query=f"https://arxiv.org/pdf/{paper.id}v2", mode=mode, k=25)
        by_path = client.get(f"/papers/{paper.id}/similar", params={"mode": mode, "k": 25}).json()
        assert paper.id not in ids(by_body)
        assert len(ids(by_body)) == 25
        assert ids(by_body) == ids(by_query) == ids(by_path)
        assert by_body["query"]["like"] == [{"id": paper.id, "title": paper.title}]
        assert by_body["query"]["text"] is None


def test_like_several_excludes_all_of_them(client: TestClient, corpus: Any) -> None:
    liked = [paper.id for paper in corpus.papers[:3]]
    assert not set(liked) & set(ids(found(client, like=[*liked, liked[0]], k=100)))


def test_dense_is_exact(client: TestClient, corpus: Any, kit: Any) -> None:
    query = corpus.papers[10].title
    vectors = np.stack([kit.hashed(passage_text(paper)) for paper in corpus.papers]).astype(np.float16)
    best = np.argsort(-(vectors.astype(np.float32) @ kit.hashed(query)), kind="stable")[:20]
    assert ids(found(client, query=query, mode="dense", k=20)) == [corpus.papers[row].id for row in best]


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_pages_are_cut_from_one_ranking(client: TestClient, corpus: Any, mode: str) -> None:
    query = corpus.papers[3].abstract
    pages = [ids(found(client, query=query, mode=mode, k=40, offset=offset)) for offset in range(0, 240, 40)]
    together = [name for page in pages for name in page]
    assert len(together) == len(set(together)) == 240
    assert together[:100] == ids(found(client, query=query, mode=mode, k=100))


FILTERS = [
    {"categories": ["cs.LG"]},
    {"categories": ["CS.*"]},
    {"categories": "math.NA,hep-th"},
    {"categories": ["physics.*", "cs.CL"], "from": "2010", "to": "2012-06"},
    {"from": "2003-05-17"},
    {"to": "2001"},
    {"categories": ["cs.DM"]},
]


def admits(paper: Any, categories: set[str], first: date, last: date, dated: bool) -> bool:
    if categories and not categories & set(paper.categories):
        return False
    return not dated or (paper.published is not None and first <= paper.published <= last)


BRUTE = [
    ({"cs.LG"}, None, None),
    ({"cs.LG", "cs.CL", "cs.IR"}, None, None),
    ({"math.NA", "hep-th"}, None, None),
    ({"physics.optics", "cs.CL"}, date(2010, 1, 1), date(2012, 6, 30)),
    (set(), date(2003, 5, 17), None),
    (set(), None, date(2001, 12, 31)),
    ({"cs.DM"}, None, None),
]


@pytest.mark.parametrize(("number", "mode"), list(product(range(len(FILTERS)), ["dense", "lexical", "hybrid"])))
def test_filters_equal_brute_force(client: TestClient, corpus: Any, number: int, mode: str) -> None:
    categories, first, last = BRUTE[number]
    admitted = [
        paper
        for paper in corpus.papers
        if admits(paper, categories, first or date.min, last or date.max, bool(first or last))
    ]
    answer = found(client, query=corpus.papers[8].abstract, k=100, mode=mode, **FILTERS[number])
    assert answer["searched"] == len(admitted)
    assert set(ids(answer)) <= {paper.id for paper in admitted}
    if mode != "lexical":
        assert len(ids(answer)) == min(100, len(admitted))
    unfiltered = found(client, query=corpus.papers[8].abstract, k=100, mode=mode)
    if mode != "hybrid":
        # Ranking is not touched by a filter: what passes it keeps its order.
        passing = [name for name in ids(unfiltered) if name in {paper.id for paper in admitted}]
        assert ids(answer)[: len(passing)] == passing


def test_both_halves_admit_the_same(corpus: Any) -> None:
    snapshot = corpus.open(lexical_terms=1000)
    for wanted in (
        Filter(("cs.LG", "hep-th"), date(2004, 1, 1), date(2009, 1, 1)),
        Filter((), date(2020, 1, 1), None),
        Filter(("stat.ML",)),
    ):
        rows = set(np.flatnonzero(snapshot.catalogue.matching(wanted).mask).tolist())
        everything = " ".join(paper.abstract for paper in corpus.papers[:200])
        lexical = set(snapshot.lexical.search(everything, 1500, admitted=wanted).rows.tolist())
        dense = snapshot.vectors.search(np.ones(48, np.float32), 1500, within=snapshot.catalogue.matching(wanted))
        assert set(dense.rows.tolist()) == rows
        assert lexical <= rows
        assert len(lexical) > 0.9 * len(rows)
    snapshot.close()


def test_the_address_and_the_body_ask_the_same(client: TestClient, corpus: Any) -> None:
    query = corpus.papers[4].title
    body = found(client, abstract=query, k=7, categories=["cs.LG", "cs.CL"], **{"from": "2005"})
    one = client.get("/search", params={"q": query, "k": 7, "categories": "cs.LG,cs.CL", "from": "2005"}).json()
    several = client.get(
        "/search",
        params=[("query", query), ("k", "7"), ("categories", "cs.LG"), ("categories", "cs.cl"), ("from", "2005")],
    ).json()
    assert ids(body) == ids(one) == ids(several)


def test_a_result_tells_all_of_the_contract(client: TestClient, corpus: Any) -> None:
    answer = found(client, query=corpus.papers[1].title)
    assert answer.keys() == {
        *("results", "mode", "query", "k", "offset", "degraded", "timings", "searched", "snapshot", "encoder")
    }
    assert answer["timings"].keys() == {*("embed_ms", "vectors_ms", "lexical_ms", "fuse_ms", "fetch_ms", "total_ms")}
    assert answer["encoder"] == {"version": 1, "digest": corpus.encoder.identity.digest}
    assert answer["query"] == {
        "text": corpus.papers[1].title, "like": [], "truncated": False, "tokens": 7,
    }  # fmt: skip
    paper = corpus.papers[1]
    result = next(result for result in answer["results"] if result["id"] == paper.id)
    assert result == {
        "id": paper.id,
        "title": paper.title,
        "abstract": paper.abstract,
        "authors": list(paper.authors),
        "categories": list(paper.categories),
        "primary_subject": result["subjects"][0],
        "subjects": result["subjects"],
        "arxiv_id": paper.id,
        "date": paper.published.isoformat(),
        "doi": None,
        "journal_ref": None,
        "links": {"abs": f"https://arxiv.org/abs/{paper.id}", "pdf": f"https://arxiv.org/pdf/{paper.id}"},
        "score": result["score"],
        "sources": result["sources"],
    }
    assert 0 < result["score"] <= 1
    assert result["sources"].keys() == {"dense", "lexical"}
    assert client.get(f"/papers/{paper.id}").json() == {
        name: value for name, value in result.items() if name not in ("score", "sources")
    }


def test_a_long_query_is_said_to_be_truncated(client: TestClient, corpus: Any) -> None:
    answer = found(client, query=" ".join(["word"] * 100))
    assert answer["query"]["truncated"] is True
    assert answer["query"]["tokens"] == 102


def test_the_corpus_is_described(client: TestClient, corpus: Any) -> None:
    answer = client.get("/corpus").json()
    days = [paper.published for paper in corpus.papers if paper.published]
    assert answer["papers"] == len(corpus.papers)
    assert (answer["first"], answer["newest"]) == (min(days).isoformat(), max(days).isoformat())
    counts = {entry["code"]: entry["papers"] for entry in answer["categories"]}
    assert counts["cs.LG"] == sum("cs.LG" in paper.categories for paper in corpus.papers)
    assert list(counts.values()) == sorted(counts.values(), reverse=True)
    assert answer["source"] == "generated"


def test_embed(client: TestClient, corpus: Any, kit: Any) -> None:
    answer = client.post("/embed", json={"abstract": "gugipivu vepate"}).json()
    assert answer["embedding_dim"] == 48
    np.testing.assert_allclose(answer["embedding"], kit.hashed("gugipivu vepate"), atol=1e-6)


def test_docs_describe_every_parameter_and_load_nothing(client: TestClient) -> None:
    page = client.get("/docs").text
    for name in ("query", "like", "k", "offset", "mode", "categories", "from", "to", "nprobe", "/embed", "/corpus"):
        assert f">{name}<" in page or name in page
    assert "<script" not in page
    assert "src=" not in page
    schema = client.get("/openapi.json").json()
    assert schema["paths"]["/search"].keys() == {"get", "post"}
    assert "SearchAnswer" in schema["components"]["schemas"]


def test_metrics_count_searches_by_route(client: TestClient, corpus: Any) -> None:
    found(client, query="gugipivu")
    client.get("/papers/nonsense")
    text = client.get("/metrics").text
    assert 'akin_requests_total{method="POST",route="/search",status="200"} 1.0' in text
    assert 'akin_requests_total{method="GET",route="/papers/{paper_id:path}",status="404"} 1.0' in text
    assert f'snapshot="{corpus.manifest.id}"' in text
    assert 'akin_search_stage_seconds_count{stage="vectors"} 1.0' in text
