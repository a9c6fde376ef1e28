"""The vector of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from pydantic import ConfigDict, model_validator
from starlette.requests import Request
from starlette.responses import Response

from retrieval_service.ports import InputType
from retrieval_service.routes.answers import EmbedAnswer, embed_answer, json_response
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.routes.state import answer_in_turn, deadline_of, service_state
from retrieval_service.search.parameters import LONGEST_QUERY, Text, check_one_text, field, require_text


@dataclass(frozen=True, kw_only=True)
class EmbedRequest:
    """Text to embed."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    text: Annotated[
        Text | None,
        field(
            f"A query, at most {LONGEST_QUERY} characters. `q` is another name.",
            *("query", "q"),
        ),
    ] = None
    abstract: Annotated[
        Text | None, field(f"A paper's text, at most {LONGEST_QUERY} characters; instead of a query.")
    ] = None
    input_type: Annotated[
        InputType | None,
        field(
            "How the encoder takes the text: as a `query`, or as a `passage` that is to be found; by default an "
            "abstract is a passage. It matters for encoders with prompts only."
        ),
    ] = None

    def __post_init__(self) -> None:
        """Take the abstract as the text."""
        if self.text is None:
            object.__setattr__(self, "text", self.abstract)

    @property
    def role(self) -> InputType:
        """The role of the text."""
        return self.input_type or ("query" if self.abstract is None else "passage")

    @model_validator(mode="after")
    def _check_text(self) -> Self:
        check_one_text(self.text, self.abstract)
        return self


_EMBED = Parameters(EmbedRequest)


async def embed(request: Request) -> Response:
    """Return the vector of an abstract or a query, by the encoder that made the corpus's vectors."""
    state, deadline = service_state(request), deadline_of(request)
    wanted = await _EMBED.parse_body(request)
    text = require_text(wanted.text, "abstract")

    async def answer() -> Response:
        embedded, encoder = await state.live.embed(text, wanted.role)
        return json_response(embed_answer(embedded.vectors[0].tolist(), int(embedded.tokens[0]), encoder))

    return await answer_in_turn(request, state.searches, deadline, answer)


ROUTES = (
    ApiRoute(
        "/embed",
        embed,
        "POST",
        takes=_EMBED,
        answers=EmbedAnswer,
        timed=True,
        example={"query": "graph neural networks"},
    ),
)
