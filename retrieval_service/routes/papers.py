"""A paper of the corpus by its id, and the corpus as a whole."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from papers import Paper
from retrieval_service.ports import Catalogue
from retrieval_service.routes.answers import CorpusAnswer, corpus_answer, json_response
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.state import answer_in_turn, deadline_of, service_state
from retrieval_service.search.answer import PaperAnswer
from retrieval_service.search.planner import paper_rows
from retrieval_service.search.request import replace_unprintable
from retrieval_service.threads import Job


async def paper(request: Request) -> Response:
    """Return a paper by its id, or by its arXiv id in any form."""
    state = service_state(request)
    paper_id = replace_unprintable(request.path_params["paper_id"])

    async def answer() -> Response:
        with state.live.hold() as corpus:
            found = await Job(state.read_threads, _paper, paper_id, corpus.catalogue).result()
            return json_response(PaperAnswer.of(found))

    return await answer_in_turn(request, state.reads, deadline_of(request), answer)


async def corpus(request: Request) -> Response:
    """Return the size, the days and the categories of the corpus that is searched."""
    with service_state(request).live.hold() as corpus:
        if corpus.corpus_answer is None:
            corpus.corpus_answer = msgspec.json.encode(corpus_answer(corpus.manifest, corpus.catalogue))
        return Response(corpus.corpus_answer, media_type="application/json")


def _paper(paper_id: str, catalogue: Catalogue) -> Paper:
    return catalogue.papers(paper_rows([paper_id], catalogue))[0]


# An old arXiv id has a slash in it: `/papers/{id}/similar` must come before this path.
ROUTES = (
    ApiRoute("/papers/{paper_id:path}", paper, answers=PaperAnswer, timed=True),
    ApiRoute("/corpus", corpus, answers=CorpusAnswer),
)
