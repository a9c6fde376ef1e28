"""Losses that the configuration can choose, all from sentence-transformers, and the keys of each.

To add a loss, write a class here, add it to `LossConfig`, and give it a file in `configs/loss/`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import structs

from training.errors import ConfigurationError
from training.fit import models
from training.fit.batches import SINGLE_TEXTS, UNNAMED_KIND, PairFile, sample_passages
from training.schema import Above0, AtLeast0, Positive, Section, Share, explain

# Reading the configuration must not load torch, which takes seconds.
if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import nn

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
        takes_single_texts: True if the loss also learns from pairs without a positive.
    """

    library_class: ClassVar[str]
    needs_labels: ClassVar[bool] = False
    in_batch_negatives: ClassVar[bool] = False
    allows_matryoshka: ClassVar[bool] = True
    takes_single_texts: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Name in the group `loss`."""
        return str(self.__struct_config__.tag)

    def build(self, model: SentenceTransformer, pairs: PairFile | None = None) -> nn.Module:
        """Return the loss for a model and its pairs. It may have a method `add_labels` for `Dataset.map`.

        Raises:
            SourceError: Another model that the loss needs cannot be loaded.
        """
        from sentence_transformers.sentence_transformer import losses

        built: nn.Module = getattr(losses, self.library_class)(model, **self._arguments(model))
        return built

    def other_models(self) -> dict[str, str]:
        """Return folder or hub id of each other model that the loss needs, by the key of the loss that names it."""
        return {}

    def prepare(self, pairs: PairFile) -> None:
        """Calculate what several processes that train would otherwise calculate at once."""

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
    gather: Annotated[bool, explain("rank among the passages of all devices that train together (`--processes`)")]

    def _arguments(self, model: SentenceTransformer) -> dict[str, Any]:
        from training.fit.cosine import exact_cosine

        both = ("query_to_doc", "doc_to_query")
        hard = {"hardness_mode": "in_batch_negatives", "hardness_strength": self.hardness} if self.hardness else {}
        return {
            "scale": self.scale,
            "similarity_fct": exact_cosine,
            "directions": both if self.symmetric else both[:1],
            "partition_mode": "per_direction" if self.symmetric else "joint",
            "gather_across_devices": self.gather,
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

    guide: Annotated[
        str | None, explain("folder or hub id of the guide; `null` is the model itself as it is before training")
    ]
    temperature: Annotated[Above0, explain("temperature of the similarities")]
    margin: Annotated[AtLeast0, explain("amount by which a negative must be less similar than the positive")]

    def other_models(self) -> dict[str, str]:
        """Return the guide."""
        return {"guide": self.guide} if self.guide is not None else {}

    def _arguments(self, model: SentenceTransformer) -> dict[str, Any]:
        if self.guide is None:
            guide = copy.deepcopy(model).eval()
        else:
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
    """Distance to the vectors that a larger teacher gives the same texts: both texts of a pair, or single ones."""

    library_class = "EmbedDistillLoss"
    allows_matryoshka = False
    takes_single_texts = True

    teacher: Annotated[
        str,
        explain(
            "folder or hub id of the teacher; if it has more dimensions than the model, its vectors are reduced to the "
            "model's by their principal axes"
        ),
    ]
    distance: Annotated[Literal["cosine", "l2", "mse"], explain("distance to the teacher's vectors")]

    def other_models(self) -> dict[str, str]:
        """Return the teacher."""
        return {"teacher": self.teacher}

    def build(self, model: SentenceTransformer, pairs: PairFile | None = None) -> nn.Module:
        """Return the loss for the pairs.

        Raises:
            ConfigurationError: The teacher has fewer dimensions than the model.
        """
        from training.fit.teacher import build_distilled

        assert pairs is not None
        return build_distilled(model, self._load_teacher(), pairs, self.distance)

    def prepare(self, pairs: PairFile) -> None:
        """Calculate the teacher's vectors."""
        from training.fit.teacher import fill

        fill(self._load_teacher(), pairs)

    def _load_teacher(self) -> SentenceTransformer:
        return models.load_unchanged(self.teacher, "loss.teacher", models.choose_device("auto"))


class Hybrid(Loss, tag="hybrid", frozen=True):
    """Ranking by the sum of cosine and BM25: the model learns where BM25 fails, which is what hybrid search needs."""

    library_class = "HybridRanking"
    in_batch_negatives = True
    allows_matryoshka = False

    scale: Scale
    lexical_weight: Annotated[AtLeast0, explain("BM25 of the best passage of a batch, in units of the cosine")]
    imitation: Annotated[
        Share, explain("share of the loss that imitates the hybrid ranking of the teacher by the cosines alone")
    ]
    teacher: Annotated[str | None, explain("folder or hub id of that teacher; `null` is the model before training")]

    def build(self, model: SentenceTransformer, pairs: PairFile | None = None) -> nn.Module:
        """Return the loss; BM25 counts words in a sample of the pairs' passages."""
        from training.data.token_bm25 import TokenBm25
        from training.fit.hybrid import HybridRanking

        bm25 = TokenBm25.count(
            model.tokenizer, sample_passages(pairs.path) if pairs else [], model.max_seq_length or 512
        )
        teacher = None
        if self.imitation and self.teacher is None:
            teacher = copy.deepcopy(model)
        elif self.imitation:
            teacher = models.load_unchanged(self.teacher, "loss.teacher", model.device.type)
        return HybridRanking(
            model,
            bm25,
            scale=self.scale,
            lexical_weight=self.lexical_weight,
            teacher=teacher,
            imitation=self.imitation,
        )

    def other_models(self) -> dict[str, str]:
        """Return the teacher."""
        return {"teacher": self.teacher} if self.teacher is not None else {}


LossConfig = RankingLoss | CachedRankingLoss | GuidedRankingLoss | Contrastive | CoSent | Distillation | Hybrid


def build_loss(
    loss: Loss, model: SentenceTransformer, matryoshka: Sequence[int] | None = None, pairs: PairFile | None = None
) -> nn.Module:
    """Return the loss for a model, inside a Matryoshka loss if dimensions are given.

    Raises:
        ConfigurationError: The loss has no Matryoshka form, or a dimension is larger than the model's.
        SourceError: Another model that the loss needs cannot be loaded.
    """
    if not matryoshka:
        return loss.build(model, pairs)
    from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss

    if not loss.allows_matryoshka:
        raise ConfigurationError(f"matryoshka cannot be combined with loss={loss.name}: choose mnrl or cached_mnrl.")
    dim = model.get_embedding_dimension() or 0
    if max(matryoshka) > dim:
        raise ConfigurationError(
            f"matryoshka: {max(matryoshka)} is more than the model's {dim} dimensions: give smaller ones."
        )
    return MatryoshkaLoss(model, loss.build(model, pairs), list(matryoshka))


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
        chosen = by_kind.get(kind, loss)
        check(chosen, labelled and kind in (UNNAMED_KIND, "subject"))
        if kind == SINGLE_TEXTS and not chosen.takes_single_texts:
            raise ConfigurationError(
                f"pairs=texts gives single texts, and loss={chosen.name} needs pairs: choose loss=distillation."
            )
    if unknown := sorted(set(by_kind) - set(kinds)):
        raise ConfigurationError(
            f"losses.{unknown[0]}: there are no pairs of this kind; there are: {', '.join(kinds)}."
        )
    if by_kind and streaming:
        raise ConfigurationError("losses: a stream has one loss for all kinds: choose trainer.streaming=false.")
    if streaming and len(kinds) > 1 and (labelled or SINGLE_TEXTS in kinds):
        raise ConfigurationError(
            "pairs.shares: all kinds of a stream have the same columns: choose trainer.streaming=false."
        )
