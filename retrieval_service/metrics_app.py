"""The application of the metrics port: the counters in Prometheus' text format, and the newest report of drift."""

from __future__ import annotations

from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from akin.edge import AllowedHosts, HostCheck, SecurityHeaders, api_headers, parse_hosts
from akin.keys import KeyRing
from retrieval_service.latest_drift import LatestDrift
from retrieval_service.latest_look import LatestLook
from retrieval_service.latest_refresh import LatestRefresh
from retrieval_service.metrics import Metrics
from retrieval_service.routes.access import Access
from retrieval_service.routes.error_handlers import error_response
from retrieval_service.settings import Settings


def create_metrics_app(settings: Settings, metrics: Metrics, keys: KeyRing | None = None) -> ASGIApp:
    """Return the application of the metrics port.

    Args:
        settings: The address of the port and the host names it answers to.
        metrics: The counters of the service.
        keys: The keys of which one with the scope `admin` is asked for; None to ask for none.
    """

    async def counters(request: Request) -> Response:
        accept = request.headers.get("accept", "")
        return Response(metrics.text(accept), headers={"Content-Type": choose_encoder(accept)[1]})

    latest = LatestDrift(settings.drift_folder)
    metrics.export(latest)
    metrics.export(LatestRefresh(settings.data))
    metrics.export(LatestLook(settings.data))

    async def drift(request: Request) -> Response:
        content = latest.content()
        if content is None:
            message = "There is no report of drift yet: make one with akin drift report (docs/drift.md)."
            return error_response(404, "no_drift_report", message)
        return Response(content, media_type="application/json")

    routes = [Route("/metrics", counters), *(Route(path, drift) for path in ("/v1/drift", "/drift"))]
    app: ASGIApp = Starlette(routes=routes, exception_handlers={HTTPException: _http_error})
    if keys is not None:
        app = Access(app, keys, only="admin")
    listed = parse_hosts(settings.allowed_hosts)
    # Prometheus may use the address, even if only names are allowed for the API.
    hosts = AllowedHosts.of(settings.service_metrics_host, (*listed, settings.service_metrics_host) if listed else ())
    return SecurityHeaders(HostCheck(app, hosts), api_headers("'none'"))


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return error_response(
        status, "not_found" if status == 404 else f"http_{status}", "This port has GET /metrics and GET /v1/drift only."
    )
