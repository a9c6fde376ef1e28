"""Lists of papers: look them up, and find what they lack."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from retrieval_service.corpus.open_corpus import OpenCorpus
from retrieval_service.routes.answers import json_response
from retrieval_service.routes.costs import PAPERS, missing_cost, several
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.routes.rate_limit import charge
from retrieval_service.routes.state import answer_from_corpus, deadline_of, service_state
from retrieval_service.search.answer import CitationCounts, WholePaper
from retrieval_service.search.filters import rows_by_name
from retrieval_service.search.list_requests import MissingRequest, PapersRequest
from retrieval_service.search.missing import MissingAnswer, find_missing
from retrieval_service.threads import Job

_PAPERS, _MISSING = Parameters(PapersRequest), Parameters(MissingRequest)


class ListedPaper(WholePaper, kw_only=True):
    """Paper that was looked up, and the ids of the request that mean it."""

    named: Sequence[str]


class PapersAnswer(msgspec.Struct):
    """Papers in the order in which the request names them, each once, and the ids that the corpus lacks."""

    papers: list[ListedPaper]
    unknown: list[str]
    snapshot: str


async def papers(request: Request) -> Response:
    """Return several papers by their ids; ids that the corpus lacks are listed."""
    wanted = await _PAPERS.parse_body(request)
    charge(request.scope, several(len(wanted.ids), PAPERS))
    state = service_state(request)

    async def answer(corpus: OpenCorpus) -> Response:
        found, unknown = await Job(state.read_threads, _look_up, wanted.ids, corpus).result()
        return json_response(PapersAnswer(found, unknown, corpus.manifest.id))

    return await answer_from_corpus(request, state.reads, deadline_of(request), wanted, answer)


async def missing(request: Request) -> Response:
    """Find the papers that a list lacks: near to its topics, which take turns, and not in it."""
    deadline = deadline_of(request)
    wanted = await _MISSING.parse_body(request)
    charge(request.scope, missing_cost(len(wanted.ids)))
    state = service_state(request)

    async def answer(corpus: OpenCorpus) -> Response:
        return json_response(await find_missing(state.engine.executor, corpus, wanted))

    return await answer_from_corpus(request, state.searches, deadline, wanted, answer)


def _look_up(ids: Sequence[str], corpus: OpenCorpus) -> tuple[list[ListedPaper], list[str]]:
    names: dict[int, list[str]] = {}
    unknown = []
    for name, row in rows_by_name(ids, corpus.catalogue).items():
        if row is None:
            unknown.append(name)
        else:
            names.setdefault(row, []).append(name)
    found = zip(corpus.catalogue.papers(list(names)), names.items(), strict=True)
    return [
        ListedPaper.of(paper, named=named, citations=CitationCounts.of(corpus.references, row))
        for paper, (row, named) in found
    ], unknown


ROUTES = (
    ApiRoute(
        "/papers",
        papers,
        "POST",
        takes=_PAPERS,
        answers=PapersAnswer,
        timed=True,
        example={"ids": ["2401.09032", "hep-th/9901001"]},
    ),
    ApiRoute(
        "/lists/missing",
        missing,
        "POST",
        takes=_MISSING,
        answers=MissingAnswer,
        timed=True,
        example={"ids": ["2401.09032", "1706.03762"], "k": 5},
    ),
)
