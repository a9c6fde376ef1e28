"""Test what every lexical index promises, on each of them: Tantivy, and Milvus over sparse vectors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from akin.indexing import milvus
from akin.indexing.lexical_writer import ranking_terms
from akin.indexing.milvus import load_snapshot
from akin.papers import Paper
from retrieval_service.adapters.milvus_collection import MilvusOptions
from retrieval_service.adapters.milvus_words import MilvusWords
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.snapshot import Snapshot, open_snapshot
from retrieval_service.errors import VectorStoreUnusable
from retrieval_service.filter import AllOf, AnyOf, Clause, Field, Filter
from retrieval_service.ports import Hits, LexicalIndex
from tests.integration import generated
from tests.integration.service import client_of

ENGINES = ("tantivy", "milvus")
FIRST, LAST = date(2005, 1, 1), date(2012, 12, 31)


def papers() -> list[Paper]:
    """Return papers with compounds, formulas, several versions of words, and one without a word."""
    made = generated.generated_papers(700)
    texts = (
        ("Cross-lingual retrieval", "Crosslingual models for cross lingual search over documents."),
        ("Graph neural networks", "A graph is a graph is a graph: networks of $\\alpha$-stable graphs."),
        ("Retrieval " * 60, "long " * 700),
        ("!!!", "???"),
        ("Über naïve Schrödinger", "Naive schrodinger operators on L^2 spaces."),
    )
    for number, (title, abstract) in enumerate(texts):
        made[number] = msgspec.structs.replace(made[number], title=title, abstract=abstract)
    made[9] = msgspec.structs.replace(made[9], withdrawn=True)
    return made


PAPERS = papers()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder, encoder = tmp_path_factory.mktemp("words"), generated.HashEncoder()
    generated.build(PAPERS, encoder, folder)
    return folder, encoder


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> MilvusOptions:
    return MilvusOptions(str(tmp_path_factory.mktemp("milvus") / "words.db"), seconds=60, words=True)


def live(folder: Path) -> Path:
    snapshots = SnapshotDirectory(folder)
    return snapshots.path(snapshots.current() or "")


@pytest.fixture(scope="module")
def opened(data: tuple[Path, Any], options: MilvusOptions) -> Iterator[dict[str, Snapshot]]:
    folder = live(data[0])
    load_snapshot(folder, options, "FLAT")
    snapshots = {"tantivy": open_snapshot(folder), "milvus": open_snapshot(folder, milvus=options)}
    yield snapshots
    for each in snapshots.values():
        each.close()


@pytest.fixture
def asked(opened: dict[str, Snapshot], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of conditions that Milvus is asked under."""
    found: list[str] = []
    collection: Any = opened["milvus"].vectors.collection  # type: ignore[attr-defined]
    ask = collection.ask

    def spy(field: str, value: Any, k: int, parameters: Any, condition: str = "") -> Any:
        found.append(condition)
        return ask(field, value, k, parameters, condition)

    monkeypatch.setattr(collection, "ask", spy)
    return found


@pytest.fixture(params=ENGINES)
def index(request: pytest.FixtureRequest, opened: dict[str, Snapshot]) -> LexicalIndex:
    return opened[request.param].lexical


def scores(text: str) -> dict[int, float]:
    """Return the BM25 of each paper that has a term of a text, with lengths that are not rounded."""
    terms = [Counter(ranking_terms(paper)) for paper in PAPERS]
    lengths = [sum(each.values()) for each in terms]
    mean, found = sum(lengths) / len(lengths), Counter[int]()
    for term, times in Counter(ranking_terms(Paper(id="q", title="", abstract=text))).items():
        having = [row for row, each in enumerate(terms) if each[term]]
        rarity = math.log(1 + (len(PAPERS) - len(having) + 0.5) / (len(having) + 0.5))
        for row in having:
            count = terms[row][term]
            found[row] += times * rarity * 2.2 * count / (count + 1.2 * (0.25 + 0.75 * lengths[row] / mean))
    return dict(found)


def pairs(hits: Hits) -> dict[int, float]:
    return dict(zip(hits.rows.tolist(), hits.scores.tolist(), strict=True))


def test_papers_are_ranked_by_bm25(index: LexicalIndex) -> None:
    assert len(index) == len(PAPERS)
    text = " ".join(PAPERS[20].abstract.split()[:8])
    wanted, found = scores(text), pairs(index.search(text, 1300))
    assert found.keys() == wanted.keys()
    for row, score in found.items():
        assert score == pytest.approx(wanted[row], rel=0.05)  # a length of more than 40 terms is kept in a byte
    hits = index.search(text, 10)
    assert hits.scores.tolist() == sorted(hits.scores.tolist(), reverse=True)
    assert len(hits.rows) == 10
    assert hits.bounds is not None
    assert hits.scores[0] <= hits.bounds[1]


def test_nothing_is_found_without_terms_or_places(index: LexicalIndex) -> None:
    for text, k in (("zzzunknownzzz", 10), ("!!!", 10), ("", 10), ("retrieval", 0)):
        assert len(index.search(text, k).rows) == 0


def rows_where(test: Callable[[Paper], bool]) -> set[int]:
    return {row for row, paper in enumerate(PAPERS) if test(paper)}


def one(field: Field, *values: str | int, **how: bool) -> Clause:
    return Clause(field, values, **how)


def is_dated(paper: Paper) -> bool:
    return paper.published is not None and FIRST <= paper.published <= LAST


DAYS = (FIRST.toordinal(), LAST.toordinal())
LG, CL = one(Field.CATEGORY, "cs.LG"), one(Field.CATEGORY, "cs.CL", "hep-th")
FILTERS: dict[str, tuple[Filter, Callable[[Paper], bool]]] = {
    "category": (Filter((LG,)), lambda paper: "cs.LG" in paper.categories),
    "categories": (Filter((CL,)), lambda paper: bool({"cs.CL", "hep-th"} & set(paper.categories))),
    "not a category": (
        Filter((one(Field.CATEGORY, "cs.LG", excluded=True),)),
        lambda paper: "cs.LG" not in paper.categories,
    ),
    "a category that no paper has": (Filter((one(Field.CATEGORY, 'cs."XX'),)), lambda _: False),
    "no category": (Filter((one(Field.CATEGORY),)), lambda _: False),
    "days": (Filter((), FIRST, LAST), is_dated),
    "until a day": (Filter((), None, LAST), lambda paper: paper.published is not None and paper.published <= LAST),
    "no days": (Filter((), LAST, FIRST), lambda _: False),
    "not these days": (Filter((Clause(Field.DAY, DAYS, excluded=True),)), lambda paper: not is_dated(paper)),
    "rows": (Filter((one(Field.ROW, 1, 30, 31, 400),)), lambda paper: paper in [PAPERS[i] for i in (1, 30, 31, 400)]),
    "no rows": (Filter((one(Field.ROW),)), lambda _: False),
    "withdrawn": (Filter((Clause(Field.WITHDRAWN, (), excluded=True),)), lambda paper: not paper.withdrawn),
    "author": (
        Filter((one(Field.AUTHOR, "Ada Lovelace"),)),
        lambda paper: any(author.name == "Ada Lovelace" for author in paper.authors),
    ),
    "author and days": (
        Filter((one(Field.AUTHOR, "Wei Wang", excluded=True),), FIRST, LAST),
        lambda paper: is_dated(paper) and all(author.name != "Wei Wang" for author in paper.authors),
    ),
    "joined": (
        Filter(joined=(AnyOf((LG, AllOf((CL, Clause(Field.DAY, DAYS))))),)),
        lambda paper: (
            "cs.LG" in paper.categories or (bool({"cs.CL", "hep-th"} & set(paper.categories)) and is_dated(paper))
        ),
    ),
    "joined with an author": (
        Filter(joined=(AnyOf((LG, one(Field.AUTHOR, "Wei Wang"))),)),
        lambda paper: "cs.LG" in paper.categories or any(author.name == "Wei Wang" for author in paper.authors),
    ),
}
TEXT = " ".join(PAPERS[20].abstract.split()[:30])


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_admits_its_papers_and_all_of_them(name: str, index: LexicalIndex) -> None:
    admitted, meets = FILTERS[name]
    whole = pairs(index.search(TEXT, 1300))
    found = pairs(index.search(TEXT, 1300, admitted=admitted))
    assert found.keys() == whole.keys() & rows_where(meets)
    for row, score in found.items():
        assert score == pytest.approx(whole[row], rel=1e-5)


def test_milvus_answers_what_it_stores_and_lists_the_rows_of_other_conditions(
    opened: dict[str, Snapshot], asked: list[str]
) -> None:
    words = opened["milvus"].lexical
    assert isinstance(words, MilvusWords)
    by_name = {"rows": [True], "author": [True], "author and days": [True], "joined with an author": []}
    for name, (admitted, _) in FILTERS.items():
        asked.clear()
        words.search(TEXT, 50, admitted=admitted)
        listed = [condition.startswith(("(row in", "row in")) for condition in asked]
        assert listed == by_name.get(name, [False])


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("retrieval of graphs", {}),
        ("graph graph graph networks", {}),
        ("cross-lingual retrieval", {}),  # a compound, whose joined form counts less
        ("crosslingual", {}),  # papers write it as two words: a phrase, which the snapshot's index finds
        ("naive Schrödinger operators on $L^2$", {}),
        ("long " * 400, {}),
        (TEXT, {"against": (" ".join(PAPERS[21].abstract.split()[:20]), 0.5)}),
        (TEXT, {"admitted": Filter((one(Field.TITLE, "retrieval"),))}),
        (TEXT, {"admitted": Filter((one(Field.ABSTRACT, "graph*", pattern=True),))}),
        ("", {"admitted": Filter((LG,))}),
        ("", {"admitted": Filter((one(Field.ANYWHERE, "graph"),))}),
        *((paper.title, {}) for paper in PAPERS[:40:3]),
        *((paper.abstract, {"admitted": Filter((LG,), FIRST)}) for paper in PAPERS[100:110]),
    ],
)
def test_milvus_gives_the_answers_that_tantivy_gives(text: str, more: Any, opened: dict[str, Snapshot]) -> None:
    for k in (10, 100, 1300):
        wanted, found = (opened[engine].lexical.search(text, k, **more) for engine in ENGINES)
        np.testing.assert_allclose(found.scores, wanted.scores, rtol=2e-5)
        # Rows of the same score may change places where the answer ends.
        sure = wanted.scores > wanted.scores.min(initial=np.inf) * (1 + 1e-4)
        assert set(wanted.rows[sure].tolist()) <= set(found.rows.tolist())
        assert found.bounds == (wanted.bounds and pytest.approx(wanted.bounds))


def test_the_rest_of_the_port_is_the_snapshots(index: LexicalIndex) -> None:
    assert index.unknown_share("retrieval zzzunknownzzz") == 0.5
    assert index.plain_word("Über") == "uber"
    assert index.values_without_terms(one(Field.TITLE, "!")) == ("!",)
    assert index.informative_terms("retrieval graphs")
    (found,) = index.find_terms(["a retrieval"], ["retriev"])
    assert [match.term for match in found] == ["retriev"]
    assert set(np.flatnonzero(index.find_rows([LG])).tolist()) == rows_where(FILTERS["category"][1])


def test_the_service_answers_alike_with_both_halves_in_milvus(data: tuple[Path, Any], options: MilvusOptions) -> None:
    folder, encoder = data
    load_snapshot(live(folder), options, "FLAT")
    asked = [
        {"query": query, "mode": mode, "k": 20, **more}
        for query in (PAPERS[50].title, "graph networks")
        for mode in ("lexical", "dense", "hybrid")
        for more in ({}, {"categories": ["cs.LG"]}, {"authors": ["Wei Wang"], "highlight": True})
    ]
    there = {"milvus_uri": options.uri, "milvus_seconds": 60, "milvus_words": True}
    with client_of(folder, encoder, search_threads=1) as client:
        before = [client.post("/search", json=each).json()["results"] for each in asked]
    with client_of(folder, encoder, search_threads=1, **there) as client:
        after = [client.post("/search", json=each).json()["results"] for each in asked]
        assert "without_milvus" not in client.get("/health/ready").json()["components"]["snapshot"]
    assert [[each["id"] for each in found] for found in after] == [[each["id"] for each in found] for found in before]
    assert sum(map(bool, before)) >= len(asked) - 3  # of one author, few papers have some words


def test_a_collection_without_words_is_refused_where_they_are_wanted(data: tuple[Path, Any], tmp_path: Path) -> None:
    plain = MilvusOptions(str(tmp_path / "plain.db"), seconds=60)
    load_snapshot(live(data[0]), plain, "FLAT")
    with pytest.raises(VectorStoreUnusable, match=r"has no words\. Fill it: akin milvus load .* --words"):
        open_snapshot(live(data[0]), milvus=plain._replace(words=True))
    open_snapshot(live(data[0]), milvus=plain).close()
    loaded = load_snapshot(live(data[0]), plain._replace(words=True), "FLAT")
    assert loaded.written == len(PAPERS)
    again = load_snapshot(live(data[0]), plain, "FLAT")  # what has words too is whole without them
    assert again.written == 0


def test_the_kinds_of_fields_are_within_what_milvus_takes() -> None:
    assert milvus._CATEGORIES <= 4_096
    assert milvus._CODE <= 65_535
