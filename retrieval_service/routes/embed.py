"""The vector of a text."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from retrieval_service.routes.answers import embed_answer, json_response
from retrieval_service.routes.body import json_object
from retrieval_service.routes.context import context
from retrieval_service.routes.parameters import EmbedParameters, checked_text, read
from retrieval_service.routes.schema import described
from retrieval_service.routes.turns import deadline_of, in_turn

router = APIRouter(tags=["embed"])


@router.post("/embed", **described(body=EmbedParameters, answer="EmbedAnswer"))
async def embed(request: Request) -> Response:
    """The vector of an abstract, by the encoder that made the corpus's vectors."""
    parts = context(request)
    until = deadline_of(request, parts.search_seconds)
    text = checked_text(read(EmbedParameters, await json_object(request)).abstract, "abstract")

    async def answer() -> Response:
        # One text for one person is a query to the encoder: it must be soon or not at all.
        embedded, encoder = await parts.serving.embed(text)
        return json_response(embed_answer(embedded.vectors[0].tolist(), int(embedded.tokens[0]), encoder))

    return await in_turn(request, parts.searches, until, answer)
