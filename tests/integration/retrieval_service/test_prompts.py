"""Test which texts the service and an index build embed as queries, and which as passages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from akin.papers import passage_text
from tests.integration import generated
from tests.integration.service import client_of

PROMPTS = {"query": "gugi vepa ", "passage": "tobo nili "}


class Prompted:
    """Corpus of an encoder with prompts, and the service over it."""

    def __init__(self, data: Path) -> None:
        self.encoder = generated.HashEncoder("with prompts")
        self.encoder.prompts = dict(PROMPTS)  # type: ignore[arg-type]
        self.papers = generated.generated_papers(40)
        generated.build(self.papers, self.encoder, data)
        self.built = list(self.encoder.texts)
        self.data = data

    def taken(self) -> list[str]:
        """Return what the encoder has read since the last call."""
        texts = [*self.encoder.texts]
        self.encoder.texts.clear()
        return texts


@pytest.fixture(scope="module")
def prompted(tmp_path_factory: pytest.TempPathFactory) -> Prompted:
    return Prompted(tmp_path_factory.mktemp("prompted"))


@pytest.fixture(params=["query", "passage"])
def client(prompted: Prompted, request: pytest.FixtureRequest) -> Iterator[TestClient]:
    """Yield a client of the service, with an encoder that takes an abstract as the parameter says."""
    prompted.encoder.identity = replace(prompted.encoder.identity, abstract_as=request.param)
    with client_of(prompted.data, prompted.encoder, watch_seconds=0.05) as client:
        prompted.taken()
        yield client


def test_an_index_holds_passages(prompted: Prompted) -> None:
    assert sorted(prompted.built) == sorted(PROMPTS["passage"] + passage_text(paper) for paper in prompted.papers)


def test_the_queries_that_tune_an_index_are_queries(tmp_path: Path) -> None:
    encoder = generated.HashEncoder()
    encoder.prompts = dict(PROMPTS)  # type: ignore[arg-type]
    generated.build(generated.generated_papers(1100), encoder, tmp_path, exact_below=1000)
    kinds = {text[: len(PROMPTS["query"])] for text in encoder.texts[1100:]}
    assert kinds == {PROMPTS["query"]}


def test_a_search_embeds_its_query_as_a_query_and_its_abstract_as_the_recipe_says(
    client: TestClient, prompted: Prompted
) -> None:
    words = prompted.papers[7].abstract
    assert client.post("/search", json={"query": words, "operators": False}).status_code == 200
    assert client.get("/search", params={"q": "vectors alone", "mode": "dense"}).status_code == 200
    assert prompted.taken() == [PROMPTS["query"] + words, PROMPTS["query"] + "vectors alone"]
    answer = client.post("/search", json={"abstract": words, "operators": False, "mode": "dense"}).json()
    as_type = prompted.encoder.identity.abstract_as
    assert prompted.taken() == [PROMPTS[as_type] + words]
    assert answer["query"]["text"] == words


def test_embed_takes_an_abstract_as_a_passage_and_a_query_as_a_query(client: TestClient, prompted: Prompted) -> None:
    def vector(**given: Any) -> Any:
        return np.asarray(client.post("/embed", json=given).json()["embedding"], np.float32)

    for given, kind in (
        ({"abstract": "vanishing gradients"}, "passage"),
        ({"query": "vanishing gradients"}, "query"),
        ({"abstract": "vanishing gradients", "input_type": "query"}, "query"),
        ({"q": "vanishing gradients", "input_type": "passage"}, "passage"),
    ):
        found = vector(**given)
        assert prompted.taken() == [PROMPTS[kind] + "vanishing gradients"]
        np.testing.assert_allclose(found, generated.hashed(PROMPTS[kind] + "vanishing gradients"), atol=1e-6)


def test_a_search_for_similar_papers_uses_stored_vectors(client: TestClient, prompted: Prompted) -> None:
    answer = client.get(f"/papers/{prompted.papers[3].id}/similar", params={"mode": "dense", "k": 3}).json()
    assert prompted.taken() == []
    vectors = np.stack([generated.hashed(PROMPTS["passage"] + passage_text(paper)) for paper in prompted.papers])
    nearest = np.argsort(-(vectors @ vectors[3]))[1:4]
    assert [found["id"] for found in answer["results"]] == [prompted.papers[place].id for place in nearest]
