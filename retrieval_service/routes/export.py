"""Files of papers: the first results of a search, or papers by their ids."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from akin.papers import Paper
from akin.papers.export import ExportFormat, export_parts
from retrieval_service.corpus.open_corpus import OpenCorpus
from retrieval_service.errors import Unavailable
from retrieval_service.ports import Catalogue
from retrieval_service.routes.costs import PAPERS, search_cost, several
from retrieval_service.routes.entity_tags import NEVER_STORED
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.routes.rate_limit import charge
from retrieval_service.routes.search import counted_search, lacks_a_half
from retrieval_service.routes.state import ServiceState, deadline_of, disconnected, service_state
from retrieval_service.search.list_requests import ExportRequest
from retrieval_service.search.planner import paper_rows
from retrieval_service.threads import Job

_EXPORT = Parameters(ExportRequest)
_PART = PAPERS
"""Papers that are in memory at once, read with one statement."""


async def export(request: Request) -> Response:
    """Return the first results of a search, or papers by their ids, as a file in a format.

    The order is that of the search, or of the ids; a paper that is named twice is there once. The header `Akin-Papers`
    has the number of papers.
    """
    deadline = deadline_of(request)
    wanted = await _EXPORT.parse_body(request) if request.method == "POST" else _EXPORT.parse_query_string(request)
    charge(request.scope, several(len(wanted.ids), PAPERS) if wanted.only_ids else search_cost(wanted.search(), PAPERS))
    return _Export(request, wanted, deadline)


class _Export(Response):
    """Response that finds the papers, and then reads and sends them in parts, from one snapshot.

    An error before the first part is answered as any other. A client that has not taken the whole file within the time
    of bulk work gets no more of it.
    """

    def __init__(self, request: Request, wanted: ExportRequest, deadline: float) -> None:
        self._request, self._wanted, self._deadline = request, wanted, deadline
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state, form = service_state(self._request), self._wanted.form
        with state.live.hold() as corpus:
            rows = await self._rows(state, corpus)
            headers = {
                **NEVER_STORED,
                "Content-Disposition": f'attachment; filename="{form.file_name}"',
                "Akin-Papers": str(len(rows)),
            }
            parts = _parts(state, corpus.catalogue, rows, form)
            file = StreamingResponse(parts, headers=headers, media_type=form.media_type)
            with suppress(TimeoutError):
                async with asyncio.timeout(state.bulk_seconds):
                    await file(scope, receive, send)

    async def _rows(self, state: ServiceState, corpus: OpenCorpus) -> list[int]:
        """Return the rows of the papers, in a turn as a search or as a reading of papers has it."""
        turns, work = (state.reads, self._named) if self._wanted.only_ids else (state.searches, self._found)

        async def held() -> list[int]:
            # Work that is given up keeps the corpus open until its threads have ended.
            with corpus.hold():
                return await work(state, corpus)

        return await turns.run(held, until=self._deadline, gone=partial(disconnected, self._request))

    async def _named(self, state: ServiceState, corpus: OpenCorpus) -> list[int]:
        rows = await Job(state.read_threads, paper_rows, self._wanted.ids, corpus.catalogue).result()
        return rows[self._wanted.offset :][: self._wanted.k]

    async def _found(self, state: ServiceState, corpus: OpenCorpus) -> list[int]:
        found = await counted_search(state, corpus, self._wanted.search())
        if lacks_a_half(found):
            # Nothing in a file says that it comes from a passing ranking.
            raise Unavailable(
                f"An export is made of complete searches only, and this one is not: {found.degraded} Repeat it later, "
                "or search by words alone (mode=lexical)."
            )
        return await Job(state.read_threads, paper_rows, [one.id for one in found.results], corpus.catalogue).result()


async def _parts(state: ServiceState, catalogue: Catalogue, rows: list[int], form: ExportFormat) -> AsyncIterator[str]:
    def papers() -> Iterator[Paper]:
        for first in range(0, len(rows), _PART):
            yield from catalogue.papers(rows[first : first + _PART])

    parts = export_parts(papers(), form)
    while text := await Job(state.read_threads, _joined, parts).result():
        yield text


def _joined(parts: Iterator[str]) -> str:
    return "".join(islice(parts, _PART))


ROUTES = (
    ApiRoute(
        "/export",
        export,
        "POST",
        "GET",
        takes=_EXPORT,
        timed=True,
        example={"query": "graph neural networks", "format": "csv", "k": 200},
    ),
)
