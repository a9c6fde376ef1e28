"""Citations on the page: passed on from the service, to the letter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gradio_ui.client import RequestFailed, RequestRefused, SearchService
from gradio_ui.pages.visit import VISIT, Visit, visit_of
from gradio_ui.words import written

FORMATS: Final = {"bibtex": "BibTeX", "ris": "RIS", "csl-json": "CSL-JSON"}
"""Names of the formats, by their names in requests."""
EXPORTS: Final = {**FORMATS, "csv": "CSV", "jsonl": "JSON Lines"}
"""Names of the formats of files of papers, by their names in requests."""
PATH: Final = "/citation/{form}/{paper_id:path}"


def citation_route(service: SearchService) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint that answers with a paper's citation as text, or with the reason why there is none."""

    async def citation(request: Request) -> Response:
        # The gate has read the query of the address, and leaves it out.
        visit: Visit = request.scope.get(VISIT) or visit_of(request)
        try:
            text = await service.citation(request.path_params["paper_id"], request.path_params["form"])
        except RequestRefused as error:
            return PlainTextResponse(written(error.said, visit.words), 404)
        except RequestFailed as error:
            words = visit.words
            return PlainTextResponse(words("citation.failed", reason=written(error.said, words)), 503)
        return PlainTextResponse(text)

    return citation
