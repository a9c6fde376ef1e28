"""A deadline limits the time that Triton gets, and does not count as a failure of the encoder."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any

import numpy as np
import pytest

from retrieval_service.adapters.triton import TritonConnection, TritonEncoder
from retrieval_service.adapters.triton_wire import QUERY, Purpose, Reply
from retrieval_service.deadline import check_deadline, deadline, seconds_left
from retrieval_service.errors import DeadlineExceeded, EncoderUnavailable
from retrieval_service.ports import EncoderIdentity
from retrieval_service.search.request import SearchRequest


class FakeWire:
    """Records the seconds that Triton gets; answers, or waits until the time has passed and fails."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.purposes: list[Purpose] = []
        self.slow = False

    async def infer(self, texts: Sequence[str], version: int, seconds: float, purpose: Purpose = QUERY) -> Reply:
        self.seconds.append(seconds)
        self.purposes.append(purpose)
        if self.slow:
            await asyncio.sleep(seconds)
            raise EncoderUnavailable("Triton did not answer in time.")
        return Reply(np.ones((len(texts), 2), np.float32), np.ones(len(texts), np.int32), "digest")


@pytest.fixture
def wire() -> FakeWire:
    return FakeWire()


@pytest.fixture
def encoder(wire: FakeWire) -> TritonEncoder:
    triton = TritonConnection("grpc://127.0.0.1:1", query_seconds=2.0)
    triton.wire = wire  # type: ignore[assignment]
    return TritonEncoder(triton, EncoderIdentity(1, "digest", 2))


async def test_triton_gets_the_time_that_is_left_and_no_more_than_its_own_limit(
    wire: FakeWire, encoder: TritonEncoder
) -> None:
    await encoder.embed_queries(["words"])
    for left in (0.5, 60.0):
        with deadline(monotonic() + left):
            await encoder.embed_queries(["words"])
    assert wire.seconds == [2.0, pytest.approx(0.5, abs=0.1), 2.0]


async def test_triton_is_told_the_input_type_of_passages_only(wire: FakeWire, encoder: TritonEncoder) -> None:
    await encoder.embed_queries(["words"])
    await encoder.embed_queries(["words"], "passage")
    await encoder.embed_passages(["words"])
    await encoder.embed_passages(["words"], "query")
    assert wire.purposes == [
        {},
        {"input_type": "passage"},
        {"bulk": True, "input_type": "passage"},
        {"bulk": True},
    ]


async def test_triton_is_not_called_after_the_deadline(wire: FakeWire, encoder: TritonEncoder) -> None:
    with deadline(monotonic() - 0.1), pytest.raises(DeadlineExceeded):
        await encoder.embed_queries(["words"])
    assert wire.seconds == []


async def test_a_passed_deadline_is_not_a_failure_of_the_encoder(wire: FakeWire, encoder: TritonEncoder) -> None:
    wire.slow = True
    with deadline(monotonic() + 0.03), pytest.raises(DeadlineExceeded):
        await encoder.embed_queries(["words"])
    encoder._triton.query_seconds = 0.01
    with deadline(monotonic() + 5), pytest.raises(EncoderUnavailable):
        await encoder.embed_queries(["words"])


async def test_a_search_after_its_deadline_is_not_answered_by_lexical_search(engine: Any, fakes: Any) -> None:
    corpus = fakes.Corpus(fakes.papers, {0: 0.9}, {1: 3.0})
    corpus.trouble = DeadlineExceeded()
    with pytest.raises(DeadlineExceeded):
        await engine.search(corpus, SearchRequest(text="words"))


def test_without_a_deadline_time_is_infinite() -> None:
    check_deadline()
    assert seconds_left() == float("inf")
