"""Several searches in one request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from retrieval_service.corpus.open_corpus import OpenCorpus
from retrieval_service.errors import ClientGone, InvalidParameter, RetrievalError
from retrieval_service.ports import Corpus
from retrieval_service.routes.access import check_effort
from retrieval_service.routes.answers import json_response
from retrieval_service.routes.costs import search_cost
from retrieval_service.routes.error_handlers import describe
from retrieval_service.routes.openapi import ApiRoute, ErrorDetail
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.routes.rate_limit import charge
from retrieval_service.routes.search import SEARCH, counted_search
from retrieval_service.routes.state import deadline_of, disconnected, service_state
from retrieval_service.search.answer import SearchAnswer
from retrieval_service.search.joined_embedding import join_embedding
from retrieval_service.search.request import SearchRequest

MOST_SEARCHES = 50
"""Searches of one request."""
MOST_RESULTS = 1000
"""Results of all searches of one request together."""
_AT_ONCE = 8  # turns that one request takes, so that it leaves some to others
_LONGEST_BODY = 4 << 20


def _read(values: object) -> SearchRequest | RetrievalError:
    if not isinstance(values, dict):
        return InvalidParameter("A search must be an object with the parameters of POST /search.")
    try:
        return SEARCH.validate(values)
    except RetrievalError as error:
        return error


@dataclass(frozen=True, kw_only=True)
class SearchesRequest:
    """Searches, each with the parameters of `POST /search`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    searches: Annotated[
        tuple[Any, ...],
        WithJsonSchema(
            {
                "type": "array",
                "items": {"$ref": "#/components/schemas/SearchRequest"},
                "minItems": 1,
                "maxItems": MOST_SEARCHES,
            },
        ),
        Field(
            description=f"Up to {MOST_SEARCHES} searches, each with the parameters of `POST /search`; their `k` are at "
            f"most {MOST_RESULTS} together.",
            min_length=1,
            max_length=MOST_SEARCHES,
        ),
        # Part of the model, so that long bodies are checked in a thread.
        AfterValidator(lambda values: tuple(map(_read, values))),
    ]


class OneAnswer(msgspec.Struct, kw_only=True):
    """Answer to one search, or its error; `status` is the one that the search would have alone."""

    status: int
    answer: SearchAnswer | UnsetType = UNSET
    error: ErrorDetail | UnsetType = UNSET


class SearchesAnswer(msgspec.Struct):
    """Answers in the order of the searches, all from one snapshot."""

    answers: list[OneAnswer]


_SEARCHES = Parameters(SearchesRequest, _LONGEST_BODY)


async def searches(request: Request) -> Response:
    """Search several times; a search that fails has its error in the place of its answer."""
    deadline = deadline_of(request)
    wanted = (await _SEARCHES.parse_body(request)).searches
    results = sum(each.k for each in wanted if isinstance(each, SearchRequest))
    if results > MOST_RESULTS:
        raise InvalidParameter(
            f"The searches ask for {results} results together; at most {MOST_RESULTS} are answered. Lower their k, or "
            "send several requests.",
            {"parameter": "searches", "limit": MOST_RESULTS},
        )
    costs = (search_cost(each) for each in wanted if isinstance(each, SearchRequest))
    charge(request.scope, len(wanted) - 1 + sum(costs))
    with service_state(request).live.hold() as corpus:
        gone = asyncio.create_task(disconnected(request))
        one = partial(_answer, request, corpus, join_embedding(corpus), asyncio.Semaphore(_AT_ONCE), deadline, gone)
        tasks = [asyncio.create_task(one(each)) for each in wanted]
        try:
            return json_response(SearchesAnswer(await asyncio.gather(*tasks)))
        finally:
            gone.cancel()
            for task in tasks:
                task.cancel()


async def _answer(
    request: Request,
    corpus: OpenCorpus,
    joined: Corpus,
    slots: asyncio.Semaphore,
    deadline: float,
    gone: asyncio.Task[None],
    wanted: SearchRequest | RetrievalError,
) -> OneAnswer:
    """Return the answer to one search, which waits for a turn like every search."""
    state = service_state(request)

    async def work() -> SearchAnswer:
        # Work that is given up keeps the corpus open until its threads have ended.
        with corpus.hold():
            return await counted_search(state, joined, asked)

    try:
        if isinstance(wanted, RetrievalError):
            raise wanted
        check_effort(request.scope, wanted)
        asked = wanted
        async with slots:
            return OneAnswer(
                status=200,
                answer=await state.searches.run(work, until=deadline, gone=lambda: asyncio.shield(gone)),
            )
    except ClientGone:
        raise
    except RetrievalError as error:
        return OneAnswer(status=error.status, error=ErrorDetail(*describe(error)))


ROUTES = (
    ApiRoute(
        "/searches",
        searches,
        "POST",
        takes=_SEARCHES,
        answers=SearchesAnswer,
        timed=True,
        example={"searches": [{"query": "graph neural networks", "k": 3}, {"like": ["2401.09032"], "k": 3}]},
    ),
)
