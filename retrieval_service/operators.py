"""The application of the operators' port: the counters, in Prometheus' format."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from edge import AllowedHosts, HostCheck, SecurityHeaders, api_headers, parse_hosts
from retrieval_service.metrics import Metrics
from retrieval_service.routes.failures import error_response
from retrieval_service.settings import Settings


def create_operators_app(settings: Settings, metrics: Metrics) -> ASGIApp:
    """Return the application of the operators' port.

    Args:
        settings: Where it listens, and under which names it answers.
        metrics: The counters of the service.
    """

    async def counters(request: Request) -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    app = Starlette(routes=[Route("/metrics", counters)], exception_handlers={HTTPException: _nothing_else})
    listed = parse_hosts(settings.allowed_hosts)
    # Prometheus asks by the address as well, whatever names the API has.
    hosts = AllowedHosts.of(settings.service_metrics_host, (*listed, settings.service_metrics_host) if listed else ())
    return SecurityHeaders(HostCheck(app, hosts), api_headers("'none'"))


async def _nothing_else(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return error_response(status, "not_found" if status == 404 else f"http_{status}", "At this port is GET /metrics.")
