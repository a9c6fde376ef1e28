"""Searches of real indexes: results, filters, and the fields of the answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from html import escape
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from akin.papers import Paper, passage_text
from retrieval_service.filter import Clause, Field, Filter
from tests.integration.service import client_of

Admits = Callable[[Paper], bool]


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


def within(first: date, last: date) -> Admits:
    return lambda paper: paper.published is not None and first <= paper.published <= last


def written_by(*names: str) -> Admits:
    return lambda paper: bool(set(names) & {author.name for author in paper.authors})


def filed_under(*codes: str) -> Admits:
    return lambda paper: bool(set(codes) & set(paper.categories))


def both(*conditions: Admits) -> Admits:
    return lambda paper: all(condition(paper) for condition in conditions)


def none_of(condition: Admits) -> Admits:
    return lambda paper: not condition(paper)


ERDOS = ("Paul Erdős", r"Paul M. Erd\H{o}s", "P. Erdős")
FILTERS: list[tuple[dict[str, Any], Admits]] = [
    ({"categories": ["cs.LG"]}, filed_under("cs.LG")),
    ({"categories": ["CS.*"]}, filed_under("cs.LG", "cs.CL", "cs.IR")),
    ({"categories": "math.NA,hep-th"}, filed_under("math.NA", "hep-th")),
    (
        {"categories": ["physics.*", "cs.CL"], "from": "2010", "to": "2012-06"},
        both(filed_under("physics.optics", "cs.CL"), within(date(2010, 1, 1), date(2012, 6, 30))),
    ),
    ({"from": "2003-05-17"}, within(date(2003, 5, 17), date.max)),
    ({"to": "2001"}, within(date.min, date(2001, 12, 31))),
    ({"categories": ["cs.DM"]}, filed_under()),
    ({"categories_all": "cs.*,math.NA"}, both(filed_under("cs.LG", "cs.CL", "cs.IR"), filed_under("math.NA"))),
    ({"exclude_categories": ["cs.*"]}, none_of(filed_under("cs.LG", "cs.CL", "cs.IR"))),
    (
        {"categories": "cs.LG", "exclude_categories": "stat.ML", "to": "2015"},
        both(filed_under("cs.LG"), none_of(filed_under("stat.ML")), within(date.min, date(2015, 12, 31))),
    ),
    ({"authors": "Paul Erdős"}, written_by(*ERDOS)),
    ({"authors": r"Erd\H{o}s, Paul"}, written_by(*ERDOS)),
    ({"authors": "p erdos"}, written_by(*ERDOS)),
    ({"authors": ["Lovelace"]}, written_by("Ada Lovelace", "Paul Lovelace")),
    ({"authors": ["Wang, Wei", "A. Lovelace"]}, written_by("Wei Wang", "Ada Lovelace")),
    ({"authors": "Nobody"}, written_by()),
    (
        {"ids": ["2001.10003", "arXiv:2001.10005v2", "9999.99999"]},
        lambda paper: paper.id in ("2001.10003", "2001.10005"),
    ),
    ({"ids": ["9999.99999"]}, lambda paper: False),
]


@pytest.mark.parametrize(("number", "mode"), list(product(range(len(FILTERS)), ["dense", "lexical", "hybrid"])))
def test_filters_equal_brute_force(client: TestClient, corpus: Any, number: int, mode: str) -> None:
    narrowed, admits = FILTERS[number]
    admitted = [paper for paper in corpus.papers if admits(paper)]
    answer = found(client, query=corpus.papers[8].abstract, k=100, mode=mode, **narrowed)
    assert answer["searched"] == len(admitted)
    assert set(ids(answer)) <= {paper.id for paper in admitted}
    if mode != "lexical":
        assert len(ids(answer)) == min(100, len(admitted))
    unfiltered = found(client, query=corpus.papers[8].abstract, k=100, mode=mode)
    if mode != "hybrid":
        # A filter does not change the order of the papers that it admits.
        passing = [name for name in ids(unfiltered) if name in {paper.id for paper in admitted}]
        assert ids(answer)[: len(passing)] == passing


def test_operators_are_conditions_in_dense_and_lexical_search(client: TestClient, corpus: Any) -> None:
    model = corpus.papers[20]
    title, word = model.title.lower().split(), model.title.lower().split()[0]
    phrase = " ".join(title[1:3])

    def texts(paper: Any) -> tuple[str, str]:
        return f" {paper.title.lower()} ", f" {paper.abstract.lower().rstrip('.')} "

    expected: list[tuple[str, Admits]] = [
        (f'"{phrase}"', lambda paper: any(f" {phrase} " in text for text in texts(paper))),
        (f"{title[1]} -{word}", lambda paper: all(f" {word} " not in text for text in texts(paper))),
        (f"ti:{word} {title[1]}", lambda paper: f" {word} " in texts(paper)[0]),
        (f"-ti:{word} {title[1]}", lambda paper: f" {word} " not in texts(paper)[0]),
        (f"abs:{word} {title[1]}", lambda paper: f" {word} " in texts(paper)[1]),
        (f"cat:cs.* -cat:cs.LG {word}", both(filed_under("cs.CL", "cs.IR"), none_of(filed_under("cs.LG")))),
        (f'au:"Paul Erdos" {word}', written_by(*ERDOS)),
        (f"-au:erdos {word}", none_of(written_by(*ERDOS, "Ada Erdős"))),
        (f"{word} (ti:{word} OR cat:cs.CL)", lambda p: f" {word} " in texts(p)[0] or "cs.CL" in p.categories),
        (
            f"{word} ANDNOT (ti:{word} OR cat:cs.CL)",
            lambda p: f" {word} " not in texts(p)[0] and "cs.CL" not in p.categories,
        ),
        (f"au:erdos OR au:lovelace {word}", written_by(*ERDOS, "Ada Erdős", "Ada Lovelace", "Paul Lovelace")),
        (f"id:{model.id},{corpus.papers[3].id} {word}", lambda paper: paper in (model, corpus.papers[3])),
    ]
    for (query, admits), mode in product(expected, ["dense", "lexical", "hybrid"]):
        admitted = {paper.id for paper in corpus.papers if admits(paper)}
        answer = found(client, query=query, k=100, mode=mode)
        assert answer["searched"] == len(admitted), query
        assert set(ids(answer)) <= admitted, query
        assert len(ids(answer)) == min(100, len(admitted)) or mode == "lexical", query
        assert answer["query"]["operators"], query
    assert model.id in ids(found(client, query=f'"{phrase}"', mode="lexical", k=100))
    assert found(client, query=f'"{phrase}"', mode="lexical", operators=False)["searched"] == len(corpus.papers)


def test_operators_only_are_answered_by_lexical_search_or_the_newest_first(client: TestClient, corpus: Any) -> None:
    word = corpus.papers[20].title.split()[1]
    by_title = found(client, query=f"ti:{word}", mode="dense", k=100)
    assert by_title["mode"] == "lexical"
    assert set(ids(by_title)) == {paper.id for paper in corpus.papers if word in paper.title.lower().split()}
    assert by_title["notes"] == []
    noted = found(client, query=f"ti:{word} jr:Nature")
    assert len(noted["notes"]) == 1
    assert "journal references" in noted["notes"][0]
    refused = client.get("/search", params={"q": "ti:a submittedDate:[20241301 TO 20250101]"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_query")
    newest = found(client, query="cat:hep-th", k=50)
    days = [result["date"] for result in newest["results"]]
    assert days == sorted(days, reverse=True)
    assert days[0] == max(p.published for p in corpus.papers if p.published and "hep-th" in p.categories).isoformat()
    refused = client.post("/search", json={"query": "-cat:hep-th"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "blank_query")
    refused = client.post("/search", json={"query": "cat:hep-ht words"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unknown_category")


def test_papers_like_some_and_unlike_others(client: TestClient, corpus: Any) -> None:
    like, unlike = [paper.id for paper in corpus.papers[:2]], [paper.id for paper in corpus.papers[2:5]]
    answers = [
        found(client, like=like, unlike=unlike, k=100),
        found(client, like=like, dislike=unlike, k=100),
        client.get(
            "/search", params=[*(("like", x) for x in like), *(("unlike", x) for x in unlike), ("k", 100)]
        ).json(),
    ]
    assert ids(answers[0]) == ids(answers[1]) == ids(answers[2]) != ids(found(client, like=like, k=100))
    assert not {*like, *unlike} & set(ids(answers[0]))
    assert [paper["id"] for paper in answers[0]["query"]["unlike"]] == unlike
    for wrong in ({"unlike": unlike}, {"query": "words", "unlike": unlike}, {"like": like, "unlike": ["9999.99999"]}):
        assert client.post("/search", json=wrong).json()["error"]["detail"]


def test_the_same_paper_is_shown_once(tmp_path: Path, kit: Any) -> None:
    papers = kit.papers(60)
    again = [
        Paper(f"{papers[5].id}v2", papers[5].title + "!", papers[5].abstract.replace(".", " indeed."), published=None),
        Paper("copy:1", papers[7].title, papers[7].abstract),
        Paper("other:1", papers[9].title + " II", papers[9].abstract),
    ]
    encoder = kit.Encoder()
    kit.build([*papers, *again], encoder, tmp_path)
    with client_of(tmp_path, encoder, search_threads=1) as client:
        for mode in ("dense", "lexical", "hybrid"):
            for paper, repeated in ((papers[5], again[0]), (papers[7], again[1])):
                answer = found(client, query=passage_text(paper), mode=mode, k=20)
                assert len({paper.id, repeated.id} & set(ids(answer))) == 1
                assert answer["folded"] >= 1
                shown = next(result for result in answer["results"] if result["id"] in (paper.id, repeated.id))
                assert {shown["id"], *shown["duplicates"]} == {paper.id, repeated.id}
                both = found(client, query=passage_text(paper), mode=mode, k=20, collapse=False)
                assert {paper.id, repeated.id} <= set(ids(both))
                assert both["folded"] == 0
            parts = ids(found(client, query=passage_text(papers[9]), mode=mode, k=20))
            assert {papers[9].id, again[2].id} <= set(parts)


def test_dense_and_lexical_search_admit_the_same_papers(corpus: Any) -> None:
    snapshot = corpus.open(terms=1000)
    for wanted in (
        Filter((Clause(Field.CATEGORY, ("cs.LG", "hep-th")),), date(2004, 1, 1), date(2009, 1, 1)),
        Filter((), date(2020, 1, 1), None),
        Filter((Clause(Field.CATEGORY, ("stat.ML",)),)),
        Filter((Clause(Field.CATEGORY, ("stat.ML",)), Clause(Field.CATEGORY, ("cs.LG", "cs.IR"), excluded=True))),
        Filter((Clause(Field.ROW, tuple(range(0, 1500, 3))), Clause(Field.ROW, (9, 12), excluded=True))),
    ):
        rows = set(np.flatnonzero(snapshot.catalogue.find_rows(wanted).mask).tolist())
        everything = " ".join(paper.abstract for paper in corpus.papers[:200])
        lexical = set(snapshot.lexical.search(everything, 1500, admitted=wanted).rows.tolist())
        dense = snapshot.vectors.search(np.ones(48, np.float32), 1500, within=snapshot.catalogue.find_rows(wanted))
        assert set(dense.rows.tolist()) == rows
        assert lexical <= rows
        assert len(lexical) > 0.9 * len(rows)
    snapshot.close()


def test_address_and_body_take_the_same_parameters(client: TestClient, corpus: Any) -> None:
    query = corpus.papers[4].title
    body = found(client, abstract=query, k=7, categories=["cs.LG", "cs.CL"], **{"from": "2005"})
    one = client.get("/search", params={"q": query, "k": 7, "categories": "cs.LG,cs.CL", "from": "2005"}).json()
    several = client.get(
        "/search",
        params=[("query", query), ("k", "7"), ("categories", "cs.LG"), ("categories", "cs.cl"), ("from", "2005")],
    ).json()
    assert ids(body) == ids(one) == ids(several)


def test_a_result_has_all_fields_of_the_contract(client: TestClient, corpus: Any) -> None:
    answer = found(client, query=corpus.papers[1].title)
    assert answer.keys() == {
        *("results", "mode", "query", "k", "offset", "degraded", "timings", "searched", "snapshot", "encoder"),
        *("folded", "notes", "coded_notes", "coded_degraded", "reranked", "coverage", "next_cursor"),
    }
    stages = ("embed", "vectors", "lexical", "fuse", "fetch", "rerank", "total")
    assert answer["timings"].keys() == {f"{stage}_ms" for stage in stages}
    assert answer["encoder"] == {"version": 1, "digest": corpus.encoder.identity.digest}
    assert answer["query"] == {
        "text": corpus.papers[1].title, "like": [], "truncated": False, "tokens": 7,
        "words": corpus.papers[1].title, "operators": [], "unlike": [],
    }  # fmt: skip
    paper = corpus.papers[1]
    result = next(result for result in answer["results"] if result["id"] == paper.id)
    assert result == {
        "id": paper.id,
        "title": paper.title,
        "abstract": paper.abstract,
        "authors": [author.name for author in paper.authors],
        "author_count": len(paper.authors),
        "raw": {},
        "categories": list(paper.categories),
        "primary_subject": result["subjects"][0],
        "subjects": result["subjects"],
        "arxiv_id": paper.id,
        "date": paper.published.isoformat(),
        "doi": None,
        "journal_ref": None,
        "comments": None,
        "withdrawn": False,
        "links": {"abs": f"https://arxiv.org/abs/{paper.id}", "pdf": f"https://arxiv.org/pdf/{paper.id}"},
        "score": result["score"],
        "sources": result["sources"],
        "duplicates": [],
    }
    assert 0 < result["score"] <= 1
    assert result["sources"].keys() == {"dense", "lexical"}
    assert client.get(f"/papers/{paper.id}").json() == {
        **{name: value for name, value in result.items() if name not in ("score", "sources", "duplicates")},
        "published": paper.published.isoformat(),
        "updated": None,
        "versions": None,
    }


def test_the_answer_reports_a_truncated_query(client: TestClient, corpus: Any) -> None:
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
    schema = client.get("/openapi.json").json()
    described = {
        method: dict(re.findall(r"<tr><td><code>([^<]+)</code><td>[^<]+<td>([^<]*)</tr>", section))
        for method, path, section in re.findall(r'class="method">(\w+)</span> ([^<]+)</code>(.*?)</section>', page)
        if path == "/v1/search"
    }
    for parameter in schema["paths"]["/search"]["get"]["parameters"]:
        assert parameter["description"]
        assert escape(parameter["description"]) in described["GET"][parameter["name"]]
    fields = schema["components"]["schemas"]["SearchRequest"]["properties"]
    assert {"query", "like", "unlike", "k", "offset", "mode", "categories", "authors", "from", "to"} <= fields.keys()
    for name, field in fields.items():
        assert escape(field["description"]) in described["POST"][name]
    for path, methods in schema["paths"].items():
        assert page.count(f"</span> /v1{path}</code></h2>") == len(methods)
    assert "<script" not in page
    assert "src=" not in page
    assert schema["paths"]["/search"].keys() == {"get", "post"}
    assert "SearchAnswer" in schema["components"]["schemas"]


def test_metrics_count_searches_by_route(client: TestClient, corpus: Any) -> None:
    found(client, query="gugipivu")
    client.get("/papers/nonsense")
    text = client.app.state.metrics.text().decode()
    assert 'akin_requests_total{method="POST",route="/search",status="200"} 1.0' in text
    assert 'akin_requests_total{method="GET",route="/papers/{paper_id:path}",status="404"} 1.0' in text
    assert f'snapshot="{corpus.manifest.id}"' in text
    assert 'akin_search_stage_seconds_count{stage="vectors"} 1.0' in text
