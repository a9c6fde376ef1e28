"""What routes share: the parts of the running application."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

from starlette.requests import Request

from retrieval_service.admission import Admission
from retrieval_service.corpus.live import LiveCorpus
from retrieval_service.metrics import Metrics
from retrieval_service.search.engine import SearchEngine


@dataclass(frozen=True)
class Context:
    """The parts of a running application.

    Attributes:
        serving: what is served.
        engine: searches it.
        metrics: counts.
        searches: turns of what is searched and embedded.
        reads: turns of reading a paper, which no search holds up.
        reading: threads that read papers.
        search_seconds: the longest time that anything of these may take.
        body_seconds: the longest time that a body may take to arrive.
    """

    serving: LiveCorpus
    engine: SearchEngine
    metrics: Metrics
    searches: Admission
    reads: Admission
    reading: Executor
    search_seconds: float
    body_seconds: float


def context(request: Request) -> Context:
    """The parts of the application a request came to."""
    found: Context = request.app.state.context
    return found
