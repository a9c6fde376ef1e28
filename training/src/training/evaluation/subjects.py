"""What vectors know of subjects: whether neighbours share one, and whether a linear classifier can read it off.

Neither is search: an encoder trained to cluster subjects wins both and searches worse. They are there to be seen beside
the measures of search.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from papers import PapersError, passage_text, read_papers
from training.arrays import Floats, Values
from training.errors import EvaluationError

AGREEMENT_DEPTHS = (1, 5, 10)
FEWEST_OF_A_SUBJECT = 10
"""Papers; rarer subjects can neither be neighbours nor be learnt, and are left out."""

TEST_SHARE = 0.3


@dataclass(frozen=True)
class SubjectPapers:
    """Papers whose subject is known.

    Attributes:
        texts: the passage text of each.
        subjects: the primary category of each, as a number.
        names: the categories' codes by number.
        digest: of texts and categories.
    """

    texts: list[str]
    subjects: NDArray[np.int64]
    names: list[str]
    digest: str


def read_subjects(path: Path, *, mapping: str | None = None, most: int = 4000) -> SubjectPapers:
    """Reads papers with categories, the first `most` of a file.

    Raises:
        EvaluationError: The file cannot be read, or fewer than two categories have `FEWEST_OF_A_SUBJECT` papers.
    """
    try:
        with read_papers(path, mapping) as reader:
            found = list(islice((paper for paper in reader if paper.categories), most))
    except PapersError as error:
        raise EvaluationError(f"the papers to measure subjects on: {error}") from error
    counts = Counter(paper.categories[0] for paper in found)
    names = sorted(name for name, count in counts.items() if count >= FEWEST_OF_A_SUBJECT)
    if len(names) < 2:
        raise EvaluationError(
            f"{path} has {len(names)} categories of at least {FEWEST_OF_A_SUBJECT} papers among its first {most:,} "
            "papers with a category; subjects take two. Give more papers, or none to leave subjects out."
        )
    kept = [paper for paper in found if paper.categories[0] in names]
    texts = [passage_text(paper) for paper in kept]
    subjects = np.array([names.index(paper.categories[0]) for paper in kept], dtype=np.int64)
    digest = hashlib.sha256("\n".join([*texts, *(paper.categories[0] for paper in kept)]).encode()).hexdigest()
    return SubjectPapers(texts, subjects, names, digest)


def agreement(positions: NDArray[np.int64], subjects: NDArray[np.int64]) -> Values:
    """The share of each paper's nearest others that have its primary category.

    Args:
        positions: [papers, depth], row i without paper i; -1 where nothing was found.
        subjects: [papers].

    Returns:
        For each depth float64 [papers].
    """
    same = (subjects[positions] == subjects[:, None]) & (positions >= 0)
    return {f"agreement@{depth}": same[:, :depth].sum(axis=1) / depth for depth in AGREEMENT_DEPTHS}


def split(subjects: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions to train and to test a classifier on, every category on both sides."""
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(np.arange(len(subjects)), test_size=TEST_SHARE, stratify=subjects, random_state=seed)
    return np.sort(train), np.sort(test)


def probe(vectors: Floats, subjects: NDArray[np.int64], train: NDArray[np.int64], test: NDArray[np.int64]) -> Values:
    """Whether a logistic regression on the vectors names each test paper's primary category.

    Features are scaled by one number for all (unit vectors are small), so that scikit-learn's default strength of
    regularisation means the same for every encoder of one dimension.

    Returns:
        `accuracy`, float64 [test papers] of 0 and 1.
    """
    from sklearn.linear_model import LogisticRegression

    scaled = vectors * np.sqrt(vectors.shape[1])
    classifier = LogisticRegression(max_iter=1000)
    classifier.fit(scaled[train], subjects[train])
    return {"accuracy": (classifier.predict(scaled[test]) == subjects[test]).astype(np.float64)}


def drop_self(positions: NDArray[np.int64], queries: Sequence[int]) -> NDArray[np.int64]:
    """A ranking one narrower, in which no query found itself."""
    own = positions == np.asarray(queries)[:, None]
    own[~own.any(axis=1), -1] = True
    return np.asarray(positions[~own].reshape(len(positions), positions.shape[1] - 1))
