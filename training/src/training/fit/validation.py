"""Evaluator that runs during training: MRR@10 on the run's validation sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sentence_transformers.sentence_transformer.evaluation import SentenceEvaluator

from training.arrays import Floats
from training.evaluation.ranking import nearest
from training.evaluation.retrieval import load_collections, measure_ranking

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

METRIC = "MRR@10"


class Validation(SentenceEvaluator):
    """Known-item search on one or more sets. `MRR@10` is the mean over the sets."""

    def __init__(
        self, folders: Sequence[Path], autocast: Callable[[], AbstractContextManager[Any]], batch_size: int = 64
    ) -> None:
        """Read the sets from folders in BEIR's layout."""
        super().__init__()  # type: ignore[no-untyped-call]  # it has no annotations
        self._collections = load_collections(folders)
        self._autocast = autocast
        self._batch_size = batch_size
        self.primary_metric = METRIC

    def __call__(  # type: ignore[override]  # this one is for text encoders
        self, model: SentenceTransformer, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        """Return MRR@10 of each set by its name, and their mean."""
        found = {}
        for collection in self._collections:
            queries = self._vectors(model, list(collection.queries.values()))
            ranking = nearest(queries, self._vectors(model, list(collection.passages.values())), 10)
            found[f"{collection.name}_{METRIC}"] = float(measure_ranking(ranking, collection, [METRIC])[METRIC].mean())
        return {METRIC: float(np.mean(list(found.values()))) if found else 0.0, **found}

    def _vectors(self, model: SentenceTransformer, texts: list[str]) -> Floats:
        with self._autocast():
            vectors = model.encode(texts, batch_size=self._batch_size, show_progress_bar=False, convert_to_tensor=True)
        unit = np.asarray(vectors.float().cpu(), dtype=np.float32)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        return unit
