"""Pages of one ranking, on every kind of index: no result twice or missing, and recall as measured."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from akin.indexing.faiss_recipe import parse_recipe
from akin.indexing.faiss_writer import build_index
from akin.indexing.recall import exact_nearest, measure
from akin.papers import Paper, passage_text
from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.corpus import Manifest, SnapshotDirectory, open_snapshot
from retrieval_service.ports import (
    Catalogue,
    EmbeddingBatch,
    EncoderIdentity,
    LexicalIndex,
    RowSet,
    TextRole,
    VectorIndex,
    Vectors,
)
from retrieval_service.search.answer import SearchResult
from retrieval_service.search.engine import SearchEngine
from retrieval_service.search.fusion import FUSIONS
from retrieval_service.search.request import Mode, SearchRequest, Sort

PAPERS = 3000
# Search parameters of each: lists, or a graph's candidates; then the candidates refined for each result.
INDEXES = {
    "SQfp16": (None, 1.0),
    "IVF64,Flat": (6, 1.0),
    "IVF64,SQ8": (6, 1.0),
    "IVF64,PQ24x4fs,Refine(SQ8)": (12, 1.5),
    "IVF64,RaBitQ,Refine(SQ8)": (12, 1.5),
    "HNSW16,SQ8": (16, 1.0),
}


@dataclass(frozen=True)
class Corpus:
    """A snapshot's parts with an index of one kind; the vector of a query is looked up or hashed."""

    manifest: Manifest
    vectors: VectorIndex
    lexical: LexicalIndex
    catalogue: Catalogue
    stored: Vectors
    queries: dict[str, Vectors]
    covered: RowSet | None = None
    references: None = None

    async def embed(self, text: str, role: TextRole = "query") -> tuple[EmbeddingBatch, EncoderIdentity]:
        vector = self.queries[text].reshape(1, -1)
        return EmbeddingBatch(vector, np.asarray([9], np.int32)), EncoderIdentity(1, "d", vector.shape[1])


def with_copies(papers: list[Paper]) -> list[Paper]:
    """Return papers, some of them in three versions and some in six identical copies."""
    for place in range(0, len(papers) - 7, 40):
        first = papers[place]
        papers[place + 1] = replace_id(first, f"{first.id}v2")
        papers[place + 2] = replace_id(first, f"{first.id}v3")
        for copy in range(3, 7 if place % 80 else 3):
            papers[place + copy] = replace_id(first, f"copy/{place + copy}")
    return papers


def replace_id(paper: Paper, name: str) -> Paper:
    return Paper(name, paper.title, paper.abstract, paper.authors, paper.categories, published=paper.published)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    from tests.integration.generated import HashEncoder, build, generated_papers, hashed

    data, papers = tmp_path_factory.mktemp("pages"), with_copies(generated_papers(PAPERS))
    manifest = build(papers, HashEncoder(), data)
    snapshot = open_snapshot(SnapshotDirectory(data).path(manifest.id))
    stored = np.stack([hashed(passage_text(paper)) for paper in papers])
    texts = [paper.title for paper in papers[7:1400:500]] + [passage_text(papers[80]), passage_text(papers[163])]
    queries = {text: hashed(text) for text in texts}
    yield Corpus(manifest, snapshot.vectors, snapshot.lexical, snapshot.catalogue, stored, queries)
    snapshot.close()


@pytest.fixture(scope="module", params=list(INDEXES))
def corpus(request: pytest.FixtureRequest, parts: Corpus) -> Corpus:
    nprobe, k_factor = INDEXES[request.param]
    dim = parts.stored.shape[1]
    index = build_index(parse_recipe(request.param), PAPERS, dim, lambda rows: parts.stored[rows])
    return replace(parts, vectors=FaissIndex(index, nprobe=nprobe, k_factor=k_factor))


@pytest.fixture(scope="module")
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


class Asked:
    """A search that returns pages, with its own event loop."""

    def __init__(self, executor: ThreadPoolExecutor, corpus: Corpus, request: SearchRequest, **engine: Any) -> None:
        settings = {"fusion": FUSIONS["bounds"], "pool": 100} | engine
        self.engine = SearchEngine(executor, **settings)
        self.corpus = corpus
        self.request = request

    def page(self, offset: int, k: int) -> list[SearchResult]:
        wanted = replace(self.request, offset=offset, k=k)
        return asyncio.run(self.engine.search(self.corpus, wanted)).results

    def pages(self, first: int, end: int, size: int) -> list[SearchResult]:
        return [found for at in range(first, end, size) for found in self.page(at, min(size, end - at))]


NARROWINGS: list[dict[str, Any]] = [{}, {"categories": ("cs.LG",)}, {"authors": ("Ada Lovelace",), "search_effort": 3}]


@pytest.mark.parametrize(
    ("mode", "collapse", "number"),
    [
        *product((Mode.DENSE, Mode.HYBRID), (True, False), (0,)),
        *((Mode.DENSE, True, 1), (Mode.DENSE, False, 2), (Mode.HYBRID, True, 2)),
    ],
)
def test_pages_of_any_size_are_one_ranking(
    executor: ThreadPoolExecutor, corpus: Corpus, mode: Mode, collapse: bool, number: int
) -> None:
    assert_pages_agree(executor, corpus, mode, collapse, number)


@pytest.mark.parametrize(("collapse", "number"), [(True, 0), (False, 0), (True, 1), (False, 2)])
def test_pages_of_lexical_search_are_one_ranking(
    executor: ThreadPoolExecutor, parts: Corpus, collapse: bool, number: int
) -> None:
    assert_pages_agree(executor, parts, Mode.LEXICAL, collapse, number)


def assert_pages_agree(executor: ThreadPoolExecutor, corpus: Corpus, mode: Mode, collapse: bool, number: int) -> None:
    for text in list(corpus.queries)[number::3]:
        request = SearchRequest(text=text, mode=mode, collapse=collapse, operators=False, **NARROWINGS[number])
        asked = Asked(executor, corpus, request)
        fifty = asked.page(0, 50)
        assert asked.pages(0, 50, 10) == fifty
        assert asked.pages(0, 50, 7) == fifty
        one_by_one = asked.pages(0, 260, 26)
        names = [found.id for found in one_by_one]
        assert len(set(names)) == len(names)
        assert one_by_one[:100] == asked.page(0, 100)
        assert one_by_one[95:105] == asked.page(95, 10)
        assert one_by_one[150:250] == asked.page(150, 100)


@pytest.mark.parametrize("order", [{"sort": Sort.NEWEST}, {"sort": Sort.RECENT}, {"diversity": 0.4}])
def test_pages_in_another_order_are_one_ranking(
    executor: ThreadPoolExecutor, corpus: Corpus, order: dict[str, Any]
) -> None:
    request = SearchRequest(text=next(iter(corpus.queries)), operators=False)
    asked = Asked(executor, corpus, replace(request, **order))
    hundred = asked.page(0, 100)
    assert asked.pages(0, 100, 10) == hundred
    assert asked.pages(0, 100, 33) == hundred
    names = [found.id for found in asked.pages(0, 400, 40)]
    assert len(set(names)) == len(names) >= 100
    assert names[:100] != [found.id for found in Asked(executor, corpus, request).page(0, 100)]


@pytest.mark.parametrize("mode", list(Mode))
def test_pages_of_papers_like_others_are_one_ranking(executor: ThreadPoolExecutor, corpus: Corpus, mode: Mode) -> None:
    liked, unliked = corpus.catalogue.papers([20, 21, 1000]), corpus.catalogue.papers([333])
    request = SearchRequest(like=tuple(p.id for p in liked), unlike=tuple(p.id for p in unliked), mode=mode)
    asked = Asked(executor, corpus, request)
    hundred = asked.page(0, 100)
    assert len(hundred) == 100
    assert asked.pages(0, 100, 10) == hundred
    assert asked.pages(0, 100, 33) == hundred
    assert not {paper.id for paper in (*liked, *unliked)} & {found.id for found in hundred}


@pytest.mark.parametrize(
    ("fusion", "pool"), [("rrf", 100), ("minmax", 10), ("bounds", 10), ("bounds", 150), ("bounds", 1000)]
)
def test_pages_are_one_ranking_for_every_way_of_fusing(
    executor: ThreadPoolExecutor, corpus: Corpus, fusion: str, pool: int
) -> None:
    text = next(iter(corpus.queries))
    asked = Asked(executor, corpus, SearchRequest(text=text, operators=False), fusion=FUSIONS[fusion], pool=pool)
    found = asked.pages(0, 1100, 100)
    assert len({each.id for each in found}) == len(found)
    for offset, k in ((0, 50), (40, 10), (90, 20), (195, 7), (1000, 10)):
        assert asked.page(offset, k) == found[offset : offset + k]
    assert all(0 <= each.score <= 1 for each in found)


def test_served_recall_is_the_measured_recall(executor: ThreadPoolExecutor, corpus: Corpus) -> None:
    own = np.arange(11, PAPERS, 50)
    asked = exact_nearest(corpus.stored[own], own, PAPERS, lambda rows: corpus.stored[rows])
    index = corpus.vectors
    assert isinstance(index, FaissIndex)
    measured, _ = measure(index, asked)
    names = {f"query {row}": corpus.stored[row] for row in own}
    searched = replace(corpus, queries=names)
    row_of = {paper.id: row for row, paper in enumerate(corpus.catalogue.papers(range(PAPERS)))}
    for k in (11, 100):
        shares = []
        for row, truth, text in zip(own, asked.truth, names, strict=True):
            request = SearchRequest(text=text, mode=Mode.DENSE, collapse=False)
            found = Asked(executor, searched, request).page(0, k)
            rows = [row_of[each.id] for each in found if row_of[each.id] != row]
            # Copies have equal vectors: any of them may stand for another.
            same, sought = (Counter(corpus.stored[row].tobytes() for row in some) for some in (rows[:10], truth))
            shares.append((same & sought).total() / len(truth))
        assert np.mean(shares) == pytest.approx(measured, abs=0.01)
