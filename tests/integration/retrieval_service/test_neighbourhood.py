"""Test the neighbourhood of a paper over real indexes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from akin.indexing.build import build_snapshot
from akin.indexing.options import BuildOptions
from akin.papers import Paper
from retrieval_service.corpus import Manifest, SnapshotDirectory
from tests.integration.generated import Corpus, HashEncoder, build, generated_papers
from tests.integration.service import client_of


def test_the_papers_are_those_of_the_dense_search_for_similar_ones(client: TestClient, corpus: Corpus) -> None:
    paper = corpus.papers[5]
    answer = client.get(f"/v1/papers/arXiv:{paper.id}v3/neighbourhood").json()
    similar = client.get(f"/papers/{paper.id}/similar?mode=dense&k=40").json()["results"]
    first, *others = answer["papers"]
    assert [one["id"] for one in others] == [one["id"] for one in similar]
    assert len(others) == 40
    assert (first["id"], first["similarity"], first["x"], first["y"]) == (paper.id, 1.0, 0.0, 0.0)
    assert (first["title"], first["category"]) == (paper.title, paper.categories[0])
    assert first["author_count"] == len(paper.authors)
    for one, other in zip(others, similar, strict=True):
        assert one["similarity"] == pytest.approx(other["sources"]["dense"], abs=1e-4)
    assert client.get(f"/papers/{paper.id}/neighbourhood").json() == answer


def test_edges_join_papers_whose_vectors_are_near(client: TestClient, corpus: Corpus) -> None:
    answer = client.get(f"/papers/{corpus.papers[5].id}/neighbourhood?k=12").json()
    assert len(answer["papers"]) == 13
    joined = {place for edge in answer["edges"] for place in (edge["one"], edge["other"])}
    assert joined == set(range(13))
    for edge in answer["edges"][:3]:
        one, other = answer["papers"][edge["one"]], answer["papers"][edge["other"]]
        near = client.get(f"/papers/{one['id']}/similar?mode=dense&k=100&collapse=false").json()["results"]
        cosines = {each["id"]: each["sources"]["dense"] for each in near}
        assert edge["similarity"] == pytest.approx(cosines.get(other["id"], edge["similarity"]), abs=2e-3)
        assert edge["similarity"] > 0


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("2001.10001/neighbourhood?k=51", 400, "invalid_parameter"),
        ("2001.10001/neighbourhood?k=0", 400, "invalid_parameter"),
        ("2001.10001/neighbourhood?mode=dense", 400, "invalid_parameter"),
        ("9912.00001/neighbourhood", 404, "unknown_paper"),
        ("hep-th/9901001/neighbourhood", 404, "unknown_paper"),
        ("hep-th%2F9901001/neighbourhood", 404, "unknown_paper"),
        (f"{'x' * 5000}/neighbourhood", 404, "unknown_paper"),
    ],
)
def test_wrong_requests_are_refused(client: TestClient, path: str, status: int, code: str) -> None:
    answer = client.get(f"/papers/{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert len(answer.text) < 1000


def test_a_drawing_that_the_client_has_is_not_sent_again(client: TestClient) -> None:
    address = "/papers/2001.10001/neighbourhood"
    tag = client.get(address).headers["etag"]
    assert client.get(address, headers={"if-none-match": tag}).status_code == 304
    assert client.get(f"{address}?k=5", headers={"if-none-match": tag}).status_code == 200


@pytest.mark.parametrize("count", [1, 2])
def test_few_papers_and_papers_without_an_abstract_have_a_neighbourhood(tmp_path: Path, count: int) -> None:
    encoder = HashEncoder()
    build([Paper("hep-th/9901001", "Bells", ""), Paper("2", "", "Quiet", withdrawn=True)][:count], encoder, tmp_path)
    with client_of(tmp_path, encoder) as client:
        answer: Any = client.get("/papers/hep-th/9901001/neighbourhood").json()
        assert len(answer["papers"]) == count
        assert len(answer["edges"]) == count - 1
        encoder.away = True
        assert client.get("/papers/hep-th/9901001/neighbourhood?k=3").status_code == 200  # stored vectors are enough


class Step(Exception):
    """The build is to end after this step."""


@pytest.mark.parametrize(("after", "nearest"), [(1, 0), (2, 40)])
def test_while_vectors_are_made_the_covered_papers_are_drawn(tmp_path: Path, after: int, nearest: int) -> None:
    papers, encoder = generated_papers(600), HashEncoder()
    published: list[Manifest] = []

    def go_live(manifest: Manifest) -> None:
        SnapshotDirectory(tmp_path).use(manifest.id)
        published.append(manifest)
        if len(published) == after:
            raise Step

    options = BuildOptions(steps=(0.1, 0.5))
    with pytest.raises(Step):
        asyncio.run(build_snapshot(papers, encoder, tmp_path, source_name="x", options=options, go_live=go_live))
    oldest = min((paper for paper in papers if paper.published), key=lambda paper: paper.published or 0)
    with client_of(tmp_path, encoder) as client:
        answer = client.get(f"/papers/{oldest.id}/neighbourhood")
        assert answer.status_code == 200
        assert answer.json()["papers"][0]["id"] == oldest.id
        assert len(answer.json()["papers"]) == nearest + 1
        assert answer.json()["coverage"] == {"with_vectors": published[-1].with_vectors, "papers": 600}
        assert client.get("/corpus").json()["coverage"] == answer.json()["coverage"]
        encoder.away = True
        # The paper itself has no stored vector, so that one must be made.
        away = client.get(f"/papers/{oldest.id}/neighbourhood")
        assert away.status_code == (200 if after == 1 else 503)
