"""What routes share: the parts of the running application."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from retrieval_service.metrics import Metrics
from retrieval_service.search.engine import SearchEngine
from retrieval_service.serving import Serving


@dataclass(frozen=True)
class Context:
    """The parts of a running application."""

    serving: Serving
    engine: SearchEngine
    metrics: Metrics


def context(request: Request) -> Context:
    """The parts of the application a request came to."""
    found: Context = request.app.state.context
    return found
