"""The vector of a text."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from retrieval_service.routes.answers import EmbedAnswer, embed_answer, json_response
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.routes.state import answer_in_turn, deadline_of, service_state
from retrieval_service.search.request import EmbedRequest, require_text

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
