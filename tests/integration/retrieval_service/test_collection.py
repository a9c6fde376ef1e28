"""Test that the service collects searches only where that is turned on, and as they were answered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from akin.collection.store import CollectedSearch, CollectionStore
from tests.integration.generated import Corpus
from tests.integration.service import client_of


def stored(folder: Path) -> list[CollectedSearch]:
    return list(CollectionStore(folder, days=30, most_bytes=1_000_000).read())


def test_nothing_is_collected_unless_it_is_turned_on(corpus: Corpus) -> None:
    before = sorted(corpus.data.iterdir())
    with client_of(corpus.data, corpus.encoder, search_threads=2) as client:
        assert client.post("/v1/search", json={"query": "some words"}).status_code == 200
    assert sorted(corpus.data.iterdir()) == before


def test_a_search_is_collected_as_it_was_answered(corpus: Corpus, tmp_path: Path) -> None:
    title = corpus.papers[3].title
    folder = tmp_path / "kept"
    options = {"search_threads": 2, "collection": str(folder), "collection_share": 1.0}
    with client_of(corpus.data, corpus.encoder, **options) as client:
        dense = client.post("/v1/search", json={"query": title, "k": 5}).json()
        assert "embedding" not in dense
        client.post("/v1/search", json={"query": title, "mode": "lexical", "k": 3})
        client.post("/v1/search", json={"query": title, "offset": 5})
        client.post("/v1/search", json={"like": [corpus.papers[0].id]})
        none = client.post("/v1/search", json={"query": "qqqqqq wwwwww", "mode": "lexical"}).json()
        assert none["results"] == []
    first, second, third = stored(folder)
    assert first.query == title
    assert first.ids == [each["id"] for each in dense["results"]]
    assert first.scores == pytest.approx([each["score"] for each in dense["results"]])
    assert first.category == dense["results"][0]["categories"][0]
    assert (first.unknown, first.tokens) == (0.0, dense["query"]["tokens"])
    vector = asyncio.run(corpus.encoder.embed_queries([title])).vectors[0]
    assert first.embedding is not None
    assert first.embedding.tolist() == vector.astype(np.float16).tolist()
    assert (second.mode, second.embedding, len(second.ids)) == ("lexical", None, 3)
    assert (third.ids, third.unknown, third.category) == ([], 1.0, None)
