"""A paper of the corpus by its id, and the corpus as a whole."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from papers import Paper
from retrieval_service.ports import Catalogue
from retrieval_service.routes.answers import corpus_answer, json_response, paper_answer
from retrieval_service.routes.context import context
from retrieval_service.routes.parameters import readable
from retrieval_service.routes.schema import described
from retrieval_service.routes.turns import deadline_of, in_turn
from retrieval_service.search.planner import paper_rows
from retrieval_service.threads import Job

router = APIRouter(tags=["papers"])


# An old arXiv id has a slash in it; `/papers/{id}/similar` is matched before this.
@router.get("/papers/{paper_id:path}", **described(answer="PaperAnswer"))
async def paper(request: Request, paper_id: str) -> Response:
    """A paper by its id, or by its arXiv id in any form."""
    parts = context(request)

    async def answer() -> Response:
        with parts.serving.hold() as served:
            found = await Job(parts.reading, _paper, readable(paper_id), served.catalogue).result()
            return json_response(paper_answer(found))

    return await in_turn(request, parts.reads, deadline_of(request, parts.search_seconds), answer)


@router.get("/corpus", **described(answer="CorpusAnswer", timed=False))
async def corpus(request: Request) -> Response:
    """The query that is searched."""
    with context(request).serving.hold() as served:
        if served.corpus_answer is None:
            served.corpus_answer = msgspec.json.encode(corpus_answer(served.manifest, served.catalogue))
        return Response(served.corpus_answer, media_type="application/json")


def _paper(paper_id: str, catalogue: Catalogue) -> Paper:
    return catalogue.papers(paper_rows([paper_id], catalogue))[0]
