"""Compare a current window of queries with a reference window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from akin.collection.store import CollectedSearch
from akin.drift.embedding_tests import classify, mmd
from akin.drift.language import language_of
from akin.drift.results import DriftReport, WindowSummary
from akin.drift.stability import shift_of_names, shift_of_numbers

LEVEL, PERMUTATIONS, MOST, FEWEST = 0.05, 500, 1000, 50
_SEED = 1
_Value = TypeVar("_Value", float, str)
_NUMBERS: dict[str, Callable[[CollectedSearch], float | None]] = {
    "words": lambda each: len(each.query.split()),
    "top score": lambda each: each.scores[0] if each.scores else None,
    "unknown terms": lambda each: each.unknown,
}
_NAMES: dict[str, Callable[[CollectedSearch], str | None]] = {
    "language": lambda each: language_of(each.query),
    "category": lambda each: each.category,
    "results": lambda each: "some" if each.ids else "none",
}


@dataclass(frozen=True)
class Window:
    """Queries of one window, with its name in the report."""

    name: str
    searches: Sequence[CollectedSearch]


def compare(
    reference: Window,
    current: Window,
    *,
    level: float = LEVEL,
    permutations: int = PERMUTATIONS,
    most: int = MOST,
    seed: int = _SEED,
) -> DriftReport:
    """Return the report.

    Half of the level is for the two tests of the vectors, and half for the features, each with an equal part of it
    (Bonferroni), so that windows of the same queries are called different at most as often as the level says.

    Args:
        reference: The window to compare with.
        current: The window in question.
        level: Probability of calling windows of the same queries different.
        permutations: Random divisions of the test by MMD.
        most: Vectors of a window that are compared, drawn at random.
        seed: Seed of everything random.
    """
    dice = np.random.default_rng(seed)
    encoder = _encoder(current) or _encoder(reference)
    sides = [_vectors(window, encoder, most, dice) for window in (reference, current)]
    notes = [note for window in (reference, current) if (note := _left_out(window, encoder))]
    by_mmd = by_classifier = None
    reasons = []
    if min(map(len, sides)) >= FEWEST:
        by_mmd = mmd(sides[0], sides[1], permutations=permutations, dice=dice)
        by_classifier = classify(sides[0], sides[1], dice=dice)
        if by_mmd.p <= level / 4:
            reasons.append(f"the vectors differ by MMD (p = {by_mmd.p:.3g})")
        if by_classifier.p <= level / 4:
            reasons.append(
                f"a classifier tells the vectors apart (AUC {by_classifier.auc:.2f}, p = {by_classifier.p:.2g})"
            )
    else:
        notes.append(f"vectors were not compared: a window has fewer than {FEWEST}.")
    part = level / 2 / (len(_NUMBERS) + len(_NAMES))
    features = [
        *(shift_of_numbers(name, *_values(of, reference, current), level=part) for name, of in _NUMBERS.items()),
        *(shift_of_names(name, *_values(of, reference, current), level=part) for name, of in _NAMES.items()),
    ]
    reasons += [f"{each.name} shifted (PSI {each.psi:.2f})" for each in features if each.shifted]
    return DriftReport(
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        level=level,
        drift=bool(reasons),
        reasons=reasons,
        reference=_summary(reference, len(sides[0])),
        current=_summary(current, len(sides[1])),
        mmd=by_mmd,
        classifier=by_classifier,
        features=features,
        notes=notes,
    )


def _encoder(window: Window) -> str | None:
    """Return the encoder of the newest search that has a vector."""
    with_vectors = [each for each in window.searches if each.embedding is not None]
    return max(with_vectors, key=lambda each: each.time).encoder if with_vectors else None


def _vectors(window: Window, encoder: str | None, most: int, dice: np.random.Generator) -> NDArray[np.float32]:
    found = [each.embedding for each in window.searches if each.embedding is not None and each.encoder == encoder]
    chosen = dice.permutation(len(found))[:most]
    return np.array([found[place] for place in chosen], np.float32)


def _left_out(window: Window, encoder: str | None) -> str | None:
    others = sum(each.embedding is not None and each.encoder != encoder for each in window.searches)
    return f"{others:,} vectors of {window.name} are of another encoder and were left out." if others else None


def _values(
    of: Callable[[CollectedSearch], _Value | None], reference: Window, current: Window
) -> tuple[list[_Value], list[_Value]]:
    first, second = (
        [value for each in window.searches if (value := of(each)) is not None] for window in (reference, current)
    )
    return first, second


def _summary(window: Window, compared: int) -> WindowSummary:
    def mean(values: list[float]) -> float | None:
        return round(fmean(values), 4) if values else None

    searches = window.searches
    return WindowSummary(
        name=window.name,
        queries=len(searches),
        compared=compared,
        mean_tokens=mean([each.tokens for each in searches if each.tokens is not None]),
        mean_top_score=mean([each.scores[0] for each in searches if each.scores]),
        mean_unknown=mean([each.unknown for each in searches if each.unknown is not None]),
        without_results=round(sum(not each.ids for each in searches) / len(searches), 4) if searches else 0.0,
    )
