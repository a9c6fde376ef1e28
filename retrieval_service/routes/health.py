"""Health of the service, and the requests that it can answer."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from retrieval_service.corpus.live_corpus import LiveCorpus
from retrieval_service.errors import NoSnapshot, NotHere, RetrievalError
from retrieval_service.redaction import redact_message, redact_text
from retrieval_service.routes.answers import json_response
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.state import service_state


async def health(request: Request) -> Response:
    """Return the status of the service in a word, and the device of its encoder."""
    corpus = service_state(request).live
    encoder = corpus.current.encoder if corpus.current else None
    return json_response({"status": _status(corpus), "device": encoder.identity.device if encoder else None})


async def live(request: Request) -> Response:
    """Return that the process answers."""
    return json_response({"status": "ok"})


async def ready(request: Request) -> Response:
    """Return the status of each part: 200 while anything can be answered, 503 without a snapshot."""
    state = service_state(request)
    corpus = state.live
    reranker = {"status": "ok" if await state.reranking.is_ready() else "missing"}
    components = {**_components(corpus), "reranker": reranker}
    if (ring := request.app.state.keys) is not None:
        ring.look()
        components["keys"] = {"status": "ok" if ring.trouble is None else "unreadable"}
    if (accounts := request.app.state.accounts).shared:
        components["limits"] = {"status": "ok"}
        if accounts.trouble is not None:
            components["limits"] = {"status": "local", "reason": redact_text(accounts.trouble)}
    body = {"status": _status(corpus), "components": components}
    if corpus.current is None:
        return json_response(body, 503, {"Retry-After": str(NoSnapshot.retry_after)})
    return json_response(body)


async def metrics(request: Request) -> Response:
    """Answer 404 with the setting of the metrics port: clients that search must not read the metrics."""
    raise NotHere(
        "Metrics are on another port: the setting AKIN_SERVICE_METRICS_PORT names it.",
        {"setting": "AKIN_SERVICE_METRICS_PORT"},
    )


def _status(corpus: LiveCorpus) -> str:
    if corpus.current is None:
        return "no_snapshot"
    return "ok" if corpus.current.encoder is not None and corpus.damage is None else "degraded"


def _components(corpus: LiveCorpus) -> dict[str, object]:
    current, refusal = corpus.current, corpus.refusal
    snapshot: dict[str, object] = {"status": "missing"}
    encoder: dict[str, object] = {"status": "unknown"}
    if current is not None:
        snapshot = {"status": "ok", "id": current.manifest.id, "papers": current.manifest.papers}
        if current.covered is not None:
            snapshot |= {"status": "partial", "with_vectors": current.covered.count}
        encoder = {
            "status": "ok",
            "version": current.manifest.encoder.version,
            "digest": current.manifest.encoder.digest,
        }
        if current.encoder is None:
            encoder = {"status": "unavailable", "reason": _reason(current.encoder_error)}
    if corpus.damage is not None:
        snapshot |= {"status": "damaged", "reason": redact_message(corpus.damage)}
    if refusal is not None:
        snapshot["refused"] = {"code": refusal.code, "reason": redact_message(refusal)}
    if current is not None:
        snapshot["vectors"] = redact_text(current.vectors.place)
    if current is not None and current.vectors.status:
        snapshot[f"without_{current.vectors.elsewhere}"] = redact_text(current.vectors.status)
    return {"snapshot": snapshot, "encoder": encoder, "lexical": {"status": "ok" if current else "missing"}}


def _reason(trouble: RetrievalError | None) -> str:
    return "it is not ready" if trouble is None else redact_message(trouble)


ROUTES = (
    ApiRoute("/health", health),
    ApiRoute("/health/live", live),
    ApiRoute("/health/ready", ready),
    Route("/metrics", metrics, methods=["GET", "HEAD", "POST", "PUT", "DELETE"]),
)
