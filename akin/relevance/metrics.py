"""Metrics of a ranking by trec_eval, through the library ir-measures.

trec_eval sorts by score, in 32 bits, and among equal scores by the passage's id, the greatest first. Gains enter nDCG
as they are (not as 2^gain - 1), a passage without a judgement is not relevant, and the ideal ranking has all relevant
passages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import TYPE_CHECKING

from akin.relevance.errors import RelevanceError

if TYPE_CHECKING:
    from ir_measures import Measure

Run = Mapping[str, Mapping[str, float]]
"""Scores of the passages that were found, by the ids of query and passage."""

Qrels = Mapping[str, Mapping[str, int]]
"""Gains (above 0) of the relevant passages, by the ids of query and passage."""

METRICS = (
    *("nDCG@10", "MAP", "MRR@10", "recall@1", "recall@5", "recall@10", "recall@100"),
    *("precision@1", "precision@5", "precision@10"),
)


def query_metrics(run: Run, qrels: Qrels, metrics: Sequence[str] = METRICS) -> dict[str, list[float]]:
    """Return each metric's values, one for each query in the order of `qrels`, between 0 and 1.

    Args:
        run: scores by query and passage. A query that is not in it counts as having no results. MAP and recall@k use
            only its passages.
        qrels: a query needs at least one relevant passage.
        metrics: names such as those in `METRICS`, with any depth behind the @.

    Raises:
        RelevanceError: The library is not installed.
    """
    # Imported here, because the rest of this room must work without it: trec_eval has no wheel for Linux on ARM.
    try:
        import ir_measures
    except ImportError as error:
        raise RelevanceError(
            "metrics need the package ir-measures, which is not installed. Run `make setup`; on Linux on ARM, install "
            "it yourself, with a C compiler."
        ) from error
    measures = {metric: _measure(metric) for metric in metrics}
    found: dict[Measure, dict[str, float]] = {measure: {} for measure in measures.values()}
    runs = {query: dict(run.get(query, {})) for query in qrels}
    gains = {query: dict(judged) for query, judged in qrels.items()}
    for value in ir_measures.pytrec_eval.iter_calc(list(found), gains, runs):
        found[value.measure][value.query_id] = float(value.value)
    values = {metric: [found[measure][query] for query in qrels] for metric, measure in measures.items()}
    return {metric: _cut(metric, column) for metric, column in values.items()}


def mean_metrics(run: Run, qrels: Qrels, metrics: Sequence[str] = METRICS) -> dict[str, float]:
    """Return each metric's mean over the queries."""
    return {metric: mean(values) for metric, values in query_metrics(run, qrels, metrics).items()}


def scores_of_order(passages: Sequence[str]) -> dict[str, float]:
    """Return scores that keep passages in the order given, for rankings that are measured as they were shown."""
    return {passage: float(-rank) for rank, passage in enumerate(passages)}


def _measure(metric: str) -> Measure:
    import ir_measures

    name, _, depth = metric.partition("@")
    if name == "MAP":
        return ir_measures.AP
    if name == "MRR":
        return ir_measures.RR
    return {"nDCG": ir_measures.nDCG, "recall": ir_measures.R, "precision": ir_measures.P}[name] @ int(depth)


def _cut(metric: str, values: list[float]) -> list[float]:
    """Return reciprocal ranks with 0 for ranks below the depth, which trec_eval does not cut, and others unchanged."""
    name, _, depth = metric.partition("@")
    return [value if value >= 1 / int(depth) else 0.0 for value in values] if name == "MRR" else values
