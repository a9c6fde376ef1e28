"""Test the models of bodies with many texts or many searches."""

from __future__ import annotations

import asyncio
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from retrieval_service.errors import BlankQuery, ClientGone, InvalidParameter, Overloaded, RetrievalError
from retrieval_service.routes.embeddings import EmbeddingsRequest, embeddings
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.routes.rate_limit import CHARGE
from retrieval_service.routes.rerank import RerankRequest
from retrieval_service.routes.searches import SearchesRequest
from retrieval_service.search.request import SearchRequest

EMBEDDINGS_HTTP = Parameters(EmbeddingsRequest, 8 << 20)
EMBEDDINGS, RERANK, SEARCHES = Parameters(EmbeddingsRequest), Parameters(RerankRequest), Parameters(SearchesRequest)


@pytest.mark.parametrize("tokens", [[1, 2], list(range(5000)), [[1] * 3000], [[1], [2]]])
def test_token_ids_are_refused_with_the_clients_option(tokens: list[Any]) -> None:
    with pytest.raises(InvalidParameter, match=r"token ids.*check_embedding_ctx_length=False"):
        EMBEDDINGS.validate({"input": tokens})


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(InvalidParameter, match=r"^documents\[0\] must be a text\.$"):
        RERANK.validate({"query": "q", "documents": [{"text": 1}]})
    with pytest.raises(InvalidParameter, match=r"^input has control characters only\.$"):
        EMBEDDINGS.validate({"input": "\x01"})
    with pytest.raises(InvalidParameter, match=r"^input\[1\] has control characters only\.$"):
        EMBEDDINGS.validate({"input": ["a", "\x01"]})


def test_null_is_the_default_format() -> None:
    assert EMBEDDINGS.validate({"input": "a", "encoding_format": None, "dimensions": None}).input == ("a",)


def test_searches_are_read_with_their_body_which_is_read_in_a_thread_if_it_is_long() -> None:
    good, blank, wrong = SEARCHES.validate({"searches": [{"query": "a", "k": 3}, {}, "words"]}).searches
    assert good == SearchRequest(text="a", k=3)
    assert isinstance(blank, BlankQuery)
    assert isinstance(wrong, InvalidParameter)


def test_long_bodies_are_received_a_few_at_a_time_and_short_ones_always() -> None:
    refused: list[RetrievalError] = []
    metrics = SimpleNamespace(record_refusal=refused.append)
    app = SimpleNamespace(state=SimpleNamespace(service=SimpleNamespace(metrics=metrics, body_seconds=5.0)))
    short = b'{"input": "a"}'

    async def go() -> None:
        left = asyncio.Event()

        async def never() -> Any:
            await left.wait()
            return {"type": "http.disconnect"}

        async def at_once() -> Any:
            return {"type": "http.request", "body": short}

        def ask(receive: Any, length: int | None) -> Any:
            headers = [(b"content-type", b"application/json")]
            headers += [(b"content-length", str(length).encode())] if length is not None else []
            return EMBEDDINGS_HTTP.parse_body(
                Request({"type": "http", "method": "POST", "headers": headers, "app": app}, receive)
            )

        waiting = [asyncio.ensure_future(ask(never, length)) for length in (2 << 20, None) * 8]
        await asyncio.sleep(0)
        for length in (2 << 20, None):
            with pytest.raises(Overloaded, match="repeat the request in a moment"):
                await ask(at_once, length)
        assert len(refused) == 2
        assert (await ask(at_once, len(short))).input == ("a",)
        left.set()
        assert {type(each) for each in await asyncio.gather(*waiting, return_exceptions=True)} == {ClientGone}
        assert (await ask(at_once, None)).input == ("a",)

    asyncio.run(go())


@pytest.mark.parametrize(("texts", "kind", "seconds"), [(8, "searches", 1), (9, "bulk", 50)])
def test_few_texts_have_the_time_of_a_search_and_many_that_of_bulk_work(texts: int, kind: str, seconds: float) -> None:
    waited: dict[str, float] = {}

    def turns(name: str) -> Any:
        async def run(work: Any, *, until: float, gone: Any) -> Response:
            waited[name] = until - monotonic()
            return Response()

        return SimpleNamespace(run=run)

    service = SimpleNamespace(
        searches=turns("searches"), bulk=turns("bulk"), search_seconds=1, bulk_seconds=50, body_seconds=5
    )

    async def receive() -> Any:
        return {"type": "http.request", "body": b'{"input": ["a"%s]}' % (b', "a"' * (texts - 1))}

    charged: list[int] = []
    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}
    scope[CHARGE] = charged.append
    app = SimpleNamespace(state=SimpleNamespace(service=service))
    asyncio.run(embeddings(Request({**scope, "app": app}, receive)))  # type: ignore[arg-type]
    assert waited == {kind: pytest.approx(seconds, abs=0.5)}
    assert charged == [1] * (texts > 8)
