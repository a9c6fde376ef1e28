"""Test the routes of OpenAI's clients with OpenAI's own client."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import openai
import pytest
from starlette.testclient import TestClient

from tests.integration.generated import HashEncoder, hashed
from tests.integration.service import client_of


@pytest.fixture
def api(client: TestClient) -> openai.OpenAI:
    """Return OpenAI's client, which sends its requests to the service."""
    return openai.OpenAI(base_url="http://testserver/v1", api_key="none", http_client=client, max_retries=0)


@pytest.fixture
def short(corpus: Any) -> Iterator[openai.OpenAI]:
    """Yield OpenAI's client of a service whose encoder was trained for shorter vectors and has prompts."""
    encoder = HashEncoder()
    encoder.identity = replace(
        encoder.identity, name="hash-small", dimensions=(24, 12), created=datetime(2026, 1, 2, tzinfo=UTC)
    )
    encoder.prompts = {"query": "query: ", "passage": "passage: "}
    with client_of(corpus.data, encoder) as client:
        yield openai.OpenAI(base_url="http://testserver/v1", api_key="none", http_client=client, max_retries=0)


def vectors_of(answer: Any) -> Any:
    assert [each.index for each in answer.data] == list(range(len(answer.data)))
    return np.asarray([each.embedding for each in answer.data], np.float32)


@pytest.mark.parametrize("form", ["float", "base64", openai.omit])
@pytest.mark.parametrize("texts", [["one text"], [f"text {'of words ' * (n % 5)}{n}" for n in range(200)]])
def test_vectors_come_in_the_order_of_the_texts(api: openai.OpenAI, form: Any, texts: list[str]) -> None:
    answer = api.embeddings.create(model="text_encoder", input=texts, encoding_format=form)
    if form == "base64":  # the client decodes only when it chose the form itself
        found = np.asarray(
            [np.frombuffer(base64.b64decode(str(each.embedding)), "<f4") for each in answer.data], np.float32
        )
    else:
        found = vectors_of(answer)
    assert np.allclose(found, [hashed(text) for text in texts], atol=1e-7)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == sum(len(text.split()) + 2 for text in texts)
    assert answer.object == "list"
    assert answer.data[0].object == "embedding"


def test_one_text_need_not_be_a_list_and_the_model_may_be_any_name_of_the_encoder(api: openai.OpenAI) -> None:
    [listed] = api.models.list().data
    for name in ("text_encoder", listed.id, listed.digest):  # type: ignore[attr-defined]
        answer = api.embeddings.create(model=name, input="a text", user="me")
        assert answer.model == listed.id == api.models.retrieve(name).id
        assert np.allclose(vectors_of(answer), [hashed("a text")], atol=1e-7)


def test_a_long_text_is_cut_and_counted_as_read(api: openai.OpenAI) -> None:
    answer = api.embeddings.create(model="text_encoder", input=["short", "word " * 3000, "short"])
    assert answer.truncated == [1]  # type: ignore[attr-defined]
    assert answer.usage.prompt_tokens == 3 + 64 + 3


def test_vectors_are_cut_only_to_lengths_that_the_encoder_was_trained_for(short: openai.OpenAI) -> None:
    [listed] = short.models.list().data
    assert (listed.id, listed.dimensions, listed.created) == ("hash-small", [24, 12], 1767312000)  # type: ignore[attr-defined]
    whole = vectors_of(short.embeddings.create(model="hash-small", input=["some text"]))
    assert whole.shape == (1, 48)
    assert np.array_equal(
        vectors_of(short.embeddings.create(model="hash-small", input="some text", dimensions=48)), whole
    )
    cut = vectors_of(short.embeddings.create(model="hash-small", input="some text", dimensions=12))
    assert np.allclose(cut, whole[:, :12] / np.linalg.norm(whole[:, :12]), atol=1e-6)
    with pytest.raises(openai.BadRequestError, match="48 dimensions, and may be cut to 24, 12"):
        short.embeddings.create(model="hash-small", input="some text", dimensions=13)


def test_other_encoders_vectors_are_not_cut(api: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="not trained for that"):
        api.embeddings.create(model="text_encoder", input="some text", dimensions=12)


def test_texts_are_passages_unless_the_request_says_query(short: openai.OpenAI) -> None:
    for more, prompt in (({}, "passage: "), ({"input_type": "query"}, "query: ")):
        answer = short.embeddings.create(model="hash-small", input="some text", extra_body=more)
        assert np.allclose(vectors_of(answer), [hashed(f"{prompt}some text")], atol=1e-7)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"input": ""}, "input is blank"),
        ({"input": []}, "not empty"),
        ({"input": ["a", " \n"]}, r"input\[1\] is blank"),
        ({"input": ["a", "\0\x07"]}, r"input\[1\] has control characters only"),
        ({"input": [[15339, 1917]]}, "check_embedding_ctx_length=False"),
        ({"input": [15339, 1917]}, "check_embedding_ctx_length=False"),
        ({"input": ["a", None]}, r"input\[1\] must be a text"),
        ({"input": None}, "must be a text or a list"),
        ({"input": {"text": "a"}}, "must be a text or a list"),
        ({"input": ["a"] * 2049}, "2049 texts; at most 2048"),
        ({"input": ["a"] * 10_000}, "10000 texts; at most 2048"),
        ({"input": "a" * 20_001}, r"input has 20001 characters; at most 20000"),
        ({"input": ["a" * 20_000] * 201}, "4020000 characters in all; at most 4000000"),
        ({"encoding_format": "hex"}, "encoding_format must be 'float' or 'base64'"),
        ({"dimensions": 0}, "dimensions must be greater than or equal to 1"),
        ({"extra_body": {"input_type": "title"}}, "input_type must be 'query' or 'passage'"),
        ({"extra_body": {"inputtype": "query"}}, "Did you mean input_type"),
    ],
)
def test_wrong_requests_are_refused_with_a_reason_that_the_client_shows(
    api: openai.OpenAI, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=message) as caught:
        api.embeddings.create(**{"model": "text_encoder", "input": "a", **wrong})
    assert caught.value.code == "invalid_parameter"


def test_an_unknown_model_is_named_with_those_that_are_served(api: openai.OpenAI) -> None:
    for ask in (
        lambda: api.embeddings.create(model="text-embedding-3-small", input="a"),
        lambda: api.models.retrieve("text-embedding-3-small"),
    ):
        with pytest.raises(openai.NotFoundError, match="served ones are: text_encoder") as caught:
            ask()
        assert caught.value.code == "model_not_found"


def test_a_body_that_is_too_long_is_not_read(api: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError, match="longer than 8388608 bytes") as caught:
        api.embeddings.create(model="text_encoder", input=["é" * 20_000] * 210)
    assert caught.value.status_code == 413


def test_as_many_texts_as_a_client_sends_at_most(corpus: Any) -> None:
    encoder = HashEncoder()
    with client_of(corpus.data, encoder) as client:
        encoder.texts.clear()
        texts = [f"text {number}" for number in range(2048)]
        answer = client.post("/v1/embeddings", json={"input": texts}, headers={"accept-encoding": "gzip"})
        assert "content-encoding" not in answer.headers
        assert [each["embedding"] for each in answer.json()["data"][::512]] == [
            pytest.approx(hashed(text).tolist()) for text in texts[::512]
        ]
        assert encoder.largest_batch <= 64
        assert sorted(encoder.texts) == sorted(texts)


def test_an_absent_encoder_is_a_503_that_the_client_repeats(corpus: Any) -> None:
    encoder = HashEncoder()
    with client_of(corpus.data, encoder, watch_seconds=60) as client:
        encoder.away = True
        for count in (1, 20):
            answer = client.post("/embeddings", json={"input": ["a"] * count})
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "encoder_unavailable")
            assert answer.headers["retry-after"]
