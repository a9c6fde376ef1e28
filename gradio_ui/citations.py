"""Citations on the page: passed on from the service, to the letter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gradio_ui.client import RequestFailed, RequestRefused, SearchService
from gradio_ui.pages.visit import VISIT, Visit
from gradio_ui.words import written

FORMATS: Final = {"bibtex": "BibTeX", "ris": "RIS", "csl-json": "CSL-JSON"}
"""Names of the formats, by their names in requests."""
EXPORTS: Final = {**FORMATS, "csv": "CSV", "jsonl": "JSON Lines"}
"""Names of the formats of files of papers, by their names in requests."""
PATH: Final = "/citation/{form}/{paper_id:path}"


def citation_route(service: SearchService) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint that answers with a paper's citation as text, or with the reason why there is none."""

    async def citation(request: Request) -> Response:
        visit: Visit = request.scope[VISIT]  # read by the gate, which empties the query
        try:
            text = await service.citation(request.path_params["paper_id"], request.path_params["form"])
        except RequestRefused as error:
            return PlainTextResponse(written(error.said, visit.words), 404)
        except RequestFailed as error:
            reason = written(error.said, visit.words)
            return PlainTextResponse(visit.words("citation.failed", reason=reason), 503)
        return PlainTextResponse(text)

    return citation
