"""Test whether two samples of unit vectors come from one distribution: by MMD, and by a classifier.

MMD is the maximum mean discrepancy of A. Gretton and others ("A kernel two-sample test", JMLR 2012), with an RBF kernel
whose width is the median distance, and a permutation test. The classifier is a logistic regression that is trained on
one half of both samples and asked, on the other half, which sample a vector is from (D. Lopez-Paz and M. Oquab,
"Revisiting classifier two-sample tests", ICLR 2017); its ranks are tested by Mann and Whitney's test, which is valid as
no vector of the second half was seen in training.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu
from sklearn.linear_model import LogisticRegression

from akin.drift.results import ClassifierResult, MmdResult

Vectors = NDArray[np.float32]
_BLOCK = 256
_MEDIAN_OF = 500


def mmd(reference: Vectors, current: Vectors, *, permutations: int, dice: np.random.Generator) -> MmdResult:
    """Return the unbiased estimate of MMD² with its p value, and those of the permutations.

    The kernel is computed in blocks of rows and never kept, so memory grows with the number of vectors times that of
    permutations.
    """
    vectors = np.concatenate([reference, current]).astype(np.float32)
    total, n = len(vectors), len(reference)
    m = total - n
    gamma = 1 / (2 * _median_distance(vectors, dice) ** 2)
    # A column for each way of dividing the vectors, the first being the real one: 1 for the reference.
    sides = np.zeros((total, permutations + 1), np.float32)
    sides[:n, 0] = 1
    for column in range(1, permutations + 1):
        sides[dice.permutation(total)[:n], column] = 1
    within, touching, everything = np.zeros(permutations + 1), np.zeros(permutations + 1), 0.0
    for start in range(0, total, _BLOCK):
        block = vectors[start : start + _BLOCK]
        kernel = np.exp(-gamma * _squared_distances(block, vectors))
        kernel[np.arange(len(block)), start + np.arange(len(block))] = 0
        of_block = sides[start : start + _BLOCK]
        within += np.einsum("ij,ij->j", of_block, kernel @ sides, dtype=np.float64)
        rows = kernel.sum(axis=1, dtype=np.float64)
        touching += rows @ of_block
        everything += rows.sum()
    across = touching - within
    other = everything - within - 2 * across
    found = within / (n * (n - 1)) + other / (m * (m - 1)) - 2 * across / (n * m)
    value, shuffled = float(found[0]), found[1:]
    # The real division counts as one of the permutations, which keeps the level exact.
    p = (1 + int(np.count_nonzero(shuffled >= value))) / (permutations + 1)
    return MmdResult(value, p, [float(each) for each in np.sort(shuffled)])


def classify(reference: Vectors, current: Vectors, *, dice: np.random.Generator) -> ClassifierResult:
    """Return how well a classifier tells the samples apart: the area under its ROC curve (0.5 is chance), and p."""
    halves = [dice.permutation(len(side)) for side in (reference, current)]
    trained, asked = [], []
    for side, order in zip((reference, current), halves, strict=True):
        middle = len(order) // 2
        trained.append(side[order[:middle]])
        asked.append(side[order[middle:]])
    labels = np.repeat([0, 1], [len(part) for part in trained])
    model = LogisticRegression(C=10, class_weight="balanced", max_iter=500).fit(np.concatenate(trained), labels)
    scores = [model.decision_function(part) for part in asked]
    statistic, p = mannwhitneyu(scores[1], scores[0], alternative="greater")
    return ClassifierResult(float(statistic / (len(scores[0]) * len(scores[1]))), float(p))


def _squared_distances(some: Vectors, others: Vectors) -> Vectors:
    norms = (others**2).sum(axis=1)
    found: Vectors = np.maximum((some**2).sum(axis=1)[:, None] + norms - 2 * some @ others.T, 0)
    return found


def _median_distance(vectors: Vectors, dice: np.random.Generator) -> float:
    """Return the median distance of pairs of different vectors, of a sample."""
    sample = vectors[dice.permutation(len(vectors))[:_MEDIAN_OF]]
    distances = np.sqrt(_squared_distances(sample, sample)[np.triu_indices(len(sample), 1)])
    apart = distances[distances > 1e-6]
    return float(np.median(apart)) if len(apart) else 1.0
