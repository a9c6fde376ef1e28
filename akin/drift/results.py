"""Define what a report of drift has."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class MmdResult(msgspec.Struct, frozen=True):
    """MMD² of the vectors, its p value, and its values where the vectors are divided at random, ascending."""

    value: float
    p: float
    shuffled: Sequence[float]


class ClassifierResult(msgspec.Struct, frozen=True):
    """Area under the ROC curve of a classifier that tells the windows apart, and the p value of its ranks."""

    auc: float
    p: float


class FeatureShift(msgspec.Struct, frozen=True):
    """Shift of one feature of the queries.

    Attributes:
        name: The feature.
        psi: Population stability index; None if a window has too few values.
        limit: The index from which on the feature is said to have shifted.
        shifted: True if it has.
        bins: Names of the bins.
        reference: Share of the reference in each bin.
        current: Share of the current window in each bin.
        reference_values: Queries of the reference that have a value.
        current_values: Queries of the current window that have one.
    """

    name: str
    psi: float | None
    limit: float | None
    shifted: bool
    bins: Sequence[str]
    reference: Sequence[float]
    current: Sequence[float]
    reference_values: int
    current_values: int


class WindowSummary(msgspec.Struct, frozen=True):
    """One window: its name, its queries, those with a vector that were compared, and its mean top score."""

    name: str
    queries: int
    compared: int
    mean_tokens: float | None
    mean_top_score: float | None
    mean_unknown: float | None
    without_results: float


class DriftReport(msgspec.Struct, frozen=True):
    """Comparison of a current window of queries with a reference.

    Attributes:
        created: The moment of the report, in UTC.
        level: Probability of calling two samples of the same queries different, over all tests together.
        drift: True if any test found a difference.
        reasons: The tests that did, in words.
        reference: The reference window.
        current: The current window.
        mmd: Test of the vectors; None if a window has too few.
        classifier: The other test of the vectors.
        features: Shift of each feature.
        notes: What the report leaves out, and why.
    """

    created: str
    level: float
    drift: bool
    reasons: Sequence[str]
    reference: WindowSummary
    current: WindowSummary
    mmd: MmdResult | None
    classifier: ClassifierResult | None
    features: Sequence[FeatureShift]
    notes: Sequence[str]
