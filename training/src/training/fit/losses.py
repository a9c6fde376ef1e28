"""Losses that the configuration can choose, all from sentence-transformers, and the keys of each.

To add a loss, write a class here, add it to `LossConfig`, and give it a file in `configs/loss/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import structs

from training.errors import ConfigurationError
from training.fit import models
from training.fit.batches import UNNAMED_KIND
from training.schema import Above0, AtLeast0, Positive, Section, explain

# Reading the configuration must not load torch, which takes seconds.
if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor, nn

AddLabels = Callable[[Mapping[str, list[str]]], dict[str, Any]]
"""Function for `Dataset.map` that returns the column of labels."""

Scale = Annotated[Above0, explain("factor of the similarities: one over the temperature")]


class Loss(Section, tag_field="kind", frozen=True):
    """Base class: keys of a loss, and its construction.

    Attributes:
        library_class: name of the class in sentence-transformers.
        needs_labels: True if the loss learns from labelled pairs; other losses use the other texts of a batch as
            negatives and must not see a label.
        in_batch_negatives: True if the other texts of a batch are negatives, so that none may occur twice.
        allows_matryoshka: True if the loss can be computed for several dimensions at once.
    """

    library_class: ClassVar[str]
    needs_labels: ClassVar[bool] = False
    in_batch_negatives: ClassVar[bool] = False
    allows_matryoshka: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """Name in the group `loss`."""
        return str(self.__struct_config__.tag)

    def build(self, model: SentenceTransformer) -> nn.Module:
        """Return the loss for a model.

        Raises:
            SourceError: Another model that the loss needs cannot be loaded.
        """
        from sentence_transformers.sentence_transformer import losses

        built: nn.Module = getattr(losses, self.library_class)(model, **self._arguments(model))
        return built

    def other_models(self) -> dict[str, str]:
        """Return folder or hub id of each other model that the loss needs, by the key of the loss that names it."""
        return {}

    def label_maker(self) -> AddLabels | None:
        """Return a function that adds the labels which the loss computes itself; None if it computes none.

        Raises:
            SourceError: Another model that the loss needs cannot be loaded.
        """
        return None

    def _arguments(self, model: SentenceTransformer) -> dict[str, Any]:
        """Return the arguments of the library's class; a key with the same name and meaning is passed on."""
        return structs.asdict(self)


class RankingLoss(Loss, tag="mnrl", frozen=True):
    """Ranking of the positive above the other passages of the batch."""

    library_class = "MultipleNegativesRankingLoss"
    in_batch_negatives = True

    scale: Scale
    symmetric: Annotated[bool, explain("also rank the queries of a batch for each passage")]
    hardness: Annotated[AtLeast0, explain("weight of hard negatives in a batch (Lan et al., 2025, alpha)")]

    def _arguments(self, model: SentenceTransformer) -> dict[str, Any]:
        both = ("query_to_doc", "doc_to_query")
        hard = {"hardness_mode": "in_batch_negatives", "hardness_strength": self.hardness} if self.hardness else {}
        return {
            "scale": self.scale,
            "similarity_fct": exact_cosine,
            "directions": both if self.symmetric else both[:1],
            "partition_mode": "per_direction" if self.symmetric else "joint",
            **hard,
        }


class CachedRankingLoss(RankingLoss, tag="cached_mnrl", frozen=True):
    """`RankingLoss` with cached gradients (Gao et al., 2021): allows batches larger than the memory.

    It runs the forward pass of each batch once more.
    """

    library_class = "CachedMultipleNegativesRankingLoss"

    mini_batch_size: Annotated[Positive, explain("pairs whose gradients are computed at once")]

    def _arguments(self, model: SentenceTransformer) -> dict[str, Any]:
        return {**super()._arguments(model), "mini_batch_size": self.mini_batch_size}


class GuidedRankingLoss(Loss, tag="gist", frozen=True):
    """Ranking without false negatives: a text that the guide finds nearer than the positive is not a negative."""

    library_class = "GISTEmbedLoss"
    in_batch_negatives = True
    allows_matryoshka = False

    guide: Annotated[str | None, explain("folder or hub id of the guide; `null` is the packaged all-MiniLM-L6-v2")]
    temperature: Annotated[Above0, explain("temperature of the similarities")]
    margin: Annotated[AtLeast0, explain("amount by which a negative must be less similar than the positive")]

    def other_models(self) -> dict[str, str]:
        """Return the guide."""
        return {"guide": self.guide} if self.guide is not None else {}

    def _arguments(self, model: SentenceTransformer) -> dict[str, Any]:
        guide = models.load_unchanged(self.guide, "loss.guide", model.device.type)
        return {"guide": guide, "temperature": self.temperature, "margin": self.margin}


class Contrastive(Loss, tag="contrastive", frozen=True):
    """Distance of labelled pairs: small for 1, at least a margin for 0."""

    library_class = "ContrastiveLoss"
    needs_labels = True

    margin: Annotated[Above0, explain("smallest distance that pairs labelled 0 should have")]


class CoSent(Loss, tag="cosent", frozen=True):
    """Order of labelled pairs by similarity."""

    library_class = "CoSENTLoss"
    needs_labels = True

    scale: Scale


class Distillation(Loss, tag="distillation", frozen=True):
    """Distance to the vectors that a larger teacher gives the same texts."""

    library_class = "EmbedDistillLoss"
    allows_matryoshka = False

    teacher: Annotated[
        str, explain("folder or hub id of the teacher; if it has other dimensions, a projection is learnt as well")
    ]
    distance: Annotated[Literal["cosine", "l2", "mse"], explain("distance to the teacher's vectors")]

    def other_models(self) -> dict[str, str]:
        """Return the teacher."""
        return {"teacher": self.teacher}

    def label_maker(self) -> AddLabels:
        """Return a function that adds the teacher's vectors of anchor and positive as the label."""
        import torch

        teacher = models.load_unchanged(self.teacher, "loss.teacher")

        def add(batch: Mapping[str, list[str]]) -> dict[str, Any]:
            vectors = [teacher.encode(batch[column], convert_to_tensor=True).cpu() for column in ("anchor", "positive")]
            return {"label": torch.stack(vectors, dim=1).tolist()}

        return add

    def _arguments(self, model: SentenceTransformer) -> dict[str, Any]:
        dim = models.load_unchanged(self.teacher, "loss.teacher").get_embedding_dimension()
        projection = None if dim == model.get_embedding_dimension() else dim
        return {"distance_metric": self.distance, "projection_dim": projection}


LossConfig = RankingLoss | CachedRankingLoss | GuidedRankingLoss | Contrastive | CoSent | Distillation


def build_loss(loss: Loss, model: SentenceTransformer, matryoshka: Sequence[int] | None = None) -> nn.Module:
    """Return the loss for a model, inside a Matryoshka loss if dimensions are given.

    Raises:
        ConfigurationError: The loss has no Matryoshka form, or a dimension is larger than the model's.
        SourceError: Another model that the loss needs cannot be loaded.
    """
    built = loss.build(model)
    if not matryoshka:
        return built
    from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss

    if not loss.allows_matryoshka:
        raise ConfigurationError(f"matryoshka cannot be combined with loss={loss.name}: choose mnrl or cached_mnrl.")
    dim = model.get_embedding_dimension() or 0
    if max(matryoshka) > dim:
        raise ConfigurationError(
            f"matryoshka: {max(matryoshka)} is more than the model's {dim} dimensions: give smaller ones."
        )
    return MatryoshkaLoss(model, built, list(matryoshka))


def check(loss: Loss, labelled: bool) -> None:
    """Check that pairs and loss match, before anything is loaded.

    Raises:
        ConfigurationError: The loss needs labels and there are none, or the loss would take every labelled pair for a
            positive one.
    """
    if loss.needs_labels and not labelled:
        raise ConfigurationError(f"loss={loss.name} learns from labelled pairs: choose pairs=labelled.")
    if labelled and not loss.needs_labels:
        raise ConfigurationError(
            f"loss={loss.name} takes every pair for a positive one, but pairs.labelled is true: choose "
            "loss=contrastive or loss=cosent, or pairs without labels."
        )


def check_kinds(
    loss: Loss, by_kind: Mapping[str, Loss], kinds: Iterable[str], labelled: bool, *, streaming: bool
) -> None:
    """Check that each kind of pairs matches its loss, before anything is loaded.

    Args:
        loss: loss of the kinds that have none of their own.
        by_kind: losses of single kinds.
        kinds: kinds of the pairs.
        labelled: True if pairs of the kind `subject` have labels.
        streaming: True if the pairs are a stream.

    Raises:
        ConfigurationError: A kind and its loss do not match, there are no pairs of a kind that has a loss, or a stream
            has several losses.
    """
    kinds = list(kinds)
    for kind in kinds:
        check(by_kind.get(kind, loss), labelled and kind in (UNNAMED_KIND, "subject"))
    if unknown := sorted(set(by_kind) - set(kinds)):
        raise ConfigurationError(
            f"losses.{unknown[0]}: there are no pairs of this kind; there are: {', '.join(kinds)}."
        )
    if by_kind and streaming:
        raise ConfigurationError("losses: a stream has one loss for all kinds: choose trainer.streaming=false.")


def exact_cosine(left: Tensor, right: Tensor) -> Tensor:
    """Return cosines in FP32 even under autocast: the 8 bits of bf16 are too coarse for hard negatives."""
    import torch
    from torch.nn.functional import normalize

    with torch.autocast(left.device.type, enabled=False):
        one, other = (normalize(side.float(), dim=-1) for side in (left, right))
        return one @ other.T
