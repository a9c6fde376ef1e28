"""Rankings that are made in this process are those that `POST /search` answers."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from akin.indexing.in_process import index_corpus, rank_queries
from retrieval_service.app import create_app
from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.errors import EncoderUnavailable, Unavailable
from retrieval_service.search.request import Mode
from retrieval_service.settings import Settings
from tests.integration.generated import Corpus, HashEncoder, OneEncoder, generated_papers
from tests.integration.service import client_of

MODES = list(Mode)


def queries_of(corpus: Corpus) -> dict[str, str]:
    """Return titles, abstracts, and texts that the query language reads in its own way or refuses."""
    papers = corpus.papers[:40:10]
    word, other = papers[0].title.split()[:2]
    odd = [
        f'"{word} {other}"', f"{word} -{other}", f"ti:{word}", f"{word} OR {other}", papers[3].id, f"-{word}", "?!",
        f"cat:cs.LG {word}", "cat:cs.LG", "  ", f"{word}\x00{other}", "x" * 30_000, f"cat:nowhere {word}",
        f"submittedDate:[2020 TO 2010] {word}",
    ]  # fmt: skip
    texts = [*(paper.title for paper in papers), *(paper.abstract for paper in papers), *odd]
    return {f"q{number}": text for number, text in enumerate(texts)}


def test_rankings_equal_the_answers_over_http(corpus: Corpus) -> None:
    queries = queries_of(corpus)
    path = SnapshotDirectory(corpus.data).path(corpus.manifest.id)
    found = rank_queries(path, corpus.encoder, queries, MODES, depth=250)
    refused = set()
    with client_of(corpus.data, corpus.encoder) as client:
        for mode in MODES:
            for name, text in queries.items():
                pages = [
                    client.post("/search", json={"query": text, "mode": mode, "k": 100, "offset": offset})
                    for offset in (0, 100, 200)
                ]
                if pages[0].status_code != 200:
                    assert pages[0].status_code == 400
                    assert found[mode][name] == []
                    refused.add(text)
                    continue
                answered = [paper["id"] for page in pages for paper in page.json()["results"]]
                assert found[mode][name] == answered[:250], (mode, text)
    assert len(refused) == 6
    assert len(found[Mode.HYBRID]["q0"]) == 250
    assert found[Mode.LEXICAL] != found[Mode.DENSE] != found[Mode.HYBRID]


class Backwards:
    """Reranker that prefers the text whose last letters come last; it tells how many texts it read."""

    def __init__(self) -> None:
        self.read: list[int] = []

    async def is_ready(self) -> bool:
        return True

    async def score(self, query: str, passages: Sequence[str], seconds: float) -> Any:
        self.read.append(len(passages))
        return np.asarray([sum(map(ord, passage[-9:])) for passage in passages], np.float32)


def test_reranked_rankings_equal_the_answers_over_http(corpus: Corpus) -> None:
    queries = queries_of(corpus)
    path = SnapshotDirectory(corpus.data).path(corpus.manifest.id)
    reranker = Backwards()
    search = partial(rank_queries, path, corpus.encoder, queries, [Mode.HYBRID], depth=150)
    found = search(reranker=reranker, rerank=20)[Mode.HYBRID]
    assert set(reranker.read) >= {20}
    changed = 0
    app = create_app(Settings(data=corpus.data), OneEncoder(corpus.encoder), Backwards())
    with TestClient(app, raise_server_exceptions=False) as client:
        for name, text in queries.items():
            asked = [{"query": text, "k": 100, "offset": offset, "rerank": 20} for offset in (0, 100)]
            pages = [client.post("/search", json=body) for body in asked]
            if pages[0].status_code != 200:
                assert found[name] == []
                continue
            answered = [paper["id"] for page in pages for paper in page.json()["results"]]
            assert found[name] == answered[:150], text
            changed += bool(pages[0].json()["reranked"])
    assert changed > 5
    plain = search()[Mode.HYBRID]
    assert {name for name in queries if found[name] != plain[name]}
    assert all(sorted(found[name][:20]) == sorted(plain[name][:20]) for name in queries)
    assert all(found[name][20:] == plain[name][20:] for name in queries)


def test_a_failed_reranker_or_encoder_gives_no_figures(corpus: Corpus) -> None:
    class Broken(Backwards):
        async def score(self, query: str, passages: Sequence[str], seconds: float) -> Any:
            raise EncoderUnavailable("out of order")

    path = SnapshotDirectory(corpus.data).path(corpus.manifest.id)
    with pytest.raises(Unavailable, match="not reranked"):
        rank_queries(path, corpus.encoder, {"q": corpus.papers[0].title}, [Mode.HYBRID], reranker=Broken(), rerank=5)


def test_settings_decide_the_rankings_and_the_environment_does_not(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    from akin.indexing.in_process import default_settings

    path = SnapshotDirectory(corpus.data).path(corpus.manifest.id)
    queries = {"q": corpus.papers[0].title}
    before = rank_queries(path, corpus.encoder, queries, [Mode.HYBRID])
    monkeypatch.setenv("AKIN_DENSE_WEIGHT", "1")
    assert rank_queries(path, corpus.encoder, queries, [Mode.HYBRID]) == before
    dense = default_settings().model_copy(update={"dense_weight": 1.0})
    assert rank_queries(path, corpus.encoder, queries, [Mode.HYBRID], settings=dense) != before


def test_queries_are_encoded_once_for_all_modes(corpus: Corpus) -> None:
    encoder = HashEncoder()
    path = SnapshotDirectory(corpus.data).path(corpus.manifest.id)
    rank_queries(path, encoder, {"a": "one two", "b": "one two", "c": "ti:three four"}, MODES)
    assert sorted(encoder.texts) == ["four", "one two"]
    rank_queries(path, encoder, {"a": "never encoded"}, [Mode.LEXICAL])
    assert "never encoded" not in encoder.texts


def test_a_corpus_is_indexed_once_for_each_encoder_and_exactly(tmp_path: Path) -> None:
    papers, encoder = generated_papers(300), HashEncoder()
    first = index_corpus(papers, encoder, tmp_path, name="a")
    assert index_corpus(iter(()), encoder, tmp_path, name="a") == first
    assert index_corpus(papers[:200], encoder, tmp_path, name="b") != first
    assert index_corpus(papers, HashEncoder("other"), tmp_path, name="a") != first
    # The passages of `b` are those of `a`.
    assert len(encoder.texts) == 300
    snapshots = SnapshotDirectory(tmp_path)
    assert snapshots.current() is None
    assert {made.index.recipe for made in snapshots.manifests()} == {"SQfp16"}
    nearest = rank_queries(first, encoder, {"q": papers[7].title}, [Mode.DENSE], depth=10)[Mode.DENSE]["q"]
    vectors = asyncio.run(encoder.embed_passages([f"{paper.title}. {paper.abstract}" for paper in papers])).vectors
    query = asyncio.run(encoder.embed_queries([papers[7].title])).vectors[0]
    assert nearest[0] == papers[int((vectors @ query).argmax())].id
