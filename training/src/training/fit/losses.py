"""The losses that the configuration can choose, all sentence-transformers' own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from training.errors import ConfigurationError
from training.fit.models import load
from training.pipeline.configuration import (
    CachedRanking,
    Contrastive,
    CoSent,
    Distillation,
    Guided,
    Loss,
    Model,
    Ranking,
)

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

LABELLED = (Contrastive, CoSent)
"""These learn from labels; the others hold every other text of a batch for wrong and must see no label."""


def make_loss(settings: Loss, model: SentenceTransformer, matryoshka: Sequence[int] | None = None) -> nn.Module:
    """A loss over a model, inside a Matryoshka wrapper where dimensions are given.

    Raises:
        ConfigurationError: The loss has no Matryoshka form, or a dimension is larger than the model's.
        SourceError: The guide cannot be loaded.
    """
    loss = _plain(settings, model)
    if not matryoshka:
        return loss
    from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss

    if isinstance(settings, Guided | Distillation):
        raise ConfigurationError(f"matryoshka: it does not go with loss={_name(settings)}; use mnrl or cached_mnrl.")
    dim = model.get_embedding_dimension() or 0
    if max(matryoshka) > dim:
        raise ConfigurationError(f"matryoshka: {max(matryoshka)} is more than the model's {dim} dimensions.")
    return MatryoshkaLoss(model, loss, list(matryoshka))


def check(settings: Loss, labelled: bool) -> None:
    """Holds the pairs against the loss before anything is loaded.

    Raises:
        ConfigurationError: The loss needs labels that are not there, or would take labelled pairs for right ones.
    """
    if isinstance(settings, LABELLED) and not labelled:
        raise ConfigurationError(f"loss={_name(settings)} learns from labelled pairs: choose pairs=labelled.")
    if not isinstance(settings, LABELLED) and labelled:
        raise ConfigurationError(
            f"loss={_name(settings)} takes every pair for a right one, and pairs.labelled is true: choose "
            "loss=contrastive or loss=cosent, or pairs without labels."
        )


def teacher_vectors(settings: Distillation, columns: Sequence[str]) -> Callable[[dict[str, list[str]]], dict[str, Any]]:
    """For `Dataset.map`: adds the teacher's vectors of these columns as the label.

    Raises:
        SourceError: The teacher cannot be loaded.
    """
    teacher = load(_as_it_is(settings.teacher))

    def add(batch: dict[str, list[str]]) -> dict[str, Any]:
        vectors = [teacher.encode(batch[column], convert_to_tensor=True).cpu() for column in columns]
        return {"label": torch.stack(vectors, dim=1).tolist()}

    return add


def exact_cosine(left: Tensor, right: Tensor) -> Tensor:
    """Cosines in FP32 whatever autocast says: bf16 keeps eight bits, too few between a positive and a hard negative."""
    with torch.autocast(left.device.type, enabled=False):
        one, other = (nn.functional.normalize(side.float(), dim=-1) for side in (left, right))
        return one @ other.T


def _plain(settings: Loss, model: SentenceTransformer) -> nn.Module:
    from sentence_transformers.sentence_transformer import losses

    match settings:
        case Ranking():
            return losses.MultipleNegativesRankingLoss(model, **_ranking(settings))
        case CachedRanking():
            return losses.CachedMultipleNegativesRankingLoss(
                model, mini_batch_size=settings.mini_batch_size, **_ranking(settings)
            )
        case Guided():
            guide = load(_as_it_is(settings.guide), model.device.type)
            return losses.GISTEmbedLoss(model, guide, temperature=settings.temperature, margin=settings.margin)
        case Contrastive():
            return losses.ContrastiveLoss(model, margin=settings.margin)
        case CoSent():
            return losses.CoSENTLoss(model, scale=settings.scale)
        case Distillation():
            dim = load(_as_it_is(settings.teacher)).get_embedding_dimension()
            projection = None if dim == model.get_embedding_dimension() else dim
            return losses.EmbedDistillLoss(model, distance_metric=settings.distance, projection_dim=projection)


def _as_it_is(source: str | None) -> Model:
    return Model(source=source, max_length=512, pooling="mean", freeze_embeddings=False, dropout=None)


def _ranking(settings: Ranking | CachedRanking) -> dict[str, Any]:
    both = ("query_to_doc", "doc_to_query")
    hard = {"hardness_mode": "in_batch_negatives", "hardness_strength": settings.hardness} if settings.hardness else {}
    return {
        "scale": settings.scale,
        "similarity_fct": exact_cosine,
        "directions": both if settings.symmetric else both[:1],
        "partition_mode": "per_direction" if settings.symmetric else "joint",
        **hard,
    }


def _name(settings: Loss) -> str:
    return str(type(settings).__struct_config__.tag)
