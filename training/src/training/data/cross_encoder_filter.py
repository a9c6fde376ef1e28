"""Leave out hard negatives that a cross-encoder takes for answers.

A passage that search ranks high is often right as well. A cross-encoder reads query and passage together, so that it
recognises such passages better than the scores by which they were found (Qu et al., 2021, RocketQA).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.arrays import Floats
from training.errors import SourceError
from training.progress import log_duration, log_progress

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

_KEY = "mine.filter"


class CrossEncoderFilter:
    """Choice of negatives that score lower than the positive by a margin."""

    def __init__(self, source: str, margin: float, *, device: str, batch_size: int) -> None:
        """Load the model.

        Args:
            source: folder or hub id of a CrossEncoder with one output.
            margin: a negative's score is at most the positive's minus this; scores are logits.
            device: device of torch.
            batch_size: pairs of texts to score at once.

        Raises:
            SourceError: The model cannot be loaded, or gives several scores.
        """
        check(source)
        self._model = _load(source, device)
        self._margin, self._batch_size = margin, batch_size

    def choose(
        self, queries: Sequence[str], positives: Sequence[str], candidates: Sequence[Sequence[str]], count: int
    ) -> list[list[int]]:
        """Return for each query the places of its first `count` candidates that pass; fewer if not so many do.

        Only as many candidates are scored as are needed.

        Args:
            queries: texts that search.
            positives: the right answer of each query.
            candidates: possible negatives of each query, the preferred ones first.
            count: negatives of a query.
        """
        scored = 0
        with log_duration(f"scoring negatives of {len(queries):,} queries with {_KEY}"):
            limits = self._scores(list(zip(queries, positives, strict=True))) - self._margin
            chosen: list[list[int]] = [[] for _ in queries]
            for place in range(max(map(len, candidates), default=0)):
                short = [
                    query for query, own in enumerate(chosen) if len(own) < count and place < len(candidates[query])
                ]
                if not short:
                    break
                scores = self._scores([(queries[query], candidates[query][place]) for query in short])
                scored += len(short)
                for query, score in zip(short, scores.tolist(), strict=True):
                    if score <= limits[query]:
                        chosen[query].append(place)
        log_progress(f"{_KEY} dropped {scored - sum(map(len, chosen)):,} of {scored:,} negatives")
        return chosen

    def _scores(self, texts: list[tuple[str, str]]) -> Floats:
        if not texts:
            return np.empty(0, dtype=np.float32)
        pairs: list[Any] = list(texts)
        found: Any = self._model.predict(pairs, batch_size=self._batch_size, show_progress_bar=False)
        return np.asarray(found, dtype=np.float32)


def check(source: str) -> None:
    """Check that a folder holds a model. A hub id is not looked up.

    Raises:
        SourceError: It does not.
    """
    folder = Path(source).expanduser()
    looks_like_path = source.startswith(("/", ".", "~")) or source.count("/") > 1
    if (folder.is_dir() or looks_like_path) and not (folder / "config.json").is_file():
        raise SourceError(
            f"{_KEY}: {folder} is no folder of a CrossEncoder: it has no config.json. Give the folder that "
            "CrossEncoder.save_pretrained() or `akin train reranker` wrote, or a hub id."
        )


def _load(source: str, device: str) -> CrossEncoder:
    import torch
    from sentence_transformers import CrossEncoder

    location = str(Path(source).expanduser())
    try:
        model: CrossEncoder = CrossEncoder(location, device=device, activation_fn=torch.nn.Identity())
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SourceError(
            f"{_KEY}: {source} cannot be loaded as a CrossEncoder: {first} Give its folder, or a hub id while the hub "
            "can be reached."
        ) from error
    if model.num_labels != 1:
        raise SourceError(f"{_KEY}: {source} gives {model.num_labels} scores for a pair. Give a model with one.")
    return model
