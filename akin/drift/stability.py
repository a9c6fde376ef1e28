"""Compare a feature of two windows by the population stability index.

PSI is the sum of (p - q) ln(p / q) over the bins. In two samples of one population it is about 1/n + 1/m times a
chi-square variable of as many degrees of freedom as there are bins, less one (B. Yurdakul 2018, "Statistical properties
of population stability index"). So small windows have a large index by chance alone, and a fixed limit of 0.25 would
call them shifted: the limit here is the larger of the common one and of what chance explains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.stats import chi2

from akin.drift.results import FeatureShift

NOTICEABLE = 0.1
"""From here on credit scoring, where the index is from, calls a shift moderate; from 0.25 on, large."""
_BINS = 10
_FEWEST = 30
_MOST_NAMES = 12


def shift_of_numbers(name: str, reference: Sequence[float], current: Sequence[float], *, level: float) -> FeatureShift:
    """Return the shift of a number, in bins with equal shares of the reference."""
    if min(len(reference), len(current)) < _FEWEST:
        return _too_few(name, len(reference), len(current))
    edges = np.unique(np.quantile(np.asarray(reference, float), np.linspace(0, 1, _BINS + 1)[1:-1]))
    counts = [
        np.bincount(np.searchsorted(edges, np.asarray(side, float), side="left"), minlength=len(edges) + 1)
        for side in (reference, current)
    ]
    bins = [f"≤ {edges[0]:.3g}", *(f"{low:.3g} – {high:.3g}" for low, high in pairwise(edges))]
    return _shift(name, [*bins, f"> {edges[-1]:.3g}"], counts[0], counts[1], level)


def shift_of_names(name: str, reference: Sequence[str], current: Sequence[str], *, level: float) -> FeatureShift:
    """Return the shift of a name, in a bin for each of the most frequent ones and one for all others."""
    if min(len(reference), len(current)) < _FEWEST:
        return _too_few(name, len(reference), len(current))
    frequent = [each for each, _ in Counter([*reference, *current]).most_common(_MOST_NAMES)]
    counted = [Counter(side) for side in (reference, current)]
    counts = [np.array([side[each] for each in frequent]) for side in counted]
    others = [len(side) - int(count.sum()) for side, count in zip((reference, current), counts, strict=True)]
    if any(others):
        frequent.append("others")
        counts = [np.append(count, other) for count, other in zip(counts, others, strict=True)]
    return _shift(name, frequent, counts[0], counts[1], level)


def _shift(name: str, bins: Sequence[str], reference: np.ndarray, current: np.ndarray, level: float) -> FeatureShift:
    n, m = int(reference.sum()), int(current.sum())
    # Half a query in each bin, so that an empty one does not make the index infinite.
    p, q = ((count + 0.5) / (count.sum() + 0.5 * len(bins)) for count in (reference, current))
    psi = float(((q - p) * np.log(q / p)).sum())
    by_chance = float(chi2.ppf(1 - level, max(len(bins) - 1, 1))) * (1 / n + 1 / m)
    limit = max(NOTICEABLE, by_chance)
    return FeatureShift(
        name, psi, limit, psi > limit, list(bins), (reference / n).tolist(), (current / m).tolist(), n, m
    )


def _too_few(name: str, reference: int, current: int) -> FeatureShift:
    return FeatureShift(name, None, None, False, [], [], [], reference, current)
