"""Feedback of readers on the results of a search; stored only where the operator has turned that on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import msgspec
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from starlette.requests import Request
from starlette.responses import Response

from akin.feedback.records import ShownSearch
from akin.papers import parse_arxiv_id
from retrieval_service.errors import FeedbackOff, InvalidParameter, UnknownPaper, UnknownSearch
from retrieval_service.feedback.keeping import Feedback, new_identity
from retrieval_service.routes.answers import json_response
from retrieval_service.routes.entity_tags import NEVER_STORED
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.routes.search import EXAMPLE, SEARCH, counted_search
from retrieval_service.routes.state import deadline_of, disconnected, service_state
from retrieval_service.search.answer import SearchAnswer
from retrieval_service.search.parameters import Number, replace_unprintable
from retrieval_service.search.request import SearchRequest

LONGEST_COMMENT = 500
"""Characters."""


def _search_request(values: object) -> SearchRequest | None:
    if values is None:
        return None
    if not isinstance(values, dict):
        raise ValueError("must be an object with the parameters of POST /search")
    return SEARCH.validate(values)


def _clean(comment: str) -> str | None:
    return replace_unprintable(comment).strip() or None


@dataclass(frozen=True, kw_only=True)
class FeedbackRequest:
    """One result of a search, and what a reader says of it."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    search: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=64)] | None,
        Field(description="Id of the search: `feedback.search` of its answer. It holds for a day, in one service."),
    ] = None
    request: Annotated[
        Any,
        BeforeValidator(_search_request),
        WithJsonSchema({"anyOf": [{"$ref": "#/components/schemas/SearchRequest"}, {"type": "null"}]}),
        Field(description="Instead of an id: the parameters of the search, which is done again to check the rank."),
    ] = None
    paper: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=500)], Field(description="Id of the paper.")
    ]
    rank: Annotated[Number, Field(description="Rank at which the search showed it, from 1.", ge=1, le=10_000)]
    useful: Annotated[bool | None, Field(description="True if the result is useful, false if it is not.")] = None
    opened: Annotated[bool, Field(description="The reader opened the paper; kept where the service offers it.")] = False
    withdraw: Annotated[bool, Field(description="Delete what was said of this result before.")] = False
    comment: Annotated[
        Annotated[str, StringConstraints(max_length=LONGEST_COMMENT), AfterValidator(_clean)] | None,
        Field(description=f"With `useful`: words of the reader, at most {LONGEST_COMMENT} characters."),
    ] = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.search is None) == (self.request is None):
            raise InvalidParameter("Give either search or request.", {"parameter": "search"})
        if (self.useful is not None) + self.opened + self.withdraw != 1:
            raise InvalidParameter("Give one of useful, opened and withdraw.", {"parameter": "useful"})
        if self.comment is not None and self.useful is None:
            raise InvalidParameter("comment goes with useful only.", {"parameter": "comment"})
        if self.withdraw and self.search is None:
            raise InvalidParameter("withdraw needs the search's id.", {"parameter": "search"})
        return self


class FeedbackAnswer(msgspec.Struct, kw_only=True):
    """Feedback that is now stored on a result; `search` is the id under which it is."""

    search: str
    paper: str
    rank: int
    useful: bool | None
    opened: bool


_FEEDBACK = Parameters(FeedbackRequest, 1 << 18)  # the longest query, every letter escaped


async def feedback(request: Request) -> Response:
    """Store what a reader says of a result: useful or not, with a comment, or opened; or withdraw it."""
    keeping = service_state(request).feedback
    if keeping is None:
        raise FeedbackOff(
            "This service keeps no feedback, so nothing was stored. Its operator can set AKIN_FEEDBACK=on."
        )
    wanted = await _FEEDBACK.parse_body(request)
    if wanted.opened and not keeping.opened:
        raise FeedbackOff(
            "This service does not keep which papers are opened, so nothing was stored. Its operator can set "
            "AKIN_FEEDBACK_OPENED=true."
        )
    keeping.take_turn()
    if wanted.search is None:
        shown = await _search_again(request, keeping, wanted.request)
    elif (found := keeping.recent.get(wanted.search)) is not None:
        shown = found
    else:
        raise UnknownSearch(
            "The search is not known any more: ids hold for a day, until the service is started anew. Search again, or "
            "send the parameters of the search as request.",
            {"parameter": "search"},
        )
    paper = _paper(wanted, shown)
    if wanted.withdraw:
        await keeping.withdraw(shown.id, paper)
    else:
        await keeping.put(shown, paper, wanted.rank, useful=wanted.useful, comment=wanted.comment)
    answer = FeedbackAnswer(search=shown.id, paper=paper, rank=wanted.rank, useful=wanted.useful, opened=wanted.opened)
    return json_response(answer, headers=NEVER_STORED)


def _paper(wanted: FeedbackRequest, shown: ShownSearch) -> str:
    """Return the id of the paper as the search showed it, if that was at the given rank."""
    paper = wanted.paper
    if shown.rank_of(paper) is None and (read := parse_arxiv_id(paper)) is not None:
        paper = read.id
    rank = shown.rank_of(paper)
    if rank is None:
        raise UnknownPaper(
            f"The search did not show the paper {replace_unprintable(wanted.paper[:60])!r}.", {"parameter": "paper"}
        )
    if rank != wanted.rank:
        raise InvalidParameter(
            f"The search showed the paper at rank {rank}, not {wanted.rank}.", {"parameter": "rank", "rank": rank}
        )
    return paper


async def _search_again(request: Request, keeping: Feedback, wanted: SearchRequest) -> ShownSearch:
    state = service_state(request)

    async def work() -> SearchAnswer:
        with state.live.hold() as corpus:
            return await counted_search(state, corpus, wanted)

    found = await state.searches.run(work, until=deadline_of(request), gone=lambda: disconnected(request))
    return keeping.remember(wanted, found, new_identity())


ROUTES = (
    ApiRoute(
        "/feedback",
        feedback,
        "POST",
        takes=_FEEDBACK,
        answers=FeedbackAnswer,
        timed=True,
        example={"request": EXAMPLE, "paper": "2401.09032", "rank": 1, "useful": True},
    ),
)
