"""Test that texts are searched in this process as the service would collect them."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from akin.indexing.collected_queries import search_texts
from retrieval_service.corpus.directory import SnapshotDirectory
from tests.integration.generated import Corpus
from tests.integration.service import client_of


def test_the_records_are_those_of_the_service(corpus: Corpus) -> None:
    titles = [paper.title for paper in corpus.papers[:4]]
    folder = SnapshotDirectory(corpus.data)
    live = folder.current()
    assert live is not None
    texts = [*titles, "!!", "qqqqqq", "year:nonsense words"]
    found = asyncio.run(search_texts(folder.path(live), corpus.encoder, texts, k=5))
    assert found[4] is None
    with client_of(corpus.data, corpus.encoder, search_threads=2) as client:
        for title, record in zip(titles, found, strict=False):
            answer = client.post("/v1/search", json={"query": title, "k": 5}).json()
            assert record is not None
            assert record.ids == [each["id"] for each in answer["results"]]
            assert record.scores == pytest.approx([each["score"] for each in answer["results"]])
            vector = asyncio.run(corpus.encoder.embed_queries([title])).vectors[0]
            assert record.embedding is not None
            assert record.embedding.tolist() == vector.astype(np.float16).tolist()
