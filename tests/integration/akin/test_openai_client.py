"""Test OpenAI's client with the running stack: real vectors, counts of tokens, and as many texts as it may send."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import openai
import pytest

from tests.conftest import RunningStack

pytestmark = pytest.mark.integration


@pytest.fixture
def api(sample_stack: RunningStack) -> Iterator[openai.OpenAI]:
    url = f"{sample_stack.settings.service_url}/v1"
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        yield client


def own(stack: RunningStack, text: str, role: str) -> Any:
    answer = httpx.post(
        f"{stack.settings.service_url}/v1/embed", json={"abstract": text, "input_type": role}, timeout=20
    )
    return answer.json()


def test_vectors_and_tokens_are_those_of_the_encoder(api: openai.OpenAI, sample_stack: RunningStack) -> None:
    [listed] = [each for each in api.models.list().data if each.kind == "encoder"]  # type: ignore[attr-defined]
    assert listed.id != "text_encoder"
    assert listed.created > 1_700_000_000
    texts = ["Graph neural networks predict molecules.", "word " * 900, "α-decay of  CO$_2$ — naïve\ttext\n"]
    answer = api.embeddings.create(model=listed.id, input=texts)
    each = [own(sample_stack, text, "passage") for text in texts]
    found = np.asarray([one.embedding for one in answer.data])
    assert np.abs(found - [one["embedding"] for one in each]).max() < 0.02  # INT8: neighbours change the last digits
    assert answer.usage.total_tokens == sum(min(one["tokens"], listed.max_length) for one in each)  # type: ignore[attr-defined]
    assert answer.truncated == [1]  # type: ignore[attr-defined]


def test_a_whole_batch_of_abstracts(api: openai.OpenAI) -> None:
    texts = [f"Paper {number} is about " + "graphs " * (number % 9) for number in range(2048)]
    found = np.asarray([one.embedding for one in api.embeddings.create(model="text_encoder", input=texts).data])
    assert found.shape[0] == 2048
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-3)
    alone = np.asarray(
        [api.embeddings.create(model="text_encoder", input=texts[at]).data[0].embedding for at in (0, 2047)]
    )
    assert (np.sum(alone * found[[0, 2047]], axis=1) > 0.999).all()
