"""A paper of the corpus by its id, and the corpus as a whole."""

from __future__ import annotations

import msgspec
from msgspec import UnsetType
from starlette.requests import Request
from starlette.responses import Response

from akin.papers import Paper
from retrieval_service.corpus.open_corpus import OpenCorpus
from retrieval_service.routes.answers import CorpusAnswer, corpus_answer, json_response
from retrieval_service.routes.entity_tags import AnswerTag
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.state import answer_from_corpus, deadline_of, service_state
from retrieval_service.search.answer import CitationCounts, WholePaper
from retrieval_service.search.parameters import replace_unprintable
from retrieval_service.search.planner import paper_rows
from retrieval_service.threads import Job


async def paper(request: Request) -> Response:
    """Return a paper by its id, or by its arXiv id in any form."""
    state = service_state(request)
    paper_id = replace_unprintable(request.path_params["paper_id"])

    async def answer(corpus: OpenCorpus) -> Response:
        found, citations = await Job(state.read_threads, _paper, paper_id, corpus).result()
        return json_response(WholePaper.of(found, citations=citations))

    return await answer_from_corpus(request, state.reads, deadline_of(request), paper_id, answer)


async def corpus(request: Request) -> Response:
    """Return the size, the days and the categories of the corpus that is searched."""
    state = service_state(request)
    tag = AnswerTag(request, state.tag_seed, None)
    with state.live.hold() as corpus:
        if known := tag.not_modified(corpus.manifest):
            return known
        if corpus.corpus_answer is None:
            corpus.corpus_answer = msgspec.json.encode(corpus_answer(corpus.manifest, corpus.catalogue))
        return tag.put_on(Response(corpus.corpus_answer, media_type="application/json"), corpus.manifest)


def _paper(paper_id: str, corpus: OpenCorpus) -> tuple[Paper, CitationCounts | UnsetType]:
    rows = paper_rows([paper_id], corpus.catalogue)
    return corpus.catalogue.papers(rows)[0], CitationCounts.of(corpus.references, rows[0])


# An old arXiv id has a slash in it: `/papers/{id}/similar` must come before this path.
ROUTES = (
    ApiRoute("/papers/{paper_id:path}", paper, answers=WholePaper, timed=True, example={"paper_id": "2401.09032"}),
    ApiRoute("/corpus", corpus, answers=CorpusAnswer),
)
