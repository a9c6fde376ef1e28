"""Read test collections and measure rankings of them, with the errors and the arrays of this package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from akin.relevance import METRICS, Collection, RelevanceError, query_metrics, read_collections
from training.arrays import Values
from training.errors import EvaluationError
from training.evaluation.ranking import PassageRanking


def load_collections(folders: Sequence[Path]) -> list[Collection]:
    """Read collections with their passages, so that no later step can fail on a file.

    Raises:
        EvaluationError: A collection cannot be read, or two of them have the same name.
    """
    with relevance_errors():
        collections = read_collections(folders)
        for collection in collections:
            _ = collection.passages, collection.digest
    return collections


def measure_ranking(ranking: PassageRanking, collection: Collection, metrics: Sequence[str] = METRICS) -> Values:
    """Return each metric's values, float64 [queries]; row i of the ranking belongs to the collection's query i.

    Raises:
        EvaluationError: The library of metrics is not installed.
    """
    ids = list(collection.passages)
    rows = zip(collection.queries, ranking.positions.tolist(), ranking.scores.tolist(), strict=True)
    run = {
        query: {ids[position]: score for position, score in zip(positions, scores, strict=True) if position >= 0}
        for query, positions, scores in rows
    }
    return measure_run(run, collection, metrics)


def measure_run(
    run: Mapping[str, Mapping[str, float]], collection: Collection, metrics: Sequence[str] = METRICS
) -> Values:
    """Return each metric's values, float64 [queries], of scores by the ids of query and passage.

    Raises:
        EvaluationError: The library of metrics is not installed.
    """
    with relevance_errors():
        return {name: np.array(values) for name, values in query_metrics(run, collection.qrels, metrics).items()}


@contextmanager
def relevance_errors() -> Iterator[None]:
    """Raise this package's `EvaluationError` in place of the reader's own error."""
    try:
        yield
    except RelevanceError as error:
        raise EvaluationError(str(error)) from error
