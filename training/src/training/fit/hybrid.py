"""Losses that see the lexical half of hybrid search, because it is the hybrid ranking that users get."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax, softmax

from training.data.token_bm25 import TokenBm25
from training.fit.cosine import exact_cosine

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Features = Iterable[dict[str, Tensor]]


class HybridRanking(nn.Module):
    """Rank the positive above the other passages of the batch by the sum of cosine and BM25.

    Where BM25 alone ranks the positive first, little is left to learn; the gradient comes from queries on which it
    fails. With a teacher, the cosines alone also learn to imitate the teacher's hybrid ranking of the batch.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        bm25: TokenBm25,
        *,
        scale: float,
        lexical_weight: float,
        teacher: SentenceTransformer | None = None,
        imitation: float = 0.0,
    ) -> None:
        """Take the model to train and the weights.

        Args:
            model: model to train.
            bm25: lexical half.
            scale: factor of the sums: one over the temperature.
            lexical_weight: BM25 of the best passage of the batch, in units of the cosine.
            teacher: model whose cosines, with BM25, are the hybrid ranking to imitate.
            imitation: share of the imitation in the loss; the rest is the ranking of the positive.
        """
        super().__init__()
        self.model, self.bm25 = model, bm25.to(model.device)
        self.scale, self.lexical_weight, self.imitation = scale, lexical_weight, imitation
        # In a tuple, so that the trainer neither trains nor saves it.
        self._teacher = (teacher.requires_grad_(False).eval(),) if teacher is not None else ()

    def forward(self, sentence_features: Features, labels: Tensor | None = None) -> Tensor:
        """Return the loss of a batch; the first column has the queries, the second the positives."""
        queries, *passages = list(sentence_features)
        with torch.no_grad(), torch.autocast(queries["input_ids"].device.type, enabled=False):
            lexical = self.bm25(queries, passages)
            lexical = self.lexical_weight * lexical / lexical.amax(dim=1, keepdim=True).clamp(min=1e-9)
            taught = None
            if self._teacher and self.imitation:
                taught = softmax(self.scale * (self._cosines(self._teacher[0], queries, passages) + lexical), dim=1)
        cosines = self._cosines(self.model, queries, passages)
        loss = torch.zeros((), device=cosines.device)
        if self.imitation < 1:
            target = torch.arange(len(cosines), device=cosines.device)
            loss = (1 - self.imitation) * cross_entropy(self.scale * (cosines + lexical), target)
        if taught is not None:
            imitated = log_softmax(self.scale * cosines, dim=1)
            loss = loss + self.imitation * kl_div(imitated, taught, reduction="batchmean")
        return loss

    @staticmethod
    def _cosines(model: SentenceTransformer, queries: dict[str, Tensor], passages: list[dict[str, Tensor]]) -> Tensor:
        vectors: list[Any] = [model(dict(group))["sentence_embedding"] for group in (queries, *passages)]
        return exact_cosine(vectors[0], torch.cat(vectors[1:]))
