"""Citations of papers, as BibTeX, RIS or CSL-JSON."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from akin.papers.citation import CitationFormat, write_citations
from retrieval_service.corpus.open_corpus import OpenCorpus
from retrieval_service.ports import Catalogue
from retrieval_service.routes.costs import PAPERS, several
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.routes.rate_limit import charge
from retrieval_service.routes.state import answer_from_corpus, deadline_of, service_state
from retrieval_service.search.list_requests import CitationRequest, CitationsRequest
from retrieval_service.search.parameters import replace_unprintable
from retrieval_service.search.planner import paper_rows
from retrieval_service.threads import Job

_ONE, _SEVERAL = Parameters(CitationRequest), Parameters(CitationsRequest)


async def citation(request: Request) -> Response:
    """Return the citation of a paper as a text in a format: bibtex, ris or csl-json."""
    form = _ONE.parse_query_string(request).form
    return await _cite(request, [replace_unprintable(request.path_params["paper_id"])], form)


async def citations(request: Request) -> Response:
    """Return the citations of several papers as the text of one file, in their order; no key is there twice."""
    wanted = await _SEVERAL.parse_body(request)
    return await _cite(request, wanted.ids, wanted.form)


async def _cite(request: Request, ids: Sequence[str], form: CitationFormat) -> Response:
    state = service_state(request)
    charge(request.scope, several(len(ids), PAPERS))

    async def answer(corpus: OpenCorpus) -> Response:
        text = await Job(state.read_threads, _write, ids, form, corpus.catalogue).result()
        return Response(text, media_type=form.media_type)

    return await answer_from_corpus(request, state.reads, deadline_of(request), (ids, form), answer)


def _write(ids: Sequence[str], form: CitationFormat, catalogue: Catalogue) -> str:
    return write_citations(catalogue.papers(paper_rows(ids, catalogue)), form)


# An old arXiv id has a slash in it: this path must come before `/papers/{id}`.
ROUTES = (
    ApiRoute(
        "/papers/{paper_id:path}/citation",
        citation,
        takes=_ONE,
        timed=True,
        example={"paper_id": "2401.09032", "format": "ris"},
    ),
    ApiRoute(
        "/citations", citations, "POST", takes=_SEVERAL, timed=True, example={"ids": ["2401.09032", "hep-th/9901001"]}
    ),
)
