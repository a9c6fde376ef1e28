"""Pages by cursor, of any sizes, on every kind of index: each admitted paper once, in one order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from akin.papers import Paper
from tests.fuzz.budget import examples
from tests.integration.generated import CATEGORIES, built
from tests.integration.service import client_of
from tests.integration.snapshots import tune

pytestmark = pytest.mark.integration

PAPERS = 130
KINDS = ("SQfp16", "IVF8,SQ8", "IVF8,PQ24x4fs,Refine(SQ8)", "IVF8,RaBitQ,Refine(SQ8)", "HNSW16,SQ8")


class Searched(NamedTuple):
    """Client of a service, and the papers that it searches."""

    client: TestClient
    papers: list[Paper]

    def __repr__(self) -> str:
        return "Searched(...)"


@pytest.fixture(scope="module", params=KINDS)
def searched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    data: Path = tmp_path_factory.mktemp("kind")
    papers, encoder, _ = built(data, PAPERS)
    if request.param != "SQfp16":
        assert tune(encoder, data, request.param, recall=0.1).index.recipe == request.param
    with client_of(data, encoder, search_threads=2, allowed_hosts="testserver") as client:
        yield Searched(client, papers)


@examples(3, 150)
@given(
    mode=st.sampled_from(["hybrid", "dense", "lexical"]),
    sizes=st.lists(st.sampled_from([1, 7, 30, 50, 100]), min_size=2, max_size=3).filter(lambda sizes: max(sizes) > 7),
    category=st.none() | st.sampled_from(CATEGORIES),
    collapse=st.booleans(),
    whole=st.booleans(),
    paper=st.integers(0, PAPERS - 1),
)
def test_pages_have_each_paper_once(
    searched: Searched, mode: str, sizes: list[int], category: str | None, collapse: bool, whole: bool, paper: int
) -> None:
    client, papers = searched
    asked: dict[str, Any] = {"query": papers[paper].title, "mode": mode, "collapse": collapse}
    admitted = {each.id for each in papers if category is None or category in each.categories}
    if category is not None:
        asked["categories"] = [category]
    if whole:
        asked["nprobe"] = 1024  # else an index that reads few lists ends with the papers in these
    first = client.post("/search", json={**asked, "k": 50}).json()["results"]
    found: list[str] = []
    scores: list[float] = []
    cursor = None
    for turn in range(PAPERS + 2):
        more = {"cursor": cursor} if cursor else {}
        answer = client.post("/search", json={**asked, "k": sizes[turn % len(sizes)], **more})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [each["id"] for each in page["results"]]
        scores += [each["score"] for each in page["results"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert cursor is None
    assert len(set(found)) == len(found)
    assert set(found) <= admitted
    assert found[: len(first)] == [each["id"] for each in first]
    if mode != "lexical" and not collapse and whole:
        assert set(found) == admitted


@examples(6, 600)
@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_=-]{1,80}", fullmatch=True))
def test_no_text_is_a_cursor(searched: Searched, text: str) -> None:
    client, _ = searched
    answer = client.post("/search", json={"query": "words", "cursor": text})
    assert answer.status_code in {400, 410}, answer.text
    assert answer.json()["error"]["code"] in {"invalid_parameter", "invalid_cursor", "stale_cursor", "cursor_expired"}
