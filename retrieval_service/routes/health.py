"""Whether the service lives, and what it can answer."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from retrieval_service.corpus.live import LiveCorpus
from retrieval_service.errors import NoSnapshot, NotHere, RetrievalError
from retrieval_service.public import public_message, public_text
from retrieval_service.routes.answers import json_response
from retrieval_service.routes.context import context

router = APIRouter(tags=["health"])


@router.get("/health")
async def health(request: Request) -> Response:
    """How the service is, in a word, and where its encoder runs."""
    serving = context(request).serving
    encoder = serving.current.encoder if serving.current else None
    return json_response({"status": _status(serving), "device": encoder.identity.device if encoder else None})


@router.get("/health/live")
async def live() -> Response:
    """That the process answers."""
    return json_response({"status": "ok"})


@router.get("/health/ready")
async def ready(request: Request) -> Response:
    """What can be answered: 200 while anything can, 503 without a snapshot."""
    serving = context(request).serving
    body = {"status": _status(serving), "components": _components(serving)}
    if serving.current is None:
        return json_response(body, 503, {"Retry-After": str(NoSnapshot.retry_after)})
    return json_response(body)


@router.api_route("/metrics", methods=["GET", "HEAD", "POST", "PUT", "DELETE"], include_in_schema=False)
async def metrics() -> Response:
    """Where the counters are: what operators read is not for everybody who searches."""
    raise NotHere(
        "Metrics are not at this port. They are at the one for operators, which AKIN_SERVICE_METRICS_PORT sets.",
        {"setting": "AKIN_SERVICE_METRICS_PORT"},
    )


def _status(serving: LiveCorpus) -> str:
    if serving.current is None:
        return "no_snapshot"
    return "ok" if serving.current.encoder is not None and serving.damage is None else "degraded"


def _components(serving: LiveCorpus) -> dict[str, object]:
    served, refusal = serving.current, serving.refusal
    snapshot: dict[str, object] = {"status": "missing"}
    encoder: dict[str, object] = {"status": "unknown"}
    if served is not None:
        snapshot = {"status": "ok", "id": served.manifest.id, "papers": served.manifest.papers}
        encoder = {"status": "ok", "version": served.manifest.encoder.version, "digest": served.manifest.encoder.digest}
        if served.encoder is None:
            encoder = {"status": "unavailable", "reason": _reason(served.encoder_error)}
    if serving.damage is not None:
        snapshot |= {"status": "damaged", "reason": public_message(serving.damage)}
    if refusal is not None:
        snapshot["refused"] = {"code": refusal.code, "reason": public_message(refusal)}
    if served is not None and served.vectors.status:
        snapshot["without_gpu"] = public_text(served.vectors.status)
    return {"snapshot": snapshot, "encoder": encoder, "lexical": {"status": "ok" if served else "missing"}}


def _reason(trouble: RetrievalError | None) -> str:
    return "it is not ready" if trouble is None else public_message(trouble)
