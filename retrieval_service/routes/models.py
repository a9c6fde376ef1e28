"""The models that are served: the encoder, and the reranker if there is one."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from retrieval_service.errors import UnknownModel
from retrieval_service.ports import EncoderIdentity
from retrieval_service.routes.answers import json_response
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.state import service_state

ANY_ENCODER, ANY_RERANKER = "text_encoder", "reranker"
"""Names that stand for the model that is served, whichever it is."""


class ModelAnswer(msgspec.Struct, kw_only=True):
    """Model that is served; `dimensions` are shorter lengths to which its vectors may be cut."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "akin"
    kind: str
    digest: str | None = None
    dim: int | None = None
    max_length: int | None = None
    dimensions: list[int] = []


class ModelsAnswer(msgspec.Struct, kw_only=True):
    """Models that are served."""

    object: str = "list"
    data: list[ModelAnswer]


async def models(request: Request) -> Response:
    """Return the models that are served: the encoder, and the reranker if there is one."""
    return json_response(ModelsAnswer(data=await _models(request)))


async def model(request: Request) -> Response:
    """Return a model by its name or its digest."""
    wanted = request.path_params["model_id"]
    served = await _models(request)
    for each in served:
        if wanted in (each.id, each.digest) or (wanted == ANY_ENCODER and each.kind == "encoder"):
            return json_response(each)
    raise _unknown(wanted, [each.id for each in served])


async def _models(request: Request) -> list[ModelAnswer]:
    state = service_state(request)
    encoder = await state.live.encoder_identity()
    found = ModelAnswer(
        id=encoder.name,
        created=int(encoder.created.timestamp()) if encoder.created else 0,
        kind="encoder",
        digest=encoder.digest,
        dim=encoder.dim,
        max_length=encoder.max_length,
        dimensions=list(encoder.dimensions),
    )
    return [found, *([ModelAnswer(id=ANY_RERANKER, kind=ANY_RERANKER)] if await state.reranking.is_ready() else [])]


def check_encoder_name(name: str, encoder: EncoderIdentity) -> None:
    """Check that a name or a digest is that of an encoder; raise UnknownModel if it is not."""
    if name not in (encoder.name, encoder.digest, ANY_ENCODER):
        raise _unknown(name, [encoder.name])


def _unknown(name: str, served: list[str]) -> UnknownModel:
    return UnknownModel(
        f"There is no model {name[:100]!r} here. The served ones are: {', '.join(served)}. "
        f"{ANY_ENCODER} stands for the encoder, whichever it is.",
        {"model": name[:100], "served": served},
    )


ROUTES = (
    ApiRoute("/models", models, answers=ModelsAnswer),
    ApiRoute("/models/{model_id:path}", model, answers=ModelAnswer, example={"model_id": ANY_ENCODER}),
)
