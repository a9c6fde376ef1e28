"""Measure how well vectors separate subjects: by the subjects of neighbours, and by a linear classifier.

Neither measures search: an encoder that is trained to cluster subjects is best at both and searches worse. They are
reported beside the metrics of search.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from akin.papers import Paper, PapersError, passage_text, read_papers
from akin.papers.reservoir import Reservoir
from training.arrays import Floats, Values
from training.errors import EvaluationError

AGREEMENT_DEPTHS = (1, 5, 10)
FEWEST_OF_A_SUBJECT = 10
"""Number of papers. Rarer subjects are left out, because they have too few neighbours and training examples."""

TEST_SHARE = 0.3


@dataclass(frozen=True)
class SubjectPapers:
    """Papers with known subjects.

    Attributes:
        texts: passage text of each paper.
        subjects: primary category of each paper, as an index of `names`.
        names: codes of the categories.
        digest: digest of texts and categories.
    """

    texts: list[str]
    subjects: NDArray[np.int64]
    names: list[str]
    digest: str


def read_subjects(path: Path, *, mapping: str | None = None, most: int = 4000) -> SubjectPapers:
    """Read a random sample of `most` papers of a file that have a category.

    Raises:
        EvaluationError: The file cannot be read, or fewer than two categories have `FEWEST_OF_A_SUBJECT` papers.
    """
    try:
        with read_papers(path, mapping) as reader:
            sample: Reservoir[Paper] = Reservoir(most)
            for paper in reader:
                if paper.categories:
                    sample.offer(paper)
            found = sample.items
    except PapersError as error:
        raise EvaluationError(f"the papers for measuring subjects cannot be read: {error}") from error
    counts = Counter(paper.categories[0] for paper in found)
    names = sorted(name for name, count in counts.items() if count >= FEWEST_OF_A_SUBJECT)
    if len(names) < 2:
        raise EvaluationError(
            f"{path} has {len(names)} categories of at least {FEWEST_OF_A_SUBJECT} papers among {most:,} papers drawn, "
            "and two are needed. Give more papers, or leave the file out to skip subjects."
        )
    kept = [paper for paper in found if paper.categories[0] in names]
    texts = [passage_text(paper) for paper in kept]
    subjects = np.array([names.index(paper.categories[0]) for paper in kept], dtype=np.int64)
    digest = hashlib.sha256("\n".join([*texts, *(paper.categories[0] for paper in kept)]).encode()).hexdigest()
    return SubjectPapers(texts, subjects, names, digest)


def agreement(positions: NDArray[np.int64], subjects: NDArray[np.int64]) -> Values:
    """Return the share of each paper's nearest other papers that have its primary category.

    Args:
        positions: [papers, depth], row i without paper i; -1 where nothing was found.
        subjects: [papers].

    Returns:
        For each depth an array, float64 [papers].
    """
    same = (subjects[positions] == subjects[:, None]) & (positions >= 0)
    return {f"agreement@{depth}": same[:, :depth].sum(axis=1) / depth for depth in AGREEMENT_DEPTHS}


def split(subjects: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions to train a classifier on and those to test it on, with every category in both."""
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(np.arange(len(subjects)), test_size=TEST_SHARE, stratify=subjects, random_state=seed)
    return np.sort(train), np.sort(test)


def probe(vectors: Floats, subjects: NDArray[np.int64], train: NDArray[np.int64], test: NDArray[np.int64]) -> Values:
    """Train a logistic regression on vectors, and return whether it predicts each test paper's primary category.

    All features are scaled by the same number, because the components of unit vectors are small: scikit-learn's default
    regularisation then has the same strength for every encoder with the same number of dimensions.

    Returns:
        `accuracy`, float64 [test papers] of 0 and 1.
    """
    from sklearn.linear_model import LogisticRegression

    scaled = vectors * np.sqrt(vectors.shape[1])
    classifier = LogisticRegression(max_iter=1000)
    classifier.fit(scaled[train], subjects[train])
    return {"accuracy": (classifier.predict(scaled[test]) == subjects[test]).astype(np.float64)}


def drop_self(positions: NDArray[np.int64], queries: Sequence[int]) -> NDArray[np.int64]:
    """Return a ranking that is one column narrower, without each query's own position (or without the last column)."""
    own = positions == np.asarray(queries)[:, None]
    own[~own.any(axis=1), -1] = True
    return np.asarray(positions[~own].reshape(len(positions), positions.shape[1] - 1))
